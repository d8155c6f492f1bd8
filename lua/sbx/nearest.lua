-- Which rule of the contained tier is nearest to a path: the policy's entries, what every command
-- has of its own, and what the engine adds by itself. At one path deny beats read-only beats
-- writable.

local paths = require "sbx.paths"

local M = {}

-- What each list makes of what lies below its entries; at one path the first that is listed here
-- wins.
M.FIELDS = {
  { list = "deny_read", field = "deny_read", state = "deny" },
  { list = "read_only", field = "read_only", state = "read" },
  { list = "protect", field = "protect", state = "read" },
  { list = "writable", field = "writable_roots", state = "write" },
  { list = "readable", field = "readable", state = "shown" },
}

-- What the engine adds by itself: its own configuration, modules and program.
local ENGINE = { field = "sbxlua's own", state = "read" }

-- What every command has of its own.
M.OWN = {
  { path = "/proc", state = "read", what = "its own /proc" },
  { path = "/dev", state = "read", what = "its own /dev" },
  { path = "/dev/shm", state = "write", gives = true, what = "its own /dev/shm" },
  { path = "/dev/pts", state = "write", gives = true, what = "its own pseudo terminals" },
}
for _, name in ipairs({ "null", "zero", "full", "random", "urandom", "tty", "ptmx" }) do
  M.OWN[#M.OWN + 1] = {
    path = "/dev/" .. name, state = "write", gives = true, device = true,
    what = "a harmless device",
  }
end

--- Whether the policy restricts no writing.
---@param work table  {plan}
---@return boolean
function M.is_free(work) return work.plan.mode == "danger-full-access" end

--- Of a name that is missing, the first component that is: there something is mounted.
---@param entry sbx.Entry|sbx.Protected
---@return string
function M.place_of(entry)
  return entry.exists == false and entry.hold or entry.path
end

local function in_own(path)
  return paths.covers("/dev", path) or paths.covers("/proc", path)
end

-- In a file system of the command's own there is nothing of the host's to take away, but in a
-- writable root, which is the host's.
local function is_idle(work, kind, place)
  if M.is_free(work) or kind.state == "write" or not in_own(place) then return false end
  for _, root in ipairs(work.plan.writable or {}) do
    if in_own(root.path) and paths.covers(root.path, place) then return false end
  end
  return true
end

-- `readable` shows what lies in something hidden; elsewhere it says nothing of a mount.
local function speaks(work, kind, entry, place)
  if kind.state ~= "shown" then return not is_idle(work, kind, place) end
  local around = M.of(work, entry.path, true)
  return around ~= nil and around.state == "deny"
end

---@class sbx.Nearest
---@field entry table  of the plan, of M.OWN, or a mount of the engine's
---@field kind {field: string, state: string}?  nil for what every command has of its own
---@field state "deny"|"read"|"shown"|"write"
---@field depth integer

--- The nearest entry above or at `path`; nil where none is.
---@param work table  {plan, engine}
---@param path string
---@param but_readable boolean?  as if `readable` said nothing
---@return sbx.Nearest|nil
function M.of(work, path, but_readable)
  local best
  local function consider(entry, kind, state)
    local place = M.place_of(entry)
    if not paths.covers(place, path) then return end
    local depth = paths.depth(place)
    if best and depth <= best.depth then return end
    if kind and not speaks(work, kind, entry, place) then return end
    best = { entry = entry, kind = kind, state = state, depth = depth }
  end
  for _, kind in ipairs(M.FIELDS) do
    local skipped = but_readable and kind.state == "shown"
    for _, entry in ipairs(not skipped and work.plan[kind.list] or {}) do
      consider(entry, kind, kind.state)
    end
  end
  for _, own in ipairs(M.is_free(work) and {} or M.OWN) do consider(own, nil, own.state) end
  for _, mount in ipairs(work.engine.mounts or {}) do
    if mount.op == "bind" and not mount.write then consider(mount, ENGINE, ENGINE.state) end
  end
  return best
end

return M
