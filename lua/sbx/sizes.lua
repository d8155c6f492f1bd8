-- What a limit may be: a whole number in any form, and for bytes also "4G".

local M = {}

-- Beyond 2^53 a number has lost digits already.
local MOST = 9007199254740992
local POWERS = { K = 1, M = 2, G = 3, T = 4 }

-- Less is used up before a command has started.
local LEAST = { memory_bytes = 1048576, open_files = 3 }

local function from_text(name, text)
  if text:find("^%d+$") then return tonumber(text) end
  local figure, unit = text:match("^(%d+%.?%d*)([KMGTkmgt])i?B?$")
  if not figure or not name:find("_bytes$") then return nil end
  return math.floor(tonumber(figure) * 1024 ^ POWERS[unit:upper()])
end

--- The number, or nil and what is wrong: a value that no limit can have.
---@param name string
---@param value number|string
---@return number|nil, string?
function M.limit(name, value)
  local number = value
  if type(value) == "string" then number = from_text(name, value) end
  local least = LEAST[name] or 1
  if number and number >= least and number <= MOST and number % 1 == 0 then
    return math.floor(number)
  end
  local form = name:find("_bytes$") and " or a size such as \"64M\"" or ""
  return nil, string.format("%s must be a whole number from %d%s, not %s", name, least, form,
                            type(value) == "string" and string.format("%q", value)
                            or tostring(value))
end

--- Whether a value has the type of one; false stands for none.
function M.is_limit(value)
  return value == false or type(value) == "number" or type(value) == "string"
end

return M
