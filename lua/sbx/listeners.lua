-- Who listens on this machine: a refused connect to a port of the loopback at which nobody does
-- would have failed without a sandbox, too.

local addresses = require "sbx.addresses"
local core = require "sbx.core"

local M = {}

-- proc_pid_net(5): "sl local_address rem_address st", addresses and ports in hexadecimal.
local LISTS, LISTENING = { "/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6" }, "0A"
local MOST_BYTES = 1024 * 1024

-- nil where it can't be told.
local function ports_of(path)
  local set, text = {}, core.fs_read(path, MOST_BYTES)
  if not text then return nil end
  for port, state in text:gmatch("\n%s*%d+: %x+:(%x+) %x+:%x+ (%x+)") do
    if state == LISTENING then set[tonumber(port, 16)] = true end
  end
  return set
end

local function listening()
  local all = {}
  for _, path in ipairs(LISTS) do
    local set = ports_of(path)
    if not set then return nil end
    for port in pairs(set) do all[port] = true end
  end
  return all
end

-- A server of the command's own that was refused its port would have been there.
local SERVES = { bind = true, socket = true }

local function may_serve(evidence)
  for _, entry in ipairs(evidence) do
    if SERVES[entry.operation] then return true end
  end
  return false
end

--- Whether an entry is a connect to where nobody listens.
---@param evidence sbx.Evidence[]
---@return fun(entry: sbx.Evidence): boolean
function M.asker(evidence)
  local ports, serves
  return function(entry)
    local address = entry.operation == "connect" and addresses.read(entry.address or "")
    if not address or not address.port or not addresses.is_loopback(address) then return false end
    if ports == nil then
      ports, serves = listening() or false, may_serve(evidence)
    end
    return ports and not serves and not ports[address.port] or false
  end
end

return M
