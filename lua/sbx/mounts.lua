-- The contained tier's mounts as data: the whole tree read-only, /dev and /dev/shm of the command's
-- own, and over that the regions of the policy, each by what it needs. The engine makes them in
-- this order.

local paths = require "sbx.paths"

local M = {}

-- What every command may use: they reach nothing and nobody.
M.DEVICES = {
  "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty",
}
M.LINKS = {
  { "/dev/fd", "/proc/self/fd" }, { "/dev/stdin", "/proc/self/fd/0" },
  { "/dev/stdout", "/proc/self/fd/1" }, { "/dev/stderr", "/proc/self/fd/2" },
  { "/dev/ptmx", "pts/ptmx" },
}
M.SHM, M.PTS = "/dev/shm", "/dev/pts"
-- File systems that are another's inside: what the host has there is none of the command's.
M.OWN = { "/dev", "/proc" }

-- A node that is opened by nobody where it stands for a hidden file.
local HIDING_NODE = "/dev/null"

-- Octal in words: this syntax has none.
local MODE_755, MODE_777_STICKY, MODE_111 = 493, 1023, 73

-- The whole tree read-only and a /dev of its own: the same for every policy.
local function own_tree(list, ask)
  list[#list + 1] = { op = "seal", path = "/", recursive = true }
  list[#list + 1] = { op = "tmpfs", path = "/dev", mode = MODE_755 }
  for _, path in ipairs(M.DEVICES) do
    if ask("realpath", path) == path then list[#list + 1] = { op = "device", path = path } end
  end
  for _, link in ipairs(M.LINKS) do
    list[#list + 1] = { op = "symlink", path = link[1], other = link[2] }
  end
  list[#list + 1] = { op = "directory", path = M.PTS }
  list[#list + 1] = { op = "devpts", path = M.PTS }
  list[#list + 1] = { op = "directory", path = M.SHM }
  list[#list + 1] = { op = "tmpfs", path = M.SHM, mode = MODE_777_STICKY }
  list[#list + 1] = { op = "seal", path = "/dev" }
end

-- The directories between an empty file system and what is to be seen in it, and its mount point.
local function skeleton(list, made, base, region)
  local steps, path = {}, region.path
  while path and path ~= base do
    table.insert(steps, 1, path)
    path = paths.split(path)
  end
  for index, step in ipairs(steps) do
    local file = index == #steps and region.type ~= "directory"
    if not made[step] then
      made[step] = true
      list[#list + 1] = { op = file and "file" or "directory", path = step, mode = MODE_111 }
    end
  end
end

local function has_children(region, regions)
  for _, other in ipairs(regions) do
    if other.above == region then return true end
  end
  return false
end

local function bind(region, onto)
  return {
    op = "bind", path = region.path, write = region.kind == "write", watch = region.watch,
    placeholder = region.kind == "missing" or nil, onto = onto or nil,
  }
end

-- Hidden, but for what is named in it: that stands in an empty tree that can be passed, not listed.
local function hide_around(list, region, regions)
  local made = {}
  list[#list + 1] = { op = "tmpfs", path = region.path, mode = MODE_111, watch = region.watch }
  for _, other in ipairs(regions) do
    if other.above == region then skeleton(list, made, region.path, other) end
  end
  list[#list + 1] = { op = "seal", path = region.path }
end

local function hide(list, region, regions)
  if region.type ~= "directory" then
    list[#list + 1] = {
      op = "hide", path = region.path, other = HIDING_NODE, watch = region.watch,
    }
  elseif has_children(region, regions) then
    hide_around(list, region, regions)
  else
    list[#list + 1] = { op = "hide", path = region.path, mode = 0, watch = region.watch }
  end
end

-- In a file system of the command's own: a writable root in /dev/shm is the host's all the same.
local function own_base(path)
  for _, base in ipairs(M.OWN) do
    if paths.covers(base, path) then return base end
  end
end

-- Hidden under every policy that says nothing of what is around it.
local function is_shared(region, regions)
  return region.ours and not region.above and not own_base(region.path)
    and not has_children(region, regions)
end

-- The engine may have it ready before it knows the policy, unless something of the host's is needed
-- from where it puts its own.
local function mark_ahead(list, regions)
  for _, region in ipairs(regions) do
    if region.kind == "write" and own_base(region.path) then return end
  end
  for _, entry in ipairs(list) do entry.ahead = true end
end

local function add_region(list, made, region, regions, whole)
  local base = whole and own_base(region.path)
  local top = base and region.above == nil
  if top and region.kind ~= "write" then return end -- not the host's: nothing to take away
  if top and region.path ~= M.SHM then skeleton(list, made, M.SHM, region) end
  if region.kind == "deny" then
    hide(list, region, regions)
  else
    local hidden = region.above and region.above.kind == "deny"
    list[#list + 1] = bind(region, hidden or top)
  end
end

--- The engine's list of mounts for a policy.
---@param regions sbx.Region[]
---@param whole boolean  the whole tree read-only, with a /dev of the command's own
---@param ask fun(question: string, path: string): any
---@param placeholders boolean  whether names that are missing can be held
---@param ahead boolean  whether nothing has to be done before the tree is read-only
function M.list(regions, whole, ask, placeholders, ahead)
  local list, made = {}, {}
  if whole then
    own_tree(list, ask)
    for _, region in ipairs(regions) do
      if is_shared(region, regions) then hide(list, region, regions) end
    end
    if ahead then mark_ahead(list, regions) end
  end
  for _, region in ipairs(regions) do
    -- without placeholders what is there is held all the same
    if not placeholders and region.kind == "missing" and region.type then region.kind = "read" end
    local done = whole and is_shared(region, regions)
    if not done and (placeholders or region.kind ~= "missing") then
      add_region(list, made, region, regions, whole)
    end
  end
  return list
end

return M
