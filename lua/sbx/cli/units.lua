-- Durations, sizes and numbers as one types them. Each gives nil and what is wrong.

local M = {}

local MILLISECONDS = { ms = 1, s = 1000, m = 60000, h = 3600000 }
local POWERS = { [""] = 0, k = 1, m = 2, g = 3, t = 4 }
local MOST = 2 ^ 53

--- "90s", "1.5m", "500ms", "2h" in milliseconds; "0" is 0.
function M.duration(word)
  local figure, unit = word:match("^(%d+%.?%d*)(%a*)$")
  local value = tonumber(figure)
  if value == 0 and (unit == "" or MILLISECONDS[unit]) then return 0 end
  if value and unit == "" then
    return nil, string.format("%q has no unit: write %ss, %sms or %sm", word, word, word, word)
  end
  local factor = value and MILLISECONDS[unit]
  if not factor then return nil, string.format("%q is no duration: 500ms, 90s, 5m, 1h", word) end
  local ms = math.ceil(value * factor)
  if ms > MOST then return nil, string.format("%q is too long", word) end
  return math.tointeger(ms)
end

--- A whole number, 0 or more.
function M.count(word)
  local value = word:match("^%d+$") and math.tointeger(tonumber(word))
  if not value then return nil, string.format("%q is no whole number", word) end
  return value
end

--- "4096", "64K", "10M", "1G" (powers of 1024) in bytes.
function M.size(word)
  local figure, unit = word:match("^(%d+%.?%d*)([KMGTkmgt]?)i?B?$")
  local value = tonumber(figure)
  local bytes = value and math.floor(value * 1024 ^ POWERS[unit:lower()])
  if not bytes or bytes > MOST then
    return nil, string.format("%q is no size: 4096, 64K, 10M, 1G", word)
  end
  return math.tointeger(bytes)
end

return M
