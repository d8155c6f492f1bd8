-- A policy's Landlock rules, as the engine takes them. In the contained tier some are for file
-- systems that only the command has, and are made inside.

local landlock = require "sbx.landlock"
local lists = require "sbx.lists"
local mounts = require "sbx.mounts"
local paths = require "sbx.paths"

local M = {}

local function add_rule(rules, path, access, inner)
  if #access > 0 then rules[#rules + 1] = { path = path, access = access, inner = inner or nil } end
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

-- All in a /dev of the command's own is harmless; only terminals get device ioctls.
local function own_device_rules(rules, work, rights)
  local suffix = work.readable and "_read" or ""
  add_rule(rules, "/dev", work.readable and rights.device_tree or rights.device, true)
  add_rule(rules, "/dev/tty", rights["terminal" .. suffix], true)
  add_rule(rules, mounts.PTS, work.readable and rights.terminal_tree or rights.terminal, true)
  if not lists.find(work.writable, "path", mounts.SHM) then
    add_rule(rules, mounts.SHM, work.readable and rights.all_tree or rights.write_tree, true)
  end
end

-- What a wider entry covers needs no rule of its own.
local function is_covered(entry, list)
  for _, other in ipairs(list) do
    if other ~= entry and paths.inside(other.path, entry.path) then return true end
  end
  return false
end

local function readable_rules(rules, work, rights, contained)
  for _, entry in ipairs(work.readable or {}) do
    local inner = contained and paths.covers("/proc", entry.path)
    if not is_covered(entry, work.readable) and not (contained and paths.covers("/dev", entry.path))
    then
      add_rule(rules, entry.path,
               entry.type == "directory" and rights.read_tree or rights.read_file, inner)
    end
  end
end

local function rules_of(work, rights, contained)
  local rules = {}
  writable_rules(rules, work, rights)
  if contained then
    own_device_rules(rules, work, rights)
  else
    device_rules(rules, work, rights)
  end
  readable_rules(rules, work, rights, contained)
  return rules
end

-- With everything writable a domain still keeps the command off the host's processes; an old kernel
-- takes no domain that handles nothing.
local function unrestricted_fs(rights, net, scope)
  if #net > 0 or #scope > 0 then return rights.none end
  return rights.handled_least
end

--- The plan's `landlock`; nil without Landlock.
---@param contained boolean  in a mount namespace with file systems of its own
function M.of(work, abi, network, contained)
  if abi < 1 then return nil end
  local rights = landlock.rights(abi)
  -- what is allowed, the supervisor connects
  local no_port = network == "none" or network == "allow"
  local net = no_port and abi >= landlock.NET_ABI and rights.net or rights.none
  local scope = landlock.scope(abi, network)
  if not work.restricts_fs then
    return { abi = abi, fs = unrestricted_fs(rights, net, scope), net = net, scope = scope,
             rules = {} }
  end
  return {
    abi = abi, fs = work.readable and rights.handled_all or rights.handled_write,
    net = net, scope = scope, rules = rules_of(work, rights, contained), inner = contained or nil,
  }
end

return M
