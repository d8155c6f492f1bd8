-- How one policy is laid over another, and which of its fields say nothing together.

local errors = require "sbx.errors"
local fields = require "sbx.fields"
local sources = require "sbx.sources"

local M = {}

-- Adds a list to a list. `{replace = {…}}` sets it anew.
local function append(policy, name, value, source)
  local list, from = policy[name], policy.sources[name]
  if value.replace or not list then
    list, from = {}, {}
    policy[name], policy.sources[name] = list, from
  end
  for _, entry in ipairs(value.replace or value) do
    list[#list + 1] = entry
    from[#from + 1] = source(name, entry)
  end
end

local JOIN = { append = append }

function JOIN.none() end

function JOIN.over(policy, name, value, source)
  policy[name], policy.sources[name] = value, source(name)
end

function JOIN.map(policy, name, value, source)
  local map = {}
  for key, entry in pairs(policy[name] or {}) do map[key] = entry end
  for key, entry in pairs(value) do map[key] = entry end
  policy[name], policy.sources[name] = map, source(name)
end

function JOIN.calls(policy, name, value, source)
  local old, joined = policy[name] or {}, { deny = {}, allow = {} }
  for _, part in ipairs({ old, value }) do
    for key, list in pairs(part) do
      for _, call in ipairs(list) do joined[key][#joined[key] + 1] = call end
    end
  end
  policy[name], policy.sources[name] = joined, source(name)
end

function JOIN.network(policy, name, value, source)
  if type(value) == "boolean" then value = value and "full" or "none" end
  local before = type(policy.network) == "table" and policy.network.allow or nil
  local box = { allow = before, sources = { allow = before and policy.sources["network.allow"] } }
  policy.sources.network, policy.sources["network.allow"] = source(name), nil
  if type(value) == "string" then
    policy.network = value
    return
  end
  append(box, "allow", value.allow, function(_, entry) return source(name, entry) end)
  policy.network, policy.sources["network.allow"] = { allow = box.allow }, box.sources.allow
end

-- Fields whose entries take something away: to drop them gives it back.
local NARROWS = {
  protect = true, read_only = true, deny_read = true, readable = true, require = true,
  limits = true, syscalls = true,
}

local function widens(policy, name, value)
  if not NARROWS[name] or not policy[name] then return false end
  return value == false or name ~= "readable" and type(value) == "table" and value.replace ~= nil
end

local function note_widening(policy, name, value, source)
  if not widens(policy, name, value) then return end
  local from = policy.sources[name]
  local list = policy.widened or {}
  list[#list + 1] = {
    field = name, rule = source(name), how = value == false and "false" or "replace",
    before = type(from) == "table" and from[1] or from,
  }
  policy.widened = list
end

local function clear(policy, name)
  policy[name], policy.sources[name] = nil, nil
end

-- Lays one table over what was joined so far.
function M.lay(policy, layer)
  for name, value in pairs(layer.value) do
    local joins = fields.FIELDS[name].joins
    note_widening(policy, name, value, layer.source)
    if value == false and fields.FIELDS[name].check ~= "boolean" then
      clear(policy, name)
    else
      JOIN[joins](policy, name, value, layer.source)
    end
  end
end

---------------------------------------------------------------------------------------------------

local function written(policy, name)
  local list = policy[name]
  if not list then return nil end
  for i in ipairs(list) do
    local source = policy.sources[name][i]
    if not sources.is_shipped(source) then return source end
  end
end

local function nothing_writable(policy)
  return policy.mode == "read-only" and #(policy.writable_roots or {}) == 0
end

local NO_ROOT = "says nothing where no root may be written: use mode = \"workspace-write\" or name "
  .. "the directory in writable_roots"

-- Each gives the source of a field that says nothing, and what to write instead.
local CHECKS = {}

local function outside_workspace(name)
  return function(policy)
    if policy[name] and policy.mode ~= "workspace-write" then
      return policy.sources[name], name .. " is for mode = \"workspace-write\" (this one is "
        .. policy.mode .. ", which adds no such root): leave it out"
    end
  end
end

CHECKS[1] = outside_workspace("exclude_slash_tmp")
CHECKS[2] = outside_workspace("exclude_tmpdir_env_var")

CHECKS[3] = function(policy)
  if nothing_writable(policy) then return written(policy, "read_only"), "read_only " .. NO_ROOT end
end

CHECKS[4] = function(policy)
  if nothing_writable(policy) then return written(policy, "protect"), "protect " .. NO_ROOT end
end

CHECKS[5] = function(policy)
  if policy.network == "full" then
    return written(policy, "unix_sockets"), "unix_sockets says nothing with full network, which"
      .. " reaches every socket: leave it out, or write network = \"none\""
  end
end

CHECKS[8] = function(policy)
  if policy.on_connect and type(policy.network) ~= "table" then
    return policy.sources.on_connect, "on_connect says nothing with network = \""
      .. policy.network .. "\": write network = {allow = {}} for it to decide on every address"
  end
end

CHECKS[6] = function(policy)
  if policy.mode == "danger-full-access" then
    return written(policy, "writable_roots"), "writable_roots says nothing with mode ="
      .. " \"danger-full-access\": leave it out, or write mode = \"workspace-write\""
  end
end

CHECKS[7] = function(policy)
  if policy.mode == "danger-full-access" and policy.readable then
    return policy.sources.readable[1] or policy.sources.mode, "readable says nothing with mode ="
      .. " \"danger-full-access\", which may write everywhere: write mode = \"workspace-write\""
  end
end

--- Throws for the caller's own table, gives a message with the place for a file.
function M.check(policy)
  for _, check in ipairs(CHECKS) do
    local source, message = check(policy)
    if source == sources.OPTION then errors.throw("policy: " .. message) end
    if source then return nil, source .. ": " .. message end
  end
  return true
end

return M
