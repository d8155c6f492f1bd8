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
local function is_next_try(one, two)
  return one.directory ~= two.directory and (one.is_temporary or two.is_temporary)
    and #one.name == #two.name and one.name ~= two.name and is_shared(one.entry, two.entry)
end

local function may_stand(grant)
  return grant.field == "writable_roots" and not grant.sensitive
end

-- What could be such a try, in its order.
local function candidates(ctx, evidence, grants)
  local list = {}
  for i, entry in ipairs(evidence) do
    local directory, name, is_temporary = directory_of(ctx, entry)
    if directory and may_stand(grants[i]) then
      list[#list + 1] = { entry = entry, grant = grants[i], directory = directory, name = name,
                          is_temporary = is_temporary }
    end
  end
  return list
end

local function file_tries(ctx, evidence, grants)
  local list = candidates(ctx, evidence, grants)
  for i, one in ipairs(list) do
    for k = one.grant.instead and #list + 1 or i + 1, #list do
      local two = list[k]
      if one.grant.value ~= two.grant.value and is_next_try(one, two) then
        two.grant.instead = one.entry.operation .. " " .. one.entry.path
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
