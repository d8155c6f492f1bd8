-- The fields of a policy as data: what each takes, and how it joins what it extends. One loop
-- checks them; the answer is a message or nothing, and the caller knows whether to throw it.

local errors = require "sbx.errors"
local lists = require "sbx.lists"
local peers = require "sbx.peers"
local sizes = require "sbx.sizes"

local M = {}

M.MODES = { "read-only", "workspace-write", "danger-full-access" }
M.NETWORKS = { "none", "loopback", "full" }
M.TIERS = { "auto", "contained", "landlock" }
M.PROPERTIES = {
  "fs", "metadata", "unix_sockets", "network", "kill_tree", "read_deny", "protect", "limits",
}

local ENV_POLICY = {
  inherit = "string", ignore_default_excludes = "boolean", exclude = "table", set = "table",
  include_only = "table",
}
M.INHERIT = { "core", "all", "none" }
M.LIMITS = { "memory_bytes", "processes", "cpu_ms", "open_files", "file_bytes", "output_bytes" }

local check = {}

local sorted = lists.names

local function one_of(name, word, words)
  if lists.has(words, word) then return nil end
  return errors.unknown("word for " .. name .. ":", word, words)
end

local function expect(name, value, kind, words)
  if type(value) == kind then return nil end
  return string.format("%s must be %s, not %s", name, words or ("a " .. kind), type(value))
end

-- An array without holes of one kind of value.
local function check_array(name, list, kinds)
  local count = 0
  for key, value in pairs(list) do
    if type(key) ~= "number" then
      return string.format("%s is a list, it has no %q", name, tostring(key))
    end
    if not kinds[type(value)] then
      return string.format("%s[%s] must be a string, not %s", name, tostring(key), type(value))
    end
    count = count + 1
  end
  if count ~= #list then return name .. " has a hole: an entry is nil" end
end

local STRINGS = { string = true }

function check.list(name, value)
  local problem = expect(name, value, "table", "a list of strings")
  if problem then return problem end
  if value.replace == nil then return check_array(name, value, STRINGS) end
  for key in pairs(value) do
    if key ~= "replace" then return name .. ": nothing stands beside replace" end
  end
  return expect(name .. ".replace", value.replace, "table", "a list of strings")
    or check_array(name .. ".replace", value.replace, STRINGS)
end

function check.names(name, value)
  local problem = check.list(name, value)
  if problem then return problem end
  for _, entry in ipairs(value.replace or value) do
    if entry == "" or entry == "." or entry == ".." or entry:find("[/%z]") then
      return string.format("%s: %q must be a plain name: it is looked for in each root", name,
                           entry)
    end
  end
end

function check.properties(name, value)
  local problem = check.list(name, value)
  if problem then return problem end
  for _, entry in ipairs(value.replace or value) do
    problem = one_of(name, entry, M.PROPERTIES)
    if problem then return problem end
  end
end

function check.boolean(name, value) return expect(name, value, "boolean") end

function check.text(name, value) return expect(name, value, "string") end

function check.mode(name, value)
  return expect(name, value, "string") or one_of(name, value, M.MODES)
end

function check.tier(name, value)
  return expect(name, value, "string") or one_of(name, value, M.TIERS)
end

local function check_peers(name, list)
  local names = 0
  for _, entry in ipairs(list.replace or list) do
    local peer, problem = peers.read(entry)
    if not peer then return string.format("%s %q %s", name, entry, problem) end
    names = names + (peer.name and 1 or 0)
  end
  if names > peers.NAMES then
    return string.format("%s has %d names to resolve: %d are the most", name, names, peers.NAMES)
  end
end

function check.network(name, value)
  if type(value) == "string" then return one_of(name, value, M.NETWORKS) end
  local problem = expect(name, value, "table", "a word or {allow = {…}}")
  if problem then return problem end
  for key in pairs(value) do
    if key ~= "allow" then
      return errors.unknown("field of " .. name, key, { "allow" })
    end
  end
  if value.allow == nil then return name .. " is {allow = {\"host:port\", …}}" end
  return check.list(name .. ".allow", value.allow) or check_peers(name .. ".allow", value.allow)
end

function check.callback(name, value) return expect(name, value, "function") end

function check.extends(name, value)
  if type(value) == "string" then return nil end
  return expect(name, value, "table", "a name or a list of names")
    or check_array(name, value, STRINGS)
end

local function check_map(name, map, allowed, words)
  for key, value in pairs(map) do
    if type(key) ~= "string" or key == "" or key:find("[=%z]") then
      return string.format("%s: %q is no name for an environment variable", name, tostring(key))
    end
    if not allowed(value) then
      return string.format("%s.%s must be %s, not %s", name, key, words, type(value))
    end
    if value and value:find("%z") then
      return string.format("%s.%s contains a NUL byte", name, key)
    end
  end
