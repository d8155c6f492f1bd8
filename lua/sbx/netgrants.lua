-- What would allow a refused access to the network or to a socket: the narrowest grant, or why
-- there is none; and of several together one network.

local addresses = require "sbx.addresses"
local lists = require "sbx.lists"
local sensitive = require "sbx.sensitive"

local M = {}

local NOTHING = "no policy gives it"

local function never(words) return { never = words } end

-- Nobody gets it by the way: one datagram's socket would open the sockets of services with it.
local function whole()
  return { field = "network", value = "full", sensitive = sensitive.WHOLE_NETWORK }
end

local function unix_grant(ctx, entry, address)
  if not entry.address then
    return never("which socket it wanted is not seen: --unix-socket PATH lets it connect to one")
  end
  if not address.path then return never("only the full network reaches abstract sockets") end
  if entry.operation == "bind" then
    return never("only with the full network a command makes sockets by path")
  end
  return { field = "unix_sockets", value = address.path,
           sensitive = sensitive.socket(address.path, ctx, ctx.runtime) }
end

-- A loopback of the command's own has no address of the host's, and a list of these no server: only
-- the whole network is both.
local function loopback(ctx)
  local before = ctx.plan.network
  if before == "loopback" or type(before) == "table" then return whole() end
  return { field = "network", value = "loopback" }
end

local DNS = 53

local function connect_grant(ctx, entry, address)
  local can = (address.port or 0) > 0 and address.port ~= DNS and ctx.allows and ctx.allows()
  if not can or ctx.plan.network == "loopback" then return whole() end
  return { field = "network", value = { allow = { entry.address } },
           sensitive = sensitive.address(address) }
end

local function internet_grant(ctx, entry, address)
  if entry.operation == "bind" then
    local near = addresses.is_loopback(address) or addresses.is_any(address)
    return near and loopback(ctx) or whole()
  end
  if entry.operation == "connect" then return connect_grant(ctx, entry, address) end
  return whole()
end

local INTERNET = { inet = true, inet6 = true }

--- The narrowest grant for a refused socket or address.
---@param ctx sbx.SuggestContext
---@return sbx.Grant
function M.grant(ctx, entry)
  local address = addresses.read(entry.address or entry.family or "")
  if not address then return never(NOTHING) end
  if address.family == "unix" then return unix_grant(ctx, entry, address) end
  if not INTERNET[address.family] then return never(NOTHING) end
  return internet_grant(ctx, entry, address)
end

---------------------------------------------------------------------------------------------------
-- Together

-- An address that the command itself wanted to bind is its own: a loopback of its own has it.
local function own_ports(evidence)
  local ports = {}
  for _, entry in ipairs(evidence) do
    local port = entry.operation == "bind" and tostring(entry.address):match(":(%d+)$")
    if port then ports[port] = true end
  end
  return ports
end

local function is_own(entry, ports)
  local address = entry.operation == "connect" and addresses.read(entry.address or "")
  return address and address.port and ports[tostring(address.port)]
    and addresses.is_loopback(address)
end

--- Connections to what the command wanted to serve itself get the loopback.
---@param grants sbx.Grant[]  by the place of their refusal
function M.give_own(ctx, evidence, grants)
  local ports = own_ports(evidence)
  for i, grant in ipairs(grants) do
    if grant.field == "network" and is_own(evidence[i], ports) then grants[i] = loopback(ctx) end
  end
end

local function is_kind(grant, kind)
  return grant.field == "network" and not grant.sensitive and not grant.instead
    and type(grant.value) == kind
end

-- The one that counts: of the refusal that was why, else the first.
local function chosen(evidence, grants)
  local first
  for i, grant in ipairs(grants) do
    if is_kind(grant, "table") or is_kind(grant, "string") then
      if evidence[i].cause then return grant end
      first = first or grant
    end
  end
  return first
end

--- A list of addresses and a loopback can't be had together: what doesn't go with the one that
--- counts takes the whole network.
function M.settle(evidence, grants)
  local one = chosen(evidence, grants)
  local other = one and (type(one.value) == "table" and "string" or "table")
  for i, grant in ipairs(grants) do
    if one and is_kind(grant, other) then grants[i] = whole() end
  end
end

local function joined(a, b)
  local list = {}
  for _, address in ipairs(a.allow) do list[#list + 1] = address end
  for _, address in ipairs(b.allow) do
    if not lists.has(list, address) then list[#list + 1] = address end
  end
  return { allow = list }
end

--- Two wishes for the network as one; where only the whole network is both, the first, unless
--- that may be given too.
---@param whole_too boolean|nil
function M.join(a, b, whole_too)
  if not a or a == b then return b end
  if a == "full" or b == "full" then return "full" end
  if type(a) == "table" and type(b) == "table" then return joined(a, b) end
  return whole_too and "full" or a
end

return M
