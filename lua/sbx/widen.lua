-- A policy made wider: what a caller's option says, and what is granted, as one value.

local errors = require "sbx.errors"
local fields = require "sbx.fields"
local lists = require "sbx.lists"

local M = {}

local function copy_of(value)
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, entry in pairs(value) do copy[key] = copy_of(entry) end
  return copy
end

-- Onto what is there, also behind `{replace = …}`.
local function append(policy, field, words)
  local list = copy_of(policy[field] or {})
  local target = list.replace or list
  for _, word in ipairs(words.replace or words) do
    if not lists.has(target, word) then target[#target + 1] = word end
  end
  policy[field] = list
end

local function network(policy, wanted)
  local before = policy.network
  policy.network_access = nil
  if type(wanted) == "table" and type(before) == "table" then
    local box = { allow = before.allow }
    append(box, "allow", wanted.allow)
    policy.network = box
  elseif before ~= "full" then
    policy.network = copy_of(wanted)
  end
end

local function add(policy, field, value)
  if field == "network" then
    network(policy, value)
  elseif field == "network_access" then
    network(policy, value and "full" or "none")
  elseif fields.FIELDS[field].joins == "append" and type(value) == "table" then
    append(policy, field, value)
  else
    policy[field] = copy_of(value)
  end
end

--- The policy with these fields over it: lists are appended, each entry once.
---@param policy string|table  as in opts
---@param more table           fields of a policy; `extends` counts where the policy has none
---@return table
function M.policy(policy, more)
  local wide = type(policy) == "table" and copy_of(policy) or { extends = policy }
  for _, field in ipairs(lists.names(more)) do
    if field ~= "extends" then add(wide, field, more[field]) end
  end
  return wide
end

--- opts widened by what `denial.suggest` says: a new table.
---@param opts sbx.Options
---@param suggest table|nil  nil: nothing to grant
---@return sbx.Options
function M.opts(opts, suggest)
  if type(opts) ~= "table" then
    errors.throw("sbx.grant takes options, not " .. type(opts))
  end
  if suggest ~= nil and type(suggest) ~= "table" then
    errors.throw("sbx.grant takes a denial's suggest, not " .. type(suggest))
  end
  local problem = suggest and fields.problem(suggest)
  if problem then errors.throw("sbx.grant: " .. problem) end
  local wide = {}
  for name, value in pairs(opts) do wide[name] = value end
  if suggest then wide.policy = M.policy(opts.policy or "read-only", suggest) end
  return wide
end

return M