end

function check.env(name, value)
  return expect(name, value, "table", "a map of strings")
    or check_map(name, value, function(v) return v == false or type(v) == "string" end,
                 "a string, or false to remove it")
end

function check.env_policy(name, value)
  local problem = expect(name, value, "table")
  if problem then return problem end
  for key, entry in pairs(value) do
    if not ENV_POLICY[key] then
      return errors.unknown("field of " .. name, key, sorted(ENV_POLICY))
    end
    problem = expect(name .. "." .. key, entry, ENV_POLICY[key])
    if problem then return problem end
  end
  return value.inherit and one_of(name .. ".inherit", value.inherit, M.INHERIT)
    or check_array(name .. ".exclude", value.exclude or {}, STRINGS)
    or check_array(name .. ".include_only", value.include_only or {}, STRINGS)
    or check_map(name .. ".set", value.set or {}, function(v) return type(v) == "string" end,
                 "a string")
end

function check.limits(name, value)
  local problem = expect(name, value, "table")
  if problem then return problem end
  for key, limit in pairs(value) do
    if one_of(name, key, M.LIMITS) then return errors.unknown("limit", key, M.LIMITS) end
    if not sizes.is_limit(limit) then
      return string.format("%s.%s must be a number, a size or false, not %s", name, key,
                           type(limit))
    end
    problem = limit and select(2, sizes.limit(key, limit))
    if problem then return name .. "." .. problem end
  end
end

-- Far above any number in use; a larger one would be cut to one that means another call.
local LAST_CALL = 4095

local function is_call(call)
  if type(call) == "string" then return call:find("^[%l_][%w_]*$") ~= nil end
  return call >= 0 and call <= LAST_CALL and call % 1 == 0
end

local CALLS = { string = true, number = true }

function check.syscalls(name, value)
  local problem = expect(name, value, "table", "{deny = {…}, allow = {…}}")
  if problem then return problem end
  for key, list in pairs(value) do
    if key ~= "deny" and key ~= "allow" then
      return errors.unknown("field of " .. name, key, { "deny", "allow" })
    end
    problem = expect(name .. "." .. key, list, "table", "a list of calls")
      or check_array(name .. "." .. key, list, CALLS)
    if problem then return problem end
    for _, call in ipairs(list) do
      if not is_call(call) then
        return string.format("%s.%s: %q is no system call: write a name, or a whole number from 0"
                             .. " to %d", name, key, tostring(call), LAST_CALL)
      end
    end
  end
end

-- joins: how a value meets the one it extends. `append` for lists, `over` where it takes its place.
M.FIELDS = {
  extends = { check = "extends", joins = "none" },
  mode = { check = "mode", joins = "over" },
  writable_roots = { check = "list", joins = "append" },
  exclude_slash_tmp = { check = "boolean", joins = "over" },
  exclude_tmpdir_env_var = { check = "boolean", joins = "over" },
  network_access = { check = "boolean", joins = "network" },
  network = { check = "network", joins = "network" },
  on_connect = { check = "callback", joins = "over" },
  unix_sockets = { check = "list", joins = "append" },
  read_only = { check = "list", joins = "append" },
  protect = { check = "names", joins = "append" },
  readable = { check = "list", joins = "append" },
  deny_read = { check = "list", joins = "append" },
  private_tmp = { check = "boolean", joins = "over" },
  env = { check = "env", joins = "map" },
  env_policy = { check = "env_policy", joins = "map" },
  limits = { check = "limits", joins = "map" },
  tier = { check = "tier", joins = "over" },
  require = { check = "properties", joins = "append" },
  syscalls = { check = "syscalls", joins = "calls" },
  doc = { check = "text", joins = "none" },
}

M.NAMES = sorted(M.FIELDS)

--- What is wrong with a policy table as it was written, and with which field; nil when nothing is.
---@param policy table
---@return string|nil message, string|nil field
function M.problem(policy)
  for name, value in pairs(policy) do
    local field = type(name) == "string" and M.FIELDS[name]
    if not field then return errors.unknown("policy field", name, M.NAMES), tostring(name) end
    -- false: as if never set
    local problem = value ~= false and check[field.check](name, value)
    if problem then return problem, name end
  end
  local access, network = policy.network_access, policy.network
  if access ~= nil and network and network ~= (access and "full" or "none") then
    return "network_access and network say different things: leave out one", "network"
  end
end

return M
