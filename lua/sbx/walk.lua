-- Where a path leads, as the kernel would walk it: links one by one, `..` from where they end. Also
-- for what is not there (yet), which realpath can't tell.

local paths = require "sbx.paths"

local M = {}

-- As many as the kernel follows for one path.
local MOST = 40

local function push_names(stack, text)
  local names = {}
  for name in text:gmatch("[^/]+") do names[#names + 1] = name end
  for i = #names, 1, -1 do stack[#stack + 1] = names[i] end
end

-- Links in /proc lead to what a process has, not to what their text says.
local function target_of(ask, place, cwd)
  if not paths.inside("/proc", place) then return ask.readlink and ask.readlink(place) end
  if place:find("^/proc/.+/root$") then return "/" end
  if place:find("^/proc/.+/cwd$") then return cwd end
end

--- The place that a path names: without links, except, with `keep_last`, the last one itself.
---@param ask table           `fs` of a context: readlink
---@param path string         absolute
---@param keep_last boolean   creating, removing and renaming don't follow the last name
---@param cwd string?
---@return string|nil place   nil: the kernel gives up (ELOOP)
---@return string[] links       followed on the way, each by its real place
---@return string[] left        directories that `..` led out of
function M.place(ask, path, keep_last, cwd)
  local at, stack, links, left = "/", {}, {}, {}
  push_names(stack, path)
  while #stack > 0 do
    local name = table.remove(stack)
    if name == ".." then
      left[#left + 1] = at
      at = paths.split(at) or "/"
    elseif name ~= "." then
      local place = paths.join(at, name)
      local target = not (keep_last and #stack == 0) and target_of(ask, place, cwd)
      if target then
        links[#links + 1] = place
        if #links > MOST then return nil, links, left end
        if target:sub(1, 1) == "/" then at = "/" end
        push_names(stack, target)
      else
        at = place
      end
    end
  end
  return at, links, left
end

return M
