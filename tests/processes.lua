-- This process and all that descend from it, read off /proc.
local floor = require "floor"

local M = {}

---@return string text  "" where there is none, or none any more
function M.read(path)
  local file = io.open(path)
  if not file then return "" end
  local text = file:read("a") or ""
  file:close()
  return text
end

M.own = M.read("/proc/self/stat"):match("^%d+")

function M.resident_kib(pid)
  return tonumber(M.read("/proc/" .. pid .. "/status"):match("VmRSS:%s*(%d+)")) or 0
end

function M.descriptors(pid) return #floor.list("/proc/" .. pid .. "/fd") end

local function pipes(line)
  local found = {}
  local output = assert(io.popen("readlink " .. line .. " 2>/dev/null"))
  for pipe in output:lines() do found[#found + 1] = pipe end
  output:close()
  return found
end

-- A host and its spawner and keeper share a pipe, which is the descriptor 4 of both (start.c); they
-- are nobody's children.
local function shares_a_pipe(pid, mine)
  local name = M.read("/proc/" .. pid .. "/comm")
  if name ~= "sbx-spawner\n" and name ~= "sbx-keeper\n" then return false end
  local theirs = pipes("/proc/" .. pid .. "/fd/4")[1]
  for _, pipe in ipairs(mine) do
    if pipe == theirs then return true end
  end
  return false
end

---@return string[] pids  this process, its spawner and keeper, and all that descend from them
function M.family()
  local children, all, seen = {}, {}, {}
  local function add(pid)
    if seen[pid] then return end
    seen[pid] = true
    all[#all + 1] = pid
    for _, child in ipairs(children[pid] or {}) do add(child) end
  end
  local pids = floor.list("/proc")
  for _, pid in ipairs(pids) do
    local parent = pid:match("^%d+$")
      and M.read("/proc/" .. pid .. "/stat"):match("%) %S+ (%d+)")
    if parent then
      children[parent] = children[parent] or {}
      table.insert(children[parent], pid)
    end
  end
  local mine = pipes("/proc/" .. M.own .. "/fd/*")
  add(M.own)
  for _, pid in ipairs(pids) do
    if pid:match("^%d+$") and shares_a_pipe(pid, mine) then add(pid) end
  end
  return all
end

--- What this host and its engine hold. Supervisors that wait for the next command come and go: they
--- count as none, but this host has two descriptors of each (at most SPARES).
---@return {host_kib: integer, engine_kib: integer, descriptors: integer, processes: integer}
function M.held()
  collectgarbage()
  collectgarbage()
  local held = { host_kib = M.resident_kib(M.own), engine_kib = 0, descriptors = 0, processes = 0 }
  for _, pid in ipairs(M.family()) do
    local name = M.read("/proc/" .. pid .. "/comm")
    local mine = name == "sbx-spawner\n" or name == "sbx-keeper\n"
    if mine then held.engine_kib = held.engine_kib + M.resident_kib(pid) end
    if mine or pid == M.own then held.descriptors = held.descriptors + M.descriptors(pid) end
    if name ~= "sbx-supervisor\n" then held.processes = held.processes + 1 end
  end
  return held
end
M.SPARES = 3

return M
