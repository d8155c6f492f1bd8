-- Addresses as one writes them: "127.0.0.1:80", "[::1]:80", "unix:/path", "unix:@name"; and the
-- words for families.

local M = {}

---@class sbx.Address
---@field family "unix"|"inet"|"inet6"|string
---@field path string?   of a socket in the file system
---@field name string?   of an abstract one
---@field host string?
---@field port number?

--- Families by the word for them, and their number for socket(2).
M.FAMILIES = {
  unix = 1, inet = 2, inet6 = 10, netlink = 16, packet = 17, can = 29, bluetooth = 31, alg = 38,
  vsock = 40, xdp = 44,
}

local WORDS = { ["local"] = "unix", tcp = "inet", udp = "inet", ipv4 = "inet", ipv6 = "inet6" }

local function family_of(word)
  local name = word:lower():gsub("^af_", "")
  name = WORDS[name] or name
  return M.FAMILIES[name] and name
end

local function port_of(text)
  local port = tonumber(text)
  return port and port <= 65535 and port or nil
end

--- An address, or nil and what is wrong with the text.
---@return sbx.Address|nil, string? problem
function M.read(text)
  local path = text:match("^unix:(/.*)$") or text:match("^/.*$")
  if path then return { family = "unix", path = path } end
  local name = text:match("^unix:@(.+)$")
  if name then return { family = "unix", name = name } end
  local host, port = text:match("^%[([%x:%.]+)%]:(%d+)$")
  if host and port_of(port) then return { family = "inet6", host = host, port = port_of(port) } end
  host, port = text:match("^([^:%[%]/@]+):(%d+)$")
  if host and port_of(port) then return { family = "inet", host = host, port = port_of(port) } end
  local family = family_of(text)
  if family then return { family = family } end
  return nil, string.format("%q is no address: write 127.0.0.1:80, [::1]:80, unix:/path,"
                            .. " unix:@name, or a family (inet, unix, netlink, ...)", text)
end

--- Whether it is the machine's own loopback; `any` counts for bind.
function M.is_loopback(address)
  local host = address.host
  if not host or host == "localhost" or host == "::1" then return true end
  return host:find("^127%.%d+%.%d+%.%d+$") ~= nil
end

function M.is_any(address)
  return address.host == "0.0.0.0" or address.host == "::"
end

return M
