-- The command's whole environment: what the editable script lets through, then `env`, then the two
-- variables that tell a program it has no network.

local errors = require "sbx.errors"
local plans = require "sbx.plans"
local scripts = require "sbx.scripts"

local M = {}

local function merge(into, map)
  for name, value in pairs(map or {}) do into[name] = value or nil end
end

-- `env` has the last word on the network variables too; false there removes them.
local function add_network(map, additions, o_env, policy_env)
  for name, value in pairs(additions) do
    local said = o_env and o_env[name]
    if said == nil then said = policy_env and policy_env[name] end
    if said == nil then map[name] = value end
  end
end

local function dropped_names(inherited, map)
  local names = {}
  for name in pairs(inherited) do
    if map[name] == nil then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function to_list(map)
  local list, n = {}, 0
  for name, value in pairs(map) do
    n = n + 1
    list[n] = name .. "=" .. value
  end
  return list
end

-- Throws for what is no environment.
local function built(script, env_policy, held)
  local map = script.build(env_policy, held.environ, held.ctx)
  if type(map) ~= "table" then error("build must give a map, not " .. type(map), 0) end
  local problem = plans.environment_problem(map, "build")
  if problem then error(problem, 0) end
  return map
end

local function filter(env_policy, held, script)
  local map, raw = scripts.call(script, built, script, env_policy, held)
  if not map then return nil, errors.adopt(raw) end
  return map
end

-- The policy's filter is asked once for a sandbox.
local function filtered(held, o, script)
  if o.clear_env then return {} end
  if o.env_policy then return filter(o.env_policy, held, script) end
  if held.filtered then return held.filtered end
  local map, err = filter(held.policy.env_policy or script.default, held, script)
  held.filtered = map
  return map, err
end

local function build(held, o, script)
  local map = {}
  local passed, err = filtered(held, o, script)
  if not passed then return nil, err end
  merge(map, passed)
  merge(map, held.policy.env)
  merge(map, o.env)
  add_network(map, held.plan.env or {}, o.env, held.policy.env)
  return { map = map, list = to_list(map), dropped = dropped_names(held.environ, map) }
end

--- `{map, list, dropped}` for one command. Without options of its own it is made once a sandbox.
---@param held table  from sandboxes.get
---@param o table     the options read
---@param script table  env.lua
---@return table|nil, sbx.Error?
function M.get(held, o, script)
  if o.env or o.env_policy or o.clear_env then return build(held, o, script) end
  if held.child_env then return held.child_env end
  local env, err = build(held, o, script)
  held.child_env = env
  return env, err
end

return M
