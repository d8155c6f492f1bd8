-- `network = {allow = {…}}`: addresses that the supervisor connects a command to, on its behalf.
-- Numbers are held as they are; a name is resolved when a command starts, and the command is told
-- the result in a file that its own resolver reads.

local ip = require "sbx.ip"
local lists = require "sbx.lists"
local paths = require "sbx.paths"

local M = {}

---@class sbx.Peer
---@field entry string     as it was written
---@field source string
---@field port integer
---@field name string?     to be resolved
---@field host string?     a number, else
---@field family string?
---@field bytes integer[]?
---@field prefix integer?  how many bits of it count

--- Where names are told inside; what the file has besides stays readable.
M.HOSTS = "/etc/hosts"

-- A connect of a socket that blocks ends by then, and a question that nobody answers.
M.WAIT_MS, M.ASK_MS = 30000, 1000

-- All of them are resolved before a command starts.
M.NAMES = 64

---------------------------------------------------------------------------------------------------
-- Reading

local FORMS = "write \"127.0.0.1:5432\", \"[::1]:80\", \"10.0.0.0/8:443\", \"[fd00::/8]:443\" or"
  .. " \"example.org:443\""

local function split(entry)
  local host, port = entry:match("^%[([^%[%]]*)%]:([^:]*)$")
  if host then return host, port, true end
  return entry:match("^([^:%[%]]*):([^:]*)$")
end

local function port_of(text)
  local port = text:find("^%d%d?%d?%d?%d?$") and tonumber(text)
  return port and port > 0 and port <= 65535 and port or nil
end

local function is_name(host)
  if #host > 253 or host:find("^[%d.]+$") then return false end
  for label in ((host:gsub("%.$", "")) .. "."):gmatch("([^.]*)%.") do
    if #label > 63 or not label:find("^[%w_]") or not label:find("^[%w_-]+$")
      or label:find("-$") then return false end
  end
  return true
end

local function check_number(peer)
  local family, bytes = ip.plain(peer.family, peer.bytes)
  if ip.is_any(bytes) and peer.prefix > 0 then
    return "is no address to connect to: write 127.0.0.1 or [::1] if this machine is meant"
  elseif family ~= peer.family then
    return "is an address of IPv4: write it as one"
  elseif not ip.is_network(peer.bytes, peer.prefix) then
    return string.format("has bits behind the %d that count: write the network's own address",
                         peer.prefix)
  end
end

local function number(entry, host, port)
  local address, bits = host:match("^(.-)/(%d%d?%d?)$")
  local family, bytes = ip.read(address or host)
  if not family then return nil end
  local peer = { entry = entry, host = address or host, port = port, family = family,
                 bytes = bytes, prefix = tonumber(bits) or #bytes * 8 }
  if peer.prefix > #bytes * 8 then return nil, "has more bits than such an address" end
  local problem = check_number(peer)
  if problem then return nil, problem end
  return peer
end

--- An entry of network.allow, or nil and what is wrong with it.
---@return sbx.Peer|nil, string? problem
function M.read(entry)
  local host, port, bracketed = split(entry)
  if not host then return nil, "names no host and port: " .. FORMS end
  if not port_of(port) then return nil, "has no port from 1 to 65535: " .. FORMS end
  port = port_of(port)
  if host:find("*", 1, true) then return nil, "has a *: there are no patterns, name each host" end
  local peer, problem = number(entry, host, port)
  if peer and bracketed ~= (peer.family == "inet6" or nil) then peer = nil end
  if peer or problem then return peer, problem end
  if bracketed or not is_name(host) then return nil, "names no host: " .. FORMS end
  return { entry = entry, name = host:lower(), port = port }
end

---------------------------------------------------------------------------------------------------
-- A policy's list

--- The entries of a policy, read, with where each was written.
---@param policy table
---@param source_of fun(policy: table, field: string, index: integer): string
---@return sbx.Peer[]|nil, string|nil source, string|nil problem
function M.of(policy, source_of)
  local network, list = policy.network, {}
  if type(network) ~= "table" then return list end
  for index, entry in ipairs(network.allow.replace or network.allow) do
    local peer, problem = M.read(entry)
    local source = source_of(policy, "network.allow", index)
    if not peer then return nil, source, string.format("network.allow %q %s", entry, problem) end
    peer.source = source
    if not lists.find(list, "entry", entry) then list[#list + 1] = peer end
  end
  return list
end

local function names_of(list)
  local names = {}
  for _, peer in ipairs(list) do
    if peer.name then names[#names + 1] = { name = peer.name, port = peer.port } end
  end
  return names
end

local function numbers_of(list)
  local numbers = {}
  for _, peer in ipairs(list) do
    if not peer.name then
      numbers[#numbers + 1] = { address = peer.host, prefix = peer.prefix, port = peer.port }
    end
  end
  return numbers
end

--- What the engine is told.
---@param work table  `peers`, `asks`
---@return {connect: table[], resolve: table[], connecting: table}
function M.engine(work)
  return {
    connect = numbers_of(work.peers), resolve = names_of(work.peers),
    connecting = { wait_ms = M.WAIT_MS, ask_ms = work.asks and M.ASK_MS or 0 },
  }
end

---------------------------------------------------------------------------------------------------
-- Names inside

--- Whether some have to be resolved.
function M.has_names(work)
  for _, peer in ipairs(work.peers or {}) do
    if peer.name then return true end
  end
  return false
end

local function covered(path, list)
  for _, entry in ipairs(list or {}) do
    if paths.covers(entry.path, path) then return true end
  end
  return false
end

--- The file that names are told in, as a real path; nil and why there can be none.
function M.hosts(work)
  local path = work.ask("realpath", M.HOSTS)
  local found = path and work.ask("stat", path)
  if not found then return nil, "there is no " .. M.HOSTS .. ", which would tell it" end
  if covered(path, work.deny_read) or work.readable and not covered(path, work.readable) then
    return nil, M.HOSTS .. ", which would tell it, can't be read"
  end
  return path
end

local function is_known(text, name)
  for line in (text .. "\n"):gmatch("(.-)\n") do
    local first = true
    for word in line:gsub("#.*", ""):gmatch("%S+") do
      if not first and word:lower() == name then return true end
      first = false
    end
  end
  return false
end

--- Those that a command can't look up where nothing can be mounted.
---@return sbx.Peer[]
function M.unknown(work)
  local list, text = {}, nil
  for _, peer in ipairs(work.peers or {}) do
    if peer.name then
      text = text or work.ask("read", M.HOSTS) or ""
      if not is_known(text, peer.name) then list[#list + 1] = peer end
    end
  end
  return list
end

---------------------------------------------------------------------------------------------------
-- Questions

--- The entry that lets an address be connected to, as far as it can be told before a start.
---@param list sbx.Peer[]
---@param host string
---@param port integer
function M.find(list, host, port)
  local family, bytes = ip.read(host)
  if family then family, bytes = ip.plain(family, bytes) end
  for _, peer in ipairs(list or {}) do
    if peer.port == port then
      if peer.name and peer.name == host:lower() then return peer end
      if family and peer.family == family and ip.same(peer.bytes, bytes, peer.prefix) then
        return peer
      end
    end
  end
end

return M
