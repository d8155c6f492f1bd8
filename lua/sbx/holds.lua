-- What a tier holds of a policy, and what it doesn't, in words: `enforced` and `missing` of an
-- alternative, and the entries that it can't hold at all.

local landlock = require "sbx.landlock"
local lists = require "sbx.lists"
local mounts = require "sbx.mounts"
local paths = require "sbx.paths"
local peers = require "sbx.peers"
local sources = require "sbx.sources"

local M = {}

local function note(list, property, reason)
  list[#list + 1] = { property = property, reason = reason }
end

local function is_noted(list, property)
  return lists.find(list, "property", property) ~= nil
end

local METADATA = "the landlock tier can't keep a command from changing mode, owner and times of"
  .. " files outside that belong to its user; extended attributes and flags are refused"
local HARD_LINKS = "a file that has a second name, made before, is judged by the name that is used:"
  .. " inside a writable root it can be written, wherever its other name lies"
local PROTECT = "the landlock tier can't keep %s read-only inside a writable root"
local SOCKETS_FULL = "with full network every socket of the host can be connected to by its path"
local SOCKETS_LOOPBACK = "network = \"loopback\": sockets by path are refused altogether, also"
  .. " those that the command makes itself"
local TERMINALS = "terminals of the user's other sessions (/dev/pts) can be read in the landlock"
  .. " tier"

local function names_of(work)
  local list = {}
  for i, one in ipairs(work.names) do list[i] = one.name end
  return table.concat(list, ", ")
end

local function landlock_words(abi)
  return string.format("landlock (ABI %d)%s", abi, abi < 3 and ", seccomp (truncate)" or "")
end

local READ_ONLY = "read-only mounts"
local NO_JOURNAL = "names that don't exist can be created: every directory in which their"
  .. " placeholders could be written down is a writable root"

-- Read-only mounts hold what Landlock doesn't know: attributes, names, what lies in another.
local function contained_files(work, abi, enforced, missing)
  for _, entry in ipairs(work.unheld_inside or {}) do
    note(missing, entry.property, entry.reason)
  end
  if work.restricts_fs then
    enforced.fs = READ_ONLY .. (abi > 0 and ", " .. landlock_words(abi) or "")
    enforced.metadata = READ_ONLY
  end
  if #work.tops == 0 and work.restricts_fs then
    enforced.protect = READ_ONLY
  elseif #work.names > 0 and #work.journals > 0 then
    enforced.protect = READ_ONLY .. " that can't be moved, watched from outside"
  elseif #work.names > 0 then
    note(missing, "protect", NO_JOURNAL)
  end
  if not is_noted(work.missing, "read_deny") then
    if work.readable then
      enforced.read_deny = landlock_words(abi) .. ", mounts over what is denied"
    elseif #work.deny_read > 0 then
      enforced.read_deny = "mounts over what is denied"
    end
  end
  if #work.writable > 0 then note(missing, "hard_links", HARD_LINKS) end
end

function M.files(work, way, abi, enforced, missing)
  if way.contained then return contained_files(work, abi, enforced, missing) end
  for _, entry in ipairs(work.unheld or {}) do note(missing, entry.property, entry.reason) end
  if not work.restricts_fs then return end
  enforced.fs = landlock_words(abi)
  if not work.readable then note(missing, "policy_entry", TERMINALS) end
  note(missing, "metadata", METADATA)
  if #work.writable > 0 then note(missing, "hard_links", HARD_LINKS) end
  if #work.tops == 0 then
    enforced.protect = "landlock (no directory may be written)"
  elseif #work.names > 0 then
    note(missing, "protect", PROTECT:format(names_of(work)))
  end
  if work.readable and not is_noted(work.missing, "read_deny")
    and not is_noted(missing, "read_deny") then
    enforced.read_deny = string.format("landlock (ABI %d)", abi)
  end
  for _, entry in ipairs(work.own or {}) do
    note(missing, "protect", "sbxlua's own " .. entry.path .. " lies inside a writable root")
  end
end

local ALLOWED = "supervisor (connects to %s on behalf, to no other), seccomp (no other socket)"

local function allowed_network(work, abi)
  local words = {}
  if #work.peers > 0 then words[1] = "those listed" end
  if work.asks then words[#words + 1] = "what on_connect lets" end
  local listed = table.concat(words, " and ")
  return ALLOWED:format(listed) .. (abi >= landlock.NET_ABI and ", landlock (no TCP port)" or "")
end

function M.network(work, abi, network, enforced, missing)
  if network == "full" then
    if work.restricts_fs then note(missing, "unix_sockets", SOCKETS_FULL) end
    return
  end
  enforced.unix_sockets = #work.unix_sockets > 0 and network ~= "loopback"
    and "seccomp, supervisor (connects to those listed on behalf, to no other)"
    or "seccomp (no socket by path, no datagram pair)"
  if network == "loopback" then
    enforced.network = "network namespace with a loopback of its own, seccomp (families)"
    note(missing, "policy_entry", SOCKETS_LOOPBACK)
  elseif network == "allow" then
    enforced.network = allowed_network(work, abi)
  else
    enforced.network = "seccomp (no socket" .. (#work.unix_sockets > 0 and " but by path)" or ")")
      .. (abi >= landlock.NET_ABI and ", landlock (no TCP port)" or "")
  end
end

local GAPS = {
  { below = 2, property = "policy_entry", reason = "Landlock ABI 1 refuses to rename or link"
    .. " between directories, also inside the writable roots" },
  { below = 3, property = "policy_entry", reason = "Landlock before ABI 3 doesn't know truncation:"
    .. " truncate(2) and openat2(2) are refused everywhere instead" },
  { below = 5, property = "metadata", reason = "Landlock before ABI 5 doesn't know device ioctls:"
    .. " they go as far as the user's permissions on the device" },
}

function M.gaps(work, way, abi, missing)
  for _, gap in ipairs(GAPS) do
    local closed = way.contained and (gap.property == "metadata" or abi < 1)
    if work.restricts_fs and abi < gap.below and not closed then
      note(missing, gap.property, gap.reason)
    end
  end
end

local NO_PIDNS = "without a PID namespace the scheduling of the user's other processes can be"
  .. " changed and their command lines be read"
local NO_SCOPE = "; before Landlock ABI 6 they can be sent signals"

local KILLS = {
  pidns = "PID namespace (SIGKILL to its init)",
  cgroup = "cgroup (cgroup.kill)",
}
local SUBREAPER = "only a subreaper ends the tree: it stops and kills until nothing is left, which"
  .. " takes up to seconds against processes that fork and exit for ever, and doesn't outlive its"
  .. " own SIGKILL"

-- What lies in a file system of the command's own is not the host's, and nothing of it is hidden.
local function own_places(work, missing)
  for _, entry in ipairs(work.deny_read) do
    for _, own in ipairs(mounts.OWN) do
      if paths.covers(own, entry.path) then
        note(missing, "policy_entry", string.format("deny_read %q: the command has a %s of its own,"
             .. " whose files can be read", entry.entry or entry.path, own))
      end
    end
  end
end

function M.processes(work, way, abi, enforced, missing)
  if way.contained then own_places(work, missing) end
  enforced.kill_tree = KILLS[way.kill]
  if way.kill == "subreaper" then note(missing, "kill_tree", SUBREAPER) end
  if not way.pidns then
    note(missing, "policy_entry", NO_PIDNS .. (abi < landlock.SCOPE_ABI and NO_SCOPE or ""))
    if abi < 1 then
      enforced.network, enforced.unix_sockets = nil, nil
      note(missing, "network", "without Landlock and without a PID namespace a process of the user"
           .. " outside could be made to act for the command")
    end
  end
  for _, entry in ipairs(way.pidns and not way.contained and work.readable or {}) do
    if paths.covers("/proc", entry.path) then
      note(missing, "policy_entry", "readable " .. entry.path .. ": the /proc of the command's own"
           .. " PID namespace can't be read in the landlock tier")
    end
  end
end

---------------------------------------------------------------------------------------------------
-- Entries that it can't hold

local function unheld(list, property, field, entry, why)
  list[#list + 1] = {
    property = property, source = entry.source,
    reason = string.format("%s %q %s", field, entry.entry or entry.name or entry.path, why),
  }
end

local function covered_by(path, list, proper)
  for _, entry in ipairs(list) do
    if (proper and paths.inside or paths.covers)(entry.path, path) then return entry.path end
  end
end

local function unheld_read_only(work, list)
  for _, entry in ipairs(work.read_only) do
    local base = not work.restricts_fs and "/" or covered_by(entry.path, work.writable, true)
    if base then
      unheld(list, "protect", "read_only", entry, "lies inside what may be written (" .. base
             .. "), and Landlock can't take away from that")
    elseif entry.source and not sources.is_shipped(entry.source)
      and not covered_by(entry.path, work.writable) then
      note(work.missing, "policy_entry", string.format("read_only %q is under no writable root:"
           .. " it is read-only anyway", entry.entry))
    end
  end
end

local function unheld_deny(work, list)
  for _, entry in ipairs(work.deny_read) do
    local base = not work.readable and "/"
      or covered_by(entry.path, work.readable) or covered_by(entry.path, work.writable)
    if base then
      unheld(list, "read_deny", "deny_read", entry, "lies inside what may be read (" .. base
             .. "), and Landlock can't take away from that; list what may be read in readable")
    end
  end
end

local function unheld_names(work, list)
  if #work.tops == 0 and work.restricts_fs then return end
  for _, one in ipairs(work.names) do
    if not sources.is_shipped(one.source) then
      unheld(list, "protect", "protect", one, "lies at the top of a writable root, and Landlock"
             .. " can't take away from that")
    end
  end
end

local BY_SUPERVISOR = { none = true, allow = true }

-- Which sockets a connect reaches is told apart where it can be none but these.
local function unheld_sockets(work, network, list)
  for _, entry in ipairs(BY_SUPERVISOR[network] and {} or work.unix_sockets) do
    unheld(list, "unix_sockets", "unix_sockets", entry, "can't be let through with network = \""
           .. network .. "\": only without network are sockets connected on behalf of the command")
  end
end

local function unheld_name(list, peer, why)
  unheld(list, "policy_entry", "network.allow", peer, why)
end

-- Which addresses a name has is known; but a command looks names up by itself.
local function unheld_names_inside(work, list)
  for _, peer in ipairs(peers.unknown(work)) do
    unheld_name(list, peer, "can't be looked up by a command in the landlock tier: list its"
                .. " address, and let the command connect to that")
  end
end

local function unheld_hosts(work, list)
  if not peers.has_names(work) then return end
  local path, why = peers.hosts(work)
  for _, peer in ipairs(not path and work.peers or {}) do
    if peer.name then unheld_name(list, peer, "can't be looked up by the command: " .. why) end
  end
end

--- What was written and can't be held here: `{property, source, reason}`.
function M.unheld(work, network)
  local list = {}
  unheld_names_inside(work, list)
  unheld_read_only(work, list)
  unheld_deny(work, list)
  unheld_names(work, list)
  unheld_sockets(work, network, list)
  return list
end

--- The same for the contained tier.
function M.unheld_contained(work, network, abi)
  local list = {}
  unheld_hosts(work, list)
  unheld_sockets(work, network, list)
  for _, entry in ipairs(abi < 1 and work.readable or {}) do
    unheld(list, "read_deny", "readable", entry, "needs Landlock, which this kernel doesn't have")
  end
  return list
end

return M
