-- A policy's paths as regions of the file system: which entry decides for what lies below it. The
-- most specific path wins; at one path deny beats read-only beats writable. Pure.

local paths = require "sbx.paths"

local M = {}

---@class sbx.Region
---@field path string
---@field kind "write"|"read"|"deny"|"missing"
---@field type string?      of what is there: "directory", "file", "link" …
---@field mount integer?    its mount, as the kernel numbers them
---@field watch boolean?    the run ends when it is taken away from outside
---@field pin boolean?      writable, and only here so that it can't be moved
---@field readable boolean? only here because it may be read
---@field ours boolean?     nobody's entry: sbxlua's own
---@field above sbx.Region? the nearest one that it lies in

local STRENGTH = { write = 1, missing = 2, read = 3, deny = 4 }

local function put(map, region)
  local known = map[region.path]
  if known and STRENGTH[known.kind] >= STRENGTH[region.kind] then
    known.watch = known.watch or region.watch
    return
  end
  if known then region.watch = region.watch or known.watch end
  map[region.path] = region
end

local function put_list(map, list, kind)
  for _, entry in ipairs(list or {}) do
    put(map, { path = entry.path, kind = kind, type = entry.type, mount = entry.mount,
               watch = kind ~= "write" or nil })
  end
end

-- Who may look at the journal may lock what lies in it.
local function put_journals(map, work)
  for _, path in ipairs(work.journals or {}) do
    local found = work.ask("stat", path)
    if found then put(map, { path = path, kind = "deny", type = found.type, ours = true }) end
  end
end

-- What may be somebody's placeholder has no entry in it: its own two names are all.
local function may_be_placeholder(entry)
  return entry.type == "directory" and entry.nlink ~= nil and entry.nlink <= 2
end

local function put_protected(map, list)
  for _, entry in ipairs(list or {}) do
    if not entry.exists then
      put(map, { path = entry.hold or entry.path, kind = "missing", watch = true })
    elseif may_be_placeholder(entry) then
      put(map, { path = entry.path, kind = "missing", type = entry.type, watch = true })
    else
      put(map, { path = entry.path, kind = "read", type = entry.type, watch = true })
    end
  end
end

local function sorted(map)
  local list = {}
  for _, region in pairs(map) do list[#list + 1] = region end
  -- with the slash a directory stands before all that lies in it, and nothing between
  table.sort(list, function(a, b) return a.path .. "/" < b.path .. "/" end)
  return list
end

-- Says the same as what it lies in.
local function is_idle(region, base)
  local above = region.above
  local kind = above and above.kind or base
  if region.kind == "missing" then return kind ~= "write" end
  -- only what is hidden needs to be told that it can be read
  if region.readable then return kind ~= "deny" end
  if region.kind ~= kind then return false end
  return region.kind ~= "write" or above == nil or region.mount == above.mount
end

-- Parents first, each with the one that it lies in; what says nothing new is left out.
local function ordered(map, base)
  local kept, open = {}, {}
  for _, region in ipairs(sorted(map)) do
    while #open > 0 and not paths.inside(open[#open].path, region.path) do open[#open] = nil end
    region.above = open[#open]
    if region.pin or not is_idle(region, base) then
      kept[#kept + 1] = region
      open[#open + 1] = region
    else
      map[region.path] = nil
    end
  end
  return kept
end

-- Who can write a directory can move it away, with all that is protected in it, and put another in
-- its place; one that something is mounted on can't be moved (rename(2), EBUSY).
local function pin_parents(map, list, base)
  for _, region in ipairs(list) do
    local above = region.above
    local kind = above and above.kind or base
    local parent = paths.split(region.path)
    while kind == "write" and region.kind ~= "write" and parent and parent ~= "/"
      and parent ~= (above and above.path) do
      if not map[parent] then
        map[parent] = { path = parent, kind = "write", type = "directory", pin = true }
      end
      -- from outside it can be moved all the same
      map[parent].watch = map[parent].watch or region.watch
      parent = paths.split(parent)
    end
  end
end

--- The regions of a policy, parents first.
---@param work table  from roots.resolve; `own` and `bare`: as protected.lua gives them
---@param base "read"|"write"  what holds where no entry does
---@return sbx.Region[]
function M.of(work, base)
  local map = {}
  put_list(map, work.writable, "write")
  put_list(map, work.read_only, "read")
  put_list(map, work.deny_read, "deny")
  -- a listed socket is what it is for the whole run
  put_list(map, work.unix_sockets, "read")
  put_journals(map, work)
  put_protected(map, work.protect)
  put_protected(map, work.bare)
  put_protected(map, work.own)
  for _, entry in ipairs(work.readable or {}) do
    if not map[entry.path] then
      map[entry.path] = { path = entry.path, kind = "read", type = entry.type, readable = true }
    end
  end
  pin_parents(map, ordered(map, base), base)
  return ordered(map, base)
end

return M
