-- The sets of layers that would hold a policy, strongest first, as engine plans. The engine tries
-- them in order; which refusal lets it go on to the next is decided in weaker.lua.

local holds = require "sbx.holds"
local landlock = require "sbx.landlock"
local limits = require "sbx.limits"
local mounts = require "sbx.mounts"
local peers = require "sbx.peers"
local regions = require "sbx.regions"
local rules = require "sbx.rules"
local syscalls = require "sbx.syscalls"
local watching = require "sbx.watching"

local M = {}

-- A core pipe of the host's runs as root on memory that the command made; 0 doesn't stop a pipe.
local RLIMITS = { core = 1 }
local NO_CAPABILITY = {}
local FOR_OTHERS = { "dac_override", "fowner", "chown" }

---------------------------------------------------------------------------------------------------
-- Ways, strongest first

-- A user namespace with one id gives no power over files of another owner: for that, a root keeps
-- all of them, and what it may do with them ends at the namespace.
local function user_of(capabilities)
  return { user = true, map = #capabilities > 0 and "all" or "self" }
end

local function without_namespaces(ctx)
  local list, cgroup = {}, ctx.probe and ctx.probe.cgroup
  if type(cgroup) == "string" and cgroup:sub(1, 1) == "/" then
    list[1] = { kill = "cgroup", cgroup = cgroup }
  end
  list[#list + 1] = { kill = "subreaper" }
  return list
end

local function extended(way, more)
  local copy = {}
  for name, value in pairs(way) do copy[name] = value end
  for name, value in pairs(more) do copy[name] = value end
  return copy
end

-- Root's own power comes before a user namespace, but where it is to be kept from the command.
local function powers_of(ctx, capabilities)
  local user = user_of(capabilities)
  if ctx.uid ~= 0 then return { user } end
  if #capabilities > 0 then return { user, {} } end
  return { {}, user }
end

local function with_pidns(power)
  return extended(power, { pidns = true, kill = "pidns" })
end

local function landlock_ways(ctx, network, capabilities)
  local list = {}
  for _, power in ipairs(powers_of(ctx, capabilities)) do list[#list + 1] = with_pidns(power) end
  -- a network namespace needs one of the above
  if network == "loopback" then return list end
  for _, way in ipairs(without_namespaces(ctx)) do list[#list + 1] = way end
  return list
end

-- Where a fresh /proc is refused (containers that cover parts of theirs), the mounts may still do.
local function contained_ways(ctx, capabilities)
  local list, powers = {}, powers_of(ctx, capabilities)
  for _, power in ipairs(powers) do list[#list + 1] = with_pidns(power) end
  for _, power in ipairs(powers) do
    for _, way in ipairs(without_namespaces(ctx)) do list[#list + 1] = extended(power, way) end
  end
  for _, way in ipairs(list) do way.contained = true end
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

---------------------------------------------------------------------------------------------------
-- Engine plans

local function namespaces_of(way, network)
  local list = { user = way.user, net = network == "loopback" or nil }
  if way.pidns or way.contained then list.mount = true end
  if way.pidns then list.pid = true end
  if way.contained then list.ipc, list.uts = true, true end
  return list
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

local function watch_of(work, way, shared, engine)
  if not work.ctx.watch then return nil end
  return watching.of(engine, {
    fs = work.restricts_fs or way.contained, contained = way.contained, network = shared.network,
    reads = work.readable ~= nil or #work.deny_read > 0, sockets = shared.sockets ~= nil,
  }, work.policy)
end

local function engine_of(work, way, shared, missing)
  local namespaces = namespaces_of(way, shared.network)
  local engine = {
    kill = way.kill, cgroup = way.cgroup, namespaces = namespaces, id_map = way.map,
    proc = way.pidns, loopback = namespaces.net,
    capabilities = shared.capabilities, no_new_privs = true, keyring = true, rlimits = RLIMITS,
    landlock = way.contained and shared.landlock_inside or shared.landlock,
    mounts = way.contained and shared.mounts or nil,
    journals = way.contained and shared.journals or nil, sockets = shared.sockets,
    connect = shared.peers.connect, resolve = shared.peers.resolve,
    connecting = shared.peers.connecting,
    seccomp = filter_of({
      network = shared.network, fs = work.restricts_fs, pidns = way.pidns,
      sockets = shared.sockets ~= nil,
      contained = way.contained, truncation = work.restricts_fs and shared.abi < 3,
      tracing = shared.abi < 1 and not way.pidns, watch = work.ctx.watch,
      file_size = work.limits.file_bytes ~= nil,
    }, work.policy, missing),
  }
  engine.watch = watch_of(work, way, shared, engine)
  return engine
end

local function alternative(work, way, shared)
  local enforced, missing = {}, {}
  holds.files(work, way, shared.abi, enforced, missing)
  holds.network(work, shared.abi, shared.network, enforced, missing)
  holds.gaps(work, way, shared.abi, missing)
  holds.processes(work, way, shared.abi, enforced, missing)
  local engine = engine_of(work, way, shared, missing)
  limits.apply(work.limits, way, work.ctx, engine, enforced, missing)
  return {
    tier = way.contained and "contained" or "landlock", enforced = enforced, missing = missing,
    engine = engine,
  }
end

local function add(list, work, ways, shared)
  for _, way in ipairs(ways) do list[#list + 1] = alternative(work, way, shared) end
end

-- Those that a command without network may connect to.
local function sockets_of(work, network)
  if network ~= "none" and network ~= "allow" or #work.unix_sockets == 0 then return nil end
  local list = {}
  for i, entry in ipairs(work.unix_sockets) do list[i] = entry.path end
  return list
end

-- Mounts take something away, or there is nothing for them to do.
local function needs_mounts(work)
  return work.restricts_fs or #work.read_only + #work.deny_read + #work.names > 0
    or peers.has_names(work)
end

--- The ABI that the plan counts on: the kernel's, at most what is known here.
function M.abi(ctx)
  local abi = ctx.probe and ctx.probe.landlock_abi
  if type(abi) ~= "number" then return landlock.KNOWN_ABI end
  return math.min(abi, landlock.KNOWN_ABI)
end

--- The alternatives for a policy whose paths are resolved.
---@param work table     from roots.resolve, with `restricts_fs` and `own`
---@param network string  "none", "loopback", "full" or "allow"
---@param wanted {contained: boolean, landlock: boolean}  the tiers that may be used
function M.list(work, network, wanted)
  local ctx, abi, list = work.ctx, M.abi(work.ctx), {}
  local shared = {
    abi = abi, network = network, capabilities = capabilities_of(work, ctx),
  }
  shared.sockets = sockets_of(work, network)
  shared.peers = network == "allow" and peers.engine(work) or {}
  if wanted.contained and (needs_mounts(work) or not wanted.landlock) then
    local base = work.restricts_fs and "read" or "write"
    shared.landlock_inside = rules.of(work, abi, network, work.restricts_fs)
    shared.journals = work.journals
    shared.mounts = mounts.list(regions.of(work, base), work.restricts_fs, work.ask,
                                #work.journals > 0, next(work.limits) == nil)
    local hosts = peers.has_names(work) and peers.hosts(work)
    if hosts then shared.mounts[#shared.mounts + 1] = { op = "names", path = hosts } end
    add(list, work, contained_ways(ctx, shared.capabilities), shared)
  end
  if wanted.landlock then
    shared.landlock = rules.of(work, abi, network, false)
    add(list, work, landlock_ways(ctx, network, shared.capabilities), shared)
  end
  return list
end

--- The one alternative of a command without a sandbox.
function M.none(work)
  local engine, enforced, missing = { kill = "subreaper", namespaces = {} }, {}, {}
  limits.apply(work.limits, { kill = "subreaper" }, work.ctx, engine, enforced, missing)
  return { { tier = "none", engine = engine, enforced = enforced, missing = missing } }
end

return M
