-- What the dynamic loader obeys before a program's first line. The helper is started by the host
-- with the command's environment: such a variable would act on it, outside of any sandbox.

local M = {}

local PREFIXES = { "LD_" }
local NAMES = { GLIBC_TUNABLES = true }

local function is_obeyed(name)
  if NAMES[name] then return true end
  for _, prefix in ipairs(PREFIXES) do
    if name:sub(1, #prefix) == prefix then return true end
  end
  return false
end

--- The first name, by the alphabet, that the loader would obey; nil where there is none.
---@param env table<string, string>
---@return string|nil
function M.obeyed(env)
  local least
  for name in pairs(env) do
    if is_obeyed(name) and (not least or name < least) then least = name end
  end
  return least
end

return M
