-- What the contained tier says of an access to a file. Each rule of the policy is a mount there
-- (regions.lua): the one nearest to the path decides, and what something is mounted on stays where
-- it is. Landlock stands behind them, and alone where `readable` lists what can be read.

local cite = require "sbx.cite"
local nearest = require "sbx.nearest"
local paths = require "sbx.paths"

local M = {}

local FIELDS, OWN = nearest.FIELDS, nearest.OWN
local is_free, place_of = nearest.is_free, nearest.place_of
local said = cite.verdict

---------------------------------------------------------------------------------------------------
-- Verdicts

local function rule_of(work, found)
  if not found.kind then return "default: " .. found.entry.what end
  return cite.entry(work.policy, found.kind.field, found.entry)
end

local LAYERS = {
  deny = "hiding mount", read = "read-only mount", shown = "read-only mount",
  write = "writable mount",
}

local REASONS = {
  deny_read = "nothing of it can be reached", read_only = "it stays read-only",
  protect = "the name is protected, whether it is there or not",
  ["sbxlua's own"] = "what is written there would run outside",
  readable = "it can be read and not written",
}

local function write_verdict(work, path)
  local found = nearest.of(work, path)
  if found and found.state == "write" then
    return said(true, rule_of(work, found), "writable mount", "it can be written")
  elseif found then
    local reason = found.kind and REASONS[found.kind.field] or "it can't be written"
    return said(false, rule_of(work, found), LAYERS[found.state], reason)
  end
  local rule = cite.field(work.policy, "mode")
  if is_free(work) then return said(true, rule, "none", "nothing restricts it") end
  return said(false, rule, "read-only mount", path .. " is in no writable root")
end

local GIVES = {
  { list = "writable", field = "writable_roots" }, { list = "readable", field = "readable" },
}

-- Where `readable` lists all, Landlock lets through what it or a writable root covers.
local function listed(work, path)
  for _, kind in ipairs(GIVES) do
    for _, entry in ipairs(work.plan[kind.list] or {}) do
      if paths.covers(entry.path, path) then return cite.entry(work.policy, kind.field, entry) end
    end
  end
  for _, own in ipairs(OWN) do
    if own.gives and paths.covers(own.path, path) then return "default: " .. own.what end
  end
end

local function is_absent_device(work, found, path)
  return found ~= nil and not found.kind and found.entry.path == "/dev" and path ~= "/dev"
    and work.type ~= nil and work.type ~= "directory"
end

local function read_verdict(work, path)
  local found = nearest.of(work, path)
  if found and found.state == "deny" then
    return said(false, rule_of(work, found), LAYERS.deny, REASONS.deny_read)
  elseif is_absent_device(work, found, path) then
    return said(false, rule_of(work, found), "own mount", "its /dev has only harmless devices")
  elseif not work.plan.readable then
    return said(true, cite.field(work.policy, "mode"), "none", "everything can be read")
  end
  local rule = listed(work, path)
  if rule then return said(true, rule, "landlock", "it is among what can be read") end
  return said(false, cite.field(work.policy, "readable"), "landlock",
              "it is not among what readable lists")
end

---------------------------------------------------------------------------------------------------
-- What something is mounted on

local FLOATING = { symlink = true, seal = true, directory = true, file = true }

-- Where the engine's list of mounts is known it decides: it is what the kernel gets.
local function is_mounted(work, place)
  local mounts = work.engine.mounts
  if not mounts then return nil end
  for _, mount in ipairs(mounts) do
    if mount.path == place and not FLOATING[mount.op] then return true end
  end
  return false
end

-- The entry at a place, or the one below that would be taken along were its ancestor renamed.
local function pin(work, place)
  for _, kind in ipairs(FIELDS) do
    for _, entry in ipairs(kind.state ~= "shown" and work.plan[kind.list] or {}) do
      local at = place_of(entry)
      if at == place then return entry, kind, true end
      if kind.state ~= "write" and paths.inside(place, at) then return entry, kind, false end
    end
  end
end

local function pinned(work)
  if is_mounted(work, work.place) == false then return nil end
  local entry, kind, itself = pin(work, work.place)
  if not entry and not work.engine.mounts then return nil end
  if not entry then
    return said(false, "default: sbxlua's own", "mount point", "something is mounted on it")
  end
  return said(false, cite.entry(work.policy, kind.field, entry), "mount point",
              itself and "something is mounted on it: it stays where it is"
                or entry.path .. " is mounted below it: it stays where it is")
end

local function in_parent(work)
  local verdict = write_verdict(work, work.parent)
  if not verdict.allowed then return verdict end
  return pinned(work) or verdict
end

---------------------------------------------------------------------------------------------------

local JUDGES = {
  read = function(work) return read_verdict(work, work.place) end,
  execute = function(work) return read_verdict(work, work.place) end,
  create = in_parent, delete = in_parent, rename = in_parent, link = in_parent, bind = in_parent,
}

function JUDGES.write(work)
  if not work.type then return in_parent(work) end
  return write_verdict(work, work.place)
end

-- A mount holds what Landlock doesn't; a device's node is the host's own.
function JUDGES.metadata(work)
  local found = nearest.of(work, work.place)
  if found and found.entry.device then
    return said(false, rule_of(work, found), "read-only mount",
                "the node is the host's: only what it gives can be used")
  end
  return write_verdict(work, work.place)
end

---------------------------------------------------------------------------------------------------
-- The way there

-- The directories on the way to what is shown in something hidden can be passed.
local function leads_to_shown(work, directory)
  for _, kind in ipairs(FIELDS) do
    for _, entry in ipairs(kind.state ~= "deny" and work.plan[kind.list] or {}) do
      if paths.inside(directory, place_of(entry)) then return true end
    end
  end
  return false
end

local function hidden_on_the_way(work)
  for _, link in ipairs(work.links or {}) do
    local found = nearest.of(work, link)
    if found and found.state == "deny" then return found, link end
  end
  for _, directory in ipairs(work.left or {}) do
    local found = nearest.of(work, directory)
    if found and found.state == "deny" and not leads_to_shown(work, directory) then
      return found, directory
    end
  end
end

--- The verdict for an operation on a file.
---@param work table  {plan, policy, engine, operation, place, parent, type, links, left};
---                   the last two as walk.place gives them
---@return sbx.Said
function M.judge(work)
  local found, where = hidden_on_the_way(work)
  if not found then return JUDGES[work.operation](work) end
  return said(false, rule_of(work, found), LAYERS.deny, "the way leads through " .. where
              .. ", which is hidden")
end

return M
