-- The part of a path that is there.

local paths = require "sbx.paths"

local M = {}

--- The path itself, or the nearest directory above it that is there. The command has chosen the
--- path, and may have made it of two thousand components: where one is missing all below it are, so
--- that halving finds it in a dozen looks.
---@param stat fun(path: string): table?
---@param path string|nil  absolute
---@return string
function M.nearest(stat, path)
  if not path or path == "/" then return "/" end
  if stat(path) then return path end
  local ends = paths.ends_of(path)
  local low, high = 0, #ends -- there is something at `low`, nothing at `high`
  while high - low > 1 do
    local middle = math.floor((low + high) / 2)
    if stat(path:sub(1, ends[middle])) then low = middle else high = middle end
  end
  return low == 0 and "/" or path:sub(1, ends[low])
end

return M
