-- What a plan says of sockets: the refusals of its filter, asked with the numbers that a program
-- would give, then what the namespaces and the file system leave.

local addresses = require "sbx.addresses"
local cite = require "sbx.cite"
local lists = require "sbx.lists"
local peers = require "sbx.peers"
local refusals = require "sbx.refusals"

local M = {}

local STREAM, DATAGRAM = 1, 2

local said = cite.verdict

local function network_rule(work) return cite.field(work.policy, "network") end

local function refuse(work, layer, reason)
  return said(false, network_rule(work), layer, reason)
end

local function allow(work, layer, reason)
  return said(true, network_rule(work), layer, reason)
end

local function make_socket(work, kind)
  local family = work.address.family
  local number = addresses.FAMILIES[family]
  local rule = refusals.find(work.engine.seccomp, "socket", { number, kind, 0 })
  if not rule then return nil end
  local reason = string.format("socket(AF_%s) gives %s", family:upper(), rule.errno)
  if family == "unix" then reason = reason .. "; pairs of stream sockets work" end
  return refuse(work, "seccomp", reason)
end

local function abstract(work)
  local scope = (work.engine.landlock or {}).scope
  if work.operation == "bind" then
    return allow(work, "none", "a name of its own can be taken")
  end
  if lists.has(scope, "abstract_unix_socket") then
    return refuse(work, "landlock", "only abstract sockets of its own can be reached")
  end
  return allow(work, "none", "nothing restricts abstract sockets")
end

-- Where some are listed, the supervisor connects to them and to no other.
local function by_list(work)
  local entry = lists.find(work.plan.unix_sockets, "path", work.place)
  if entry and work.operation == "connect" then
    return said(true, cite.entry(work.policy, "unix_sockets", entry), "none", "it is listed")
  end
  if work.operation ~= "connect" then
    return refuse(work, "seccomp", work.operation .. " gives EPERM where sockets are listed")
  end
  return refuse(work, "supervisor", "only sockets that unix_sockets lists are connected to")
end

-- A watched command may make a socket, to tell what it wanted.
local function by_call(work)
  if work.plan.network == "allow" then return nil end -- by_peers says it
  local rule = refusals.find(work.engine.seccomp, work.operation)
  if not rule then return nil end
  if rule.errno then
    return refuse(work, "seccomp", work.operation .. " gives " .. rule.errno)
  end
  if work.address.path or work.address.name then return nil end
  return refuse(work, "supervisor", "only sockets that unix_sockets lists are connected to")
end

-- A socket in the file system is reached by its path: what hides the path hides the socket.
local function by_path(work)
  if work.engine.sockets then return by_list(work) end
  if work.operation == "bind" then return work.files("bind") end
  local seen = work.files("read")
  if not seen.allowed then return seen end
  if work.plan.network == "full" or not (work.alternative.enforced or {}).unix_sockets then
    return allow(work, "none", "every socket that has a path can be connected to")
  end
  local own = work.files("write")
  if own.allowed then return own end
  own.reason = "only sockets in its writable roots can be reached: " .. own.reason
  return own
end

-- The supervisor connects to those that are listed; the filter refuses the rest.
local function by_peers(work)
  local address = work.address
  if work.operation ~= "connect" then
    return refuse(work, "seccomp", work.operation .. " gives EPERM: connections to what is listed"
                  .. " are all that there is")
  end
  local entry = peers.find(work.plan.connect, address.host or "", address.port or 0)
  if entry then
    local how = entry.name and ": its addresses are those that it has when the command starts" or ""
    return said(true, cite.peer(entry), "none", "it is listed" .. how)
  end
  if work.plan.asks then
    local policy = work.policy
    local rule = policy.on_connect and cite.field(policy, "on_connect") or "option on_connect"
    return said(false, rule, "supervisor",
                "it is not listed: on_connect decides when it is wanted")
  end
  return refuse(work, "supervisor", "only addresses that network.allow lists are connected to, and"
                .. " those of its names")
end

local function internet(work)
  if work.plan.network == "allow" then return by_peers(work) end
  if work.plan.network == "full" then return allow(work, "none", "the network is whole") end
  if not (work.engine.namespaces or {}).net then
    return allow(work, "none", "nothing restricts it")
  end
  local own = addresses.is_loopback(work.address)
    or work.operation == "bind" and addresses.is_any(work.address)
  if own then
    return allow(work, "network namespace", "a loopback of its own: nothing of the host's")
  end
  return refuse(work, "network namespace", "only its own 127.0.0.1 and ::1 can be reached")
end

--- The verdict for connect, bind, send and socket.
---@param work table  with `address` (sbx.Address), `files(operation)`: a verdict for its path
---@return sbx.Said
function M.judge(work)
  local address = work.address
  local kind = work.operation == "send" and DATAGRAM or STREAM
  local refused = make_socket(work, kind)
  if refused then return refused end
  if work.operation == "socket" then return allow(work, "none", "the filter lets it through") end
  local called = by_call(work)
  if called then return called end
  if address.path then return by_path(work) end
  if address.name and work.engine.sockets then return by_list(work) end
  if address.name then return abstract(work) end
  return internet(work)
end

return M
