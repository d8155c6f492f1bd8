-- Real paths, and the symbolic links that lead to them. A link that a command may replace must
-- decide nothing: an earlier command under the same policy could have made it.

local paths = require "sbx.paths"

local M = {}

-- As many as the kernel follows for one path: what resolves has no more.
local MOST = 40

local walk

-- What a link says is walked too: a link outside may lead through one inside a writable root.
local function chain(ask, directory, link, found)
  found[#found + 1] = link
  local target = #found <= MOST and ask("readlink", link)
  if target then walk(ask, target:sub(1, 1) == "/" and "/" or directory, target, found) end
end

function walk(ask, at, text, found)
  for name in text:gmatch("[^/]+") do
    if name == ".." then
      at = paths.split(at) or "/"
    elseif name ~= "." then
      local place = paths.join(at, name)
      local real = ask("realpath", place)
      if not real then return end
      if real ~= place then chain(ask, at, place, found) end
      at = real
    end
  end
end

--- The symbolic links that an absolute path is resolved through, each by its real place.
---@param ask fun(question: string, path: string): any
---@param path string
---@return string[]
function M.of(ask, path)
  local found = {}
  -- a path that is its own real path has none: nothing more is asked, and compared at each use
  if ask("realpath", path) ~= path then walk(ask, "/", path, found) end
  return found
end

--- The real path of what may be missing: that of the nearest parent that is there, and the rest.
--- Halving finds it: the text may be a command's, of thousands of components, and each question is
--- as long as the path.
---@return string path, boolean there
function M.real_or_future(ask, path)
  local real = ask("realpath", path)
  if real then return real, true end
  local stops, low = paths.ends_of(path), 0
  local high = #stops
  real = "/"
  while high - low > 1 do
    local middle = math.floor((low + high) / 2)
    local found = ask("realpath", path:sub(1, stops[middle]))
    if found then low, real = middle, found else high = middle end
  end
  return paths.clean(paths.join(real, path:sub((stops[low] or 0) + 2))), false
end

return M
