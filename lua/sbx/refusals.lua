-- What a list of refusals (syscalls.lua) says of one call: the same comparisons as the kernel's
-- filter makes, on values that are known here.

local M = {}

-- No version that this runs on has the same operator for it.
local function band(a, b)
  local sum, bit = 0, 1
  while a > 0 and b > 0 do
    if a % 2 == 1 and b % 2 == 1 then sum = sum + bit end
    a, b, bit = math.floor(a / 2), math.floor(b / 2), bit * 2
  end
  return sum
end

local COMPARE = {
  eq = function(value, wanted) return value == wanted end,
  ne = function(value, wanted) return value ~= wanted end,
  lt = function(value, wanted) return value < wanted end,
  le = function(value, wanted) return value <= wanted end,
  gt = function(value, wanted) return value > wanted end,
  ge = function(value, wanted) return value >= wanted end,
  masked_eq = function(value, mask, wanted) return band(value, mask) == wanted end,
}

local function matches(rule, values)
  for _, arg in ipairs(rule.args or {}) do
    local value = values[arg[1] + 1]
    if value == nil or not COMPARE[arg[2]](value, arg[3], arg[4]) then return false end
  end
  return true
end

--- The rule that refuses a call with these arguments, or nil. An argument that isn't given matches
--- nothing.
---@param list table[]   engine.seccomp
---@param call string|number
---@param values number[]?
function M.find(list, call, values)
  for _, rule in ipairs(list or {}) do
    if rule.call == call and matches(rule, values or {}) then return rule end
  end
end

--- Whether some arguments of a call are refused.
function M.partly(list, call)
  for _, rule in ipairs(list or {}) do
    if rule.call == call then return true end
  end
  return false
end

return M
