-- Whether what a plan script gave is a plan: what the engine and a result take from it. The engine
-- part is checked by the core, which refuses what it doesn't know.

local M = {}

local TYPES = {
  ["none"] = true, ["linux-seccomp"] = true, ["macos-seatbelt"] = true,
  ["windows-restricted-token"] = true,
}
-- Only these are run, and so need a set of layers.
local RUN = { ["none"] = true, ["linux-seccomp"] = true }

local function check_missing(list, name)
  if list == nil then return nil end
  if type(list) ~= "table" then return name .. " must be a list, not " .. type(list) end
  for index, entry in ipairs(list) do
    if type(entry) ~= "table" or type(entry.property) ~= "string"
      or type(entry.reason) ~= "string" then
      return string.format("%s[%d] must be {property = …, reason = …}", name, index)
    end
  end
end

local function check_texts(map, name)
  if map == nil then return nil end
  if type(map) ~= "table" then return name .. " must be a map, not " .. type(map) end
  for key, value in pairs(map) do
    if type(key) ~= "string" then
      return string.format("%s has a name that is no string: %s", name, tostring(key))
    end
    if type(value) ~= "string" then
      return string.format("%s.%s must be a string, not %s", name, key, type(value))
    end
  end
end

--- What is no environment variable in a map, or nil.
---@return string|nil
function M.environment_problem(map, name)
  local problem = check_texts(map, name)
  if problem then return problem end
  for key, value in pairs(map or {}) do
    if key == "" or key:find("[=%z]") then
      return string.format("%s: %q is no name for an environment variable", name, key)
    end
    if value:find("%z") then return name .. "." .. key .. " contains a NUL byte" end
  end
end

local function check_alternative(alternative, name)
  if type(alternative) ~= "table" then
    return name .. " must be a table, not " .. type(alternative)
  end
  if type(alternative.tier) ~= "string" then return name .. ".tier must be a string" end
  local engine = alternative.engine
  if type(engine) ~= "table" then return name .. ".engine must be a table, not " .. type(engine) end
  local namespaces = engine.namespaces
  if namespaces ~= nil and type(namespaces) ~= "table" then
    return name .. ".engine.namespaces must be a table, not " .. type(namespaces)
  end
  return check_texts(alternative.enforced, name .. ".enforced")
    or check_missing(alternative.missing, name .. ".missing")
end

local function check_alternatives(plan)
  local list = plan.alternatives
  if type(list) ~= "table" then return "plan.alternatives must be a list, not " .. type(list) end
  if RUN[plan.type] and #list == 0 then return "plan.alternatives is empty: nothing can be run" end
  for index, alternative in ipairs(list) do
    local problem = check_alternative(alternative, "plan.alternatives[" .. index .. "]")
    if problem then return problem end
  end
end

--- What is wrong with a plan, or nil.
---@return string|nil
function M.problem(plan)
  if type(plan) ~= "table" then return "plan must give a table, not " .. type(plan) end
  if not TYPES[plan.type] then
    return "plan.type is no type of sandbox: " .. tostring(plan.type)
  end
  if type(plan.policy) ~= "string" then
    return "plan.policy must be a string, not " .. type(plan.policy)
  end
  return M.environment_problem(plan.env, "plan.env") or check_missing(plan.missing, "plan.missing")
    or check_alternatives(plan)
end

return M
