-- The sets of layers that would hold a policy, strongest first, as engine plans. The engine tries
-- them in order; which refusal lets it go on to the next is decided in run.lua. For now: the
-- landlock tier.

local holds = require "sbx.holds"
local landlock = require "sbx.landlock"
local paths = require "sbx.paths"
local syscalls = require "sbx.syscalls"

local M = {}

-- A core pipe of the host's runs as root on memory that the command made; 0 doesn't stop a pipe.
local RLIMITS = { core = 1 }
local NO_CAPABILITY = {}
local FOR_OTHERS = { "dac_override", "fowner", "chown" }

---------------------------------------------------------------------------------------------------
-- Rules

local function add_rule(rules, path, access)
  if #access > 0 then rules[#rules + 1] = { path = path, access = access } end
end

local function writable_rules(rules, work, rights)
  for _, entry in ipairs(work.writable) do
    local tree = entry.type == "directory"
    local access
    if work.readable then
      access = tree and rights.all_tree or rights.all_file
    else
      access = tree and rights.write_tree or rights.write_file
    end
    add_rule(rules, entry.path, access)
  end
end

local function device_rules(rules, work, rights)
  local suffix = work.readable and "_read" or ""
  for _, device in ipairs(landlock.DEVICES) do
    local real = work.ask("realpath", device.path)
    if real then
      add_rule(rules, real, rights[(device.terminal and "terminal" or "device") .. suffix])
    end
  end
end

-- What a wider entry covers needs no rule of its own.
local function is_covered(entry, list)
  for _, other in ipairs(list) do
    if other ~= entry and paths.inside(other.path, entry.path) then return true end
  end
  return false
end

local function readable_rules(rules, work, rights)
  for _, entry in ipairs(work.readable or {}) do
    if not is_covered(entry, work.readable) then
      add_rule(rules, entry.path,
               entry.type == "directory" and rights.read_tree or rights.read_file)
    end
  end
end

local function rules_of(work, rights)
  local rules = {}
  writable_rules(rules, work, rights)
  device_rules(rules, work, rights)
  readable_rules(rules, work, rights)
  return rules
end

-- With everything writable a domain still keeps the command off the host's processes; an old kernel
-- takes no domain that handles nothing.
local function unrestricted_fs(rights, net, scope)
  if #net > 0 or #scope > 0 then return rights.none end
  return rights.handled_least
end

local function landlock_of(work, abi, network)
  if abi < 1 then return nil end
  local rights = landlock.rights(abi)
  local net = network == "none" and abi >= landlock.NET_ABI and rights.net or rights.none
  local scope = landlock.scope(abi, network)
  if not work.restricts_fs then
    return { abi = abi, fs = unrestricted_fs(rights, net, scope), net = net, scope = scope,
             rules = {} }
  end
  return {
    abi = abi, fs = work.readable and rights.handled_all or rights.handled_write,
    net = net, scope = scope, rules = rules_of(work, rights),
  }
end

---------------------------------------------------------------------------------------------------
-- Ways, strongest first

local function with_pidns(user)
  return { pidns = true, user = user, kill = "pidns" }
end

-- A user namespace with one id gives no power over files of another owner.
local function ways_of(ctx, network, capabilities)
  local list, cgroup = {}, ctx.probe and ctx.probe.cgroup
  if ctx.uid == 0 then list[1] = with_pidns(false) end
  if #capabilities == 0 then list[#list + 1] = with_pidns(true) end
  -- a network namespace needs one of the above
  if network == "loopback" then return list end
  if type(cgroup) == "string" and cgroup:sub(1, 1) == "/" then
    list[#list + 1] = { kill = "cgroup", cgroup = cgroup }
  end
  list[#list + 1] = { kill = "subreaper" }
  return list
end

-- A root that writes what is another's keeps what that takes, and nothing else.
local function capabilities_of(work, ctx)
  if ctx.uid ~= 0 then return NO_CAPABILITY end
  if not work.restricts_fs then return FOR_OTHERS end
  for _, entry in ipairs(work.writable) do
    if entry.uid and entry.uid ~= 0 then return FOR_OTHERS end
  end
  return NO_CAPABILITY
end

local function namespaces_of(way, network)
  if not way.pidns then return {} end
  return {
    user = way.user or nil, pid = true, mount = true, net = network == "loopback" or nil,
  }
end

local function filter_of(wish, policy, missing)
  local list = syscalls.filter(wish)
  if not policy.syscalls then return list end
  local idle
  list, idle = syscalls.edit(list, policy.syscalls)
  for _, call in ipairs(idle) do
    missing[#missing + 1] = {
      property = "policy_entry",
      reason = "syscalls.allow " .. tostring(call) .. " is not refused anyway",
    }
  end
  return list
end

local function engine_of(work, way, shared, missing)
  local engine = {
    kill = way.kill, cgroup = way.cgroup, namespaces = namespaces_of(way, shared.network),
    capabilities = shared.capabilities, no_new_privs = true, keyring = true, rlimits = RLIMITS,
    landlock = shared.landlock,
    seccomp = filter_of({
      network = shared.network, fs = work.restricts_fs, pidns = way.pidns,
      truncation = work.restricts_fs and shared.abi < 3, tracing = shared.abi < 1 and not way.pidns,
    }, work.policy, missing),
  }
  if way.pidns then engine.proc = true end
  if way.user then engine.id_map = "self" end
  if engine.namespaces.net then engine.loopback = true end
  return engine
end

local function alternative(work, way, shared)
  local enforced, missing = {}, {}
  holds.files(work, shared.abi, enforced, missing)
  holds.network(work, shared.abi, shared.network, enforced, missing)
  holds.gaps(work, shared.abi, missing)
  holds.processes(work, way, shared.abi, enforced, missing)
  return {
    tier = "landlock", enforced = enforced, missing = missing,
    engine = engine_of(work, way, shared, missing),
  }
end

--- The ABI that the plan counts on: the kernel's, at most what is known here.
function M.abi(ctx)
  local abi = ctx.probe and ctx.probe.landlock_abi
  if type(abi) ~= "number" then return landlock.KNOWN_ABI end
  return math.min(abi, landlock.KNOWN_ABI)
end

--- The landlock tier's alternatives for a policy whose paths are resolved.
---@param work table     from roots.resolve, with `restricts_fs`
---@param network string  "none", "loopback" or "full"
function M.landlock(work, network)
  local abi = M.abi(work.ctx)
  local shared = {
    abi = abi, network = network, capabilities = capabilities_of(work, work.ctx),
    landlock = landlock_of(work, abi, network),
  }
  local list = {}
  for i, way in ipairs(ways_of(work.ctx, network, shared.capabilities)) do
    list[i] = alternative(work, way, shared)
  end
  return list
end

--- The one alternative of a command without a sandbox.
function M.none()
  return { {
    tier = "none", engine = { kill = "subreaper", namespaces = {} }, enforced = {}, missing = {},
  } }
end

return M
