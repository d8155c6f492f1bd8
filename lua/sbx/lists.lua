-- Looking for something in a list, and lists of names.

local M = {}

--- Whether a word stands in a list; nil is an empty one.
---@param list any[]|nil
---@return boolean
function M.has(list, word)
  for _, known in ipairs(list or {}) do
    if known == word then return true end
  end
  return false
end

--- The first entry with this value in a field; nil where none has it or there is no list.
---@param list table[]|nil
---@param field string
---@return table|nil
function M.find(list, field, value)
  for _, entry in ipairs(list or {}) do
    if entry[field] == value then return entry end
  end
end

--- The names of a map, in order.
---@param map table
---@return string[]
function M.names(map)
  local names = {}
  for name in pairs(map) do names[#names + 1] = tostring(name) end
  table.sort(names)
  return names
end

return M
