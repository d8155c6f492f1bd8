-- Which refusal lets a run go on to the next, weaker set of layers: only what says that this
-- machine can't do a layer that the next set doesn't need. Anything else (a file that a neighbour
-- moved, no descriptor, memory or process left) must never weaken a sandbox: somebody could cause
-- it.

local M = {}

-- The steps that differ between the sets of layers; Landlock and filters are the same in all.
local STEPS = {
  namespaces = true, user_namespace = true, mounts_private = true, proc = true, loopback = true,
  cgroup = true, subreaper = true, mounts = true, mount_paths = true, journal = true,
}

-- What a neighbour who moves a file could cause is none of a machine's.
local NEIGHBOURS = { mount_paths = { EACCES = true }, journal = { EPERM = true, EAGAIN = true } }

local CANT = { EPERM = true, EACCES = true, ENOSYS = true, EINVAL = true, EOPNOTSUPP = true }

-- A kernel built without it has no such file.
local MAY_BE_ABSENT = {
  user_namespace = true, cgroup = true, proc = true, journal = true,
}

-- Both "none allowed on this machine" and "the user has too many just now".
local FULL = { ENOSPC = true, EUSERS = true }
local COUNTED = { namespaces = true, user_namespace = true }

-- The namespaces of an engine plan, as the kernel's limits call them.
local LIMITS = { user = "user", pid = "pid", mount = "mnt", net = "net", ipc = "ipc", uts = "uts" }

-- In somebody's user namespace the limit may be that one's, which can't be read from inside.
local function is_nested(read)
  local map = read("/proc/self/uid_map")
  return map ~= nil and not map:find("^%s*0%s+0%s+4294967295%s*$")
end

-- Whether one of the namespaces that were asked for is switched off.
local function switched_off(engine, read)
  if is_nested(read) then return true end
  for name, word in pairs(LIMITS) do
    if (engine.namespaces or {})[name] then
      local text = read("/proc/sys/user/max_" .. word .. "_namespaces")
      if text and tonumber(text) == 0 then return true end
    end
  end
  return false
end

--- Whether the next set of layers may be tried after this refusal.
---@param raw table     the core's error from a start
---@param engine table  the engine plan that was refused
---@param read fun(path: string): string|nil
function M.may_follow(raw, engine, read)
  if raw.kind ~= "sandbox" or not STEPS[raw.step] then return false end
  if (NEIGHBOURS[raw.step] or {})[raw.code] then return false end
  if CANT[raw.code] then return true end
  if raw.code == "EROFS" then return raw.step == "journal" end
  if raw.code == "ENOENT" then return MAY_BE_ABSENT[raw.step] or false end
  return FULL[raw.code] and COUNTED[raw.step] and switched_off(engine, read) or false
end

return M
