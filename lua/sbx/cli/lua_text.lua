-- Values of a policy as one writes them in Lua.

local lists = require("sbx.lists")

local M = {}

local function escape(char) return string.format("\\%03d", char:byte()) end

--- A string in double quotes, on one line, with nothing in it that a terminal would obey.
function M.string(value)
  local escaped = value:gsub("[\"\\]", "\\%0"):gsub("%c", escape)
  local shown = require("sbx.text").escape(escaped)
  -- what a terminal would turn round is written as bytes
  if shown ~= escaped then escaped = escaped:gsub("[\128-\255]", escape) end
  return "\"" .. escaped .. "\""
end

--- A name as a key of a table.
function M.key(name)
  if type(name) ~= "string" then return "[" .. tostring(name) .. "]" end
  if name:find("^[%a_][%w_]*$") then return name end
  return "[" .. M.string(name) .. "]"
end

--- Any value of a policy on one line.
function M.value(value)
  if type(value) == "string" then return M.string(value) end
  if type(value) ~= "table" then return tostring(value) end
  local words = {}
  for _, entry in ipairs(value) do words[#words + 1] = M.value(entry) end
  for _, name in ipairs(lists.names(value)) do
    if value[name] ~= nil then words[#words + 1] = M.key(name) .. " = " .. M.value(value[name]) end
  end
  return "{" .. table.concat(words, ", ") .. "}"
end

return M
