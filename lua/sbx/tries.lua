-- Refusals that were only tries: something else of the same run stands for them. Programs look
-- whether a thing can be done before they do it another way, and a grant for each would be more
-- than they need.

local addresses = require "sbx.addresses"
local lists = require "sbx.lists"
local paths = require "sbx.paths"

local M = {}

local function did(entry, pid)
  return entry.pid == pid or lists.has(entry.pids, pid)
end

-- Whether a process is behind both.
local function is_shared(a, b)
  if a.pid and did(b, a.pid) then return true end
  for _, pid in ipairs(a.pids or {}) do
    if did(b, pid) then return true end
  end
  return false
end

---------------------------------------------------------------------------------------------------
-- The network

local INTERNET = { inet = true, inet6 = true }

-- getaddrinfo(3) sorts what it found by the addresses that datagram sockets would be sent from.
local function is_sorting(entry)
  return entry.operation == "socket" and entry.kind == "dgram" and INTERNET[entry.family] or false
end

-- Whether there is IPv6 at all: a port of nobody's on the loopback (urllib3, pip).
local function is_probing(entry)
  local address = entry.operation == "bind" and addresses.read(entry.address or "")
  return address and address.port == 0 and addresses.is_loopback(address) or false
end

-- What the same process was refused that has a narrower grant than the whole network; after a bind
-- only what it asked for later.
local function narrower(evidence, grants, i)
  local entry, bind = evidence[i], is_probing(evidence[i])
  for k, other in ipairs(evidence) do
    local grant = grants[k]
    local fits = k ~= i and grant.field == "network" and grant.value ~= "full"
      and is_shared(entry, other)
    if bind then
      fits = fits and type(grant.value) == "table" and (other.last or 0) >= (entry.seq or 0)
    end
    if fits then return other end
  end
end

--- Whether a process that was refused this was refused something narrower of the network too.
function M.has_narrower(evidence, grants, i) return narrower(evidence, grants, i) ~= nil end

local function network_tries(evidence, grants)
  for i, entry in ipairs(evidence) do
    if grants[i].field == "network" and (is_sorting(entry) or is_probing(entry)) then
      local other = narrower(evidence, grants, i)
      if other then grants[i].instead = other.operation .. " " .. tostring(other.address) end
    end
  end
end

---------------------------------------------------------------------------------------------------
-- Places for temporary files

local TEMPORARY = { "/tmp", "/var/tmp", "/usr/tmp" }

local function directory_of(ctx, entry)
  local parent, name = paths.split(entry.path or "")
  if entry.operation ~= "create" or not parent or #name < 6 then return nil end
  if lists.has(TEMPORARY, parent) or parent == ctx.tmpdir then return parent, name, true end
  if parent == ctx.cwd then return parent, name, false end
end

-- One after the other until one can be written (tempfile of Python): names made by chance, of one
-- length.
local function is_next_try(ctx, first, entry)
  local one, name, is_temporary = directory_of(ctx, first)
  local two, other, also = directory_of(ctx, entry)
  return one ~= nil and two ~= nil and one ~= two and (is_temporary or also)
    and #name == #other and name ~= other and is_shared(first, entry)
end

local function may_be_first(grant)
  return grant.field == "writable_roots" and not grant.sensitive and not grant.instead
end

local function file_tries(ctx, evidence, grants)
  for i, first in ipairs(evidence) do
    for k = may_be_first(grants[i]) and i + 1 or #evidence + 1, #evidence do
      local grant = grants[k]
      if may_be_first(grant) and grant.value ~= grants[i].value
        and is_next_try(ctx, first, evidence[k]) then
        grant.instead = first.operation .. " " .. first.path
      end
    end
  end
end

--- Notes in grants (`instead`) which other refusal stands for theirs.
---@param evidence table[]  in their order
---@param grants sbx.Grant[]
function M.note(ctx, evidence, grants)
  network_tries(evidence, grants)
  file_tries(ctx, evidence, grants)
end

return M
