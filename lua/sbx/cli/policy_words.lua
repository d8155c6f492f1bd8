-- The options that say what a command may touch, as one policy: a name alone, or a table that
-- extends it. What --policy-json lists comes first, what single options name is appended.

local core = require("sbx.core")
local errors = require("sbx.errors")
local fields = require("sbx.fields")

local M = {}

-- option -> field of the policy that it appends to
local LISTS = {
  writable_root = "writable_roots", read_only = "read_only", readable = "readable",
  deny_read = "deny_read", unix_socket = "unix_sockets",
}

local function json_text(word)
  if word:sub(1, 1) ~= "@" then return word end
  local text, err = core.fs_read(word:sub(2))
  if text then return text end
  return nil, "--policy-json: " .. require("sbx.policyfiles").unreadable(word:sub(2), err)
end

local function policy_json(word)
  local text, message = json_text(word)
  if not text then return nil, message end
  local policy
  policy, message = require("sbx.json").decode(text)
  if type(policy) == "table" and policy[1] == nil then return policy end
  return nil, "--policy-json: " .. (message or "an object is wanted: {\"extends\": …}")
end

-- A field may stand as `{"replace": [...]}`; what an option names belongs to it too.
local function append(policy, field, words)
  local list = policy[field] or {}
  if type(list) ~= "table" then return nil, "--policy-json: " .. field .. " must be a list" end
  local target = list.replace or list
  if type(target) ~= "table" then return nil, "--policy-json: " .. field .. " must be a list" end
  for _, word in ipairs(words) do target[#target + 1] = word end
  policy[field] = list
  return true
end

local function add_network(values, policy)
  if not values.network then return true end
  for _, word in ipairs(fields.NETWORKS) do
    if word == values.network then
      policy.network, policy.network_access = word, nil
      return true
    end
  end
  return nil, errors.unknown("word for --network:", values.network, fields.NETWORKS)
end

local function add_peers(values, policy)
  if not values.allow_connect then return true end
  if values.network then return nil, "give --network or --allow-connect, not both" end
  local network = policy.network
  if type(network) ~= "table" then network = { allow = {} } end
  policy.network, policy.network_access = network, nil
  return append(network, "allow", values.allow_connect)
end

local function add_base(values, policy)
  local base = values.policy
  if base and policy.extends then
    return nil, "give --policy or \"extends\" in --policy-json, not both"
  end
  policy.extends = policy.extends or base
  return true
end

local function add_lists(values, policy)
  for option, field in pairs(LISTS) do
    if values[option] then
      local ok, message = append(policy, field, values[option])
      if not ok then return nil, message end
    end
  end
  return true
end

local function only_a_name(values)
  for option in pairs(LISTS) do
    if values[option] then return false end
  end
  return not values.network and not values.policy_json and not values.allow_connect
end

--- Sets opts.policy where an option says something of it.
---@return boolean|nil ok, string? message
function M.set(values, opts)
  if only_a_name(values) then
    opts.policy = values.policy
    return true
  end
  local policy, message = {}, nil
  if values.policy_json then policy, message = policy_json(values.policy_json) end
  if not policy then return nil, message end
  for _, add in ipairs({ add_base, add_network, add_peers, add_lists }) do
    local ok, why = add(values, policy)
    if not ok then return nil, why end
  end
  opts.policy = policy
  return true
end

return M
