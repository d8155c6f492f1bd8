-- A command's plan as plain data for people and programs: what each layer does and which rule asked
-- for it. Nothing is run but the probe of this machine.

local addresses = require "sbx.addresses"
local childenv = require "sbx.childenv"
local cite = require "sbx.cite"
local feasible = require "sbx.feasible"
local lists = require "sbx.lists"
local options = require "sbx.options"
local refusals = require "sbx.refusals"
local sandboxes = require "sbx.sandboxes"
local surroundings = require "sbx.surroundings"
local why = require "sbx.why"

local M = {}

---------------------------------------------------------------------------------------------------
-- Files

local function entries_of(held, list, field)
  if not list then return nil end
  local told = {}
  for i, entry in ipairs(list) do
    told[i] = {
      path = entry.path, rule = cite.entry(held.policy, field, entry), exists = entry.exists,
    }
  end
  return told
end

local function files_of(held)
  local plan = held.plan
  return {
    writable = entries_of(held, plan.writable or {}, "writable_roots"),
    read_only = entries_of(held, plan.read_only or {}, "read_only"),
    protect = entries_of(held, plan.protect or {}, "protect"),
    deny_read = entries_of(held, plan.deny_read or {}, "deny_read"),
    readable = entries_of(held, plan.readable, "readable"),
    unix_sockets = entries_of(held, plan.unix_sockets or {}, "unix_sockets"),
  }
end

---------------------------------------------------------------------------------------------------
-- Layers

local function landlock_of(engine)
  local rules = engine.landlock
  if not rules then return nil end
  return {
    abi = rules.abi, rules = #rules.rules, scopes = rules.scope,
    reads = lists.has(rules.fs, "read_file"), writes = lists.has(rules.fs, "write_file"),
    tcp = lists.has(rules.net, "connect_tcp"),
  }
end

-- Families that a stream or datagram socket can be made of.
local function families_of(list)
  local open = {}
  for _, name in ipairs(lists.names(addresses.FAMILIES)) do
    if not refusals.find(list, "socket", { addresses.FAMILIES[name], 1, 0 }) then
      open[#open + 1] = name
    end
  end
  return open
end

local function seccomp_of(engine)
  local list = engine.seccomp
  if not list then return nil end
  local calls, partly = {}, {}
  for _, rule in ipairs(list) do
    local into = (rule.args and #rule.args > 0) and partly or calls
    into[tostring(rule.call)] = true
  end
  for name in pairs(calls) do partly[name] = nil end
  return {
    families = families_of(list), calls = lists.names(calls), partly = lists.names(partly),
  }
end

local function alternatives_of(held, used)
  local told, probe = {}, held.ctx.probe
  for index, one in ipairs(held.plan.alternatives) do
    local works, reason = true, nil
    if #held.plan.alternatives > 1 then works, reason = feasible.works(one, probe, probe.cgroup) end
    told[index] = {
      tier = one.tier, namespaces = lists.names(one.engine.namespaces or {}),
      kill = one.engine.kill, works = works, reason = reason, used = index == used,
    }
  end
  return told
end

---------------------------------------------------------------------------------------------------
-- The whole

local TIMES = { "timeout_ms", "idle_timeout_ms", "kill_grace_ms", "drain_ms", "setup_timeout_ms" }

local function times_of(o)
  local times = {}
  for _, name in ipairs(TIMES) do times[name] = o[name] or false end
  return times
end

local function allowed(list)
  local told = {}
  for i, peer in ipairs(list or {}) do
    told[i] = { address = peer.entry, rule = cite.peer(peer), resolved = peer.name ~= nil }
  end
  return told
end

local function network_of(held, engine)
  return {
    mode = held.plan.network, rule = cite.field(held.policy, "network"),
    own_loopback = engine.loopback or false, asks = held.plan.asks or false,
    allow = allowed(held.plan.connect),
  }
end

local function limit_rules(held, o)
  local rules = {}
  for name in pairs(held.plan.limits or {}) do
    rules[name] = (o.limits or {})[name] and "option" or cite.field(held.policy, "limits")
  end
  return rules
end

---@class sbx.Explanation  see `sbxlua explain --json`

local function tell(o, cwd, held, index, env)
  local plan, engine = held.plan, held.plan.alternatives[index].engine
  local report = sandboxes.report(held, index)
  return {
    command = o.argv, cwd = cwd, policy = plan.policy, doc = held.policy.doc, mode = plan.mode,
    mode_rule = cite.field(held.policy, "mode"), type = plan.type, tier = report.tier,
    files = files_of(held), network = network_of(held, engine),
    alternatives = alternatives_of(held, index),
    namespaces = lists.names(engine.namespaces or {}), kill = engine.kill,
    landlock = landlock_of(engine), seccomp = seccomp_of(engine),
    capabilities = engine.capabilities or {}, no_new_privs = engine.no_new_privs or false,
    env = { passed = lists.names(env.map), dropped = env.dropped },
    times = times_of(o), limits = plan.limits or {},
    limit_rules = limit_rules(held, o),
    enforced = report.enforced, missing = report.missing, widened = held.policy.widened or {},
  }
end

--- What would be run, in data.
---@param opts sbx.Options
---@return sbx.Explanation|nil, sbx.Error?
function M.explain(opts)
  local o, err = options.read(opts, "run")
  if not o then return nil, err end
  local cwd, edited
  cwd, err = surroundings.cwd(o.cwd)
  if not cwd then return nil, err end
  edited, err = surroundings.scripts()
  if not edited then return nil, err end
  local held, index = why.hold(o, cwd, surroundings.environ())
  if not held then return nil, index end
  local env
  env, err = childenv.get(held, o, edited.env)
  if not env then return nil, err end
  return tell(o, cwd, held, index, env)
end

return M
