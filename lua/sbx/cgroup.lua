-- Which cgroup directory may hold those of the jobs. Pure: what is read is given.

local M = {}

-- The write bit of the owner, without the operators that 5.1 lacks.
local function owner_writes(found)
  return math.floor((found.mode or 0) / 128) % 2 == 1
end

--- The directory of this process in cgroup v2, where it was delegated to `uid` and knows
--- cgroup.kill (Linux 5.14); else nil and why not.
---@param read fun(path: string): string|nil
---@param stat fun(path: string): table|nil
---@param uid number
---@return string|nil path, string|nil reason
function M.delegated(read, stat, uid)
  local own = read("/proc/self/cgroup")
  local path = own and own:match("^0::(/[^\n]*)") or own and own:match("\n0::(/[^\n]*)")
  if not path then return nil, "no cgroup v2" end
  local directory = path == "/" and "/sys/fs/cgroup" or "/sys/fs/cgroup" .. path
  local found, procs = stat(directory), stat(directory .. "/cgroup.procs")
  if not found or not procs then return nil, directory .. " can't be looked at" end
  if found.uid ~= uid or procs.uid ~= uid or not owner_writes(found) then
    return nil, directory .. " is not delegated to this user"
  end
  -- the root of a hierarchy has no cgroup.kill itself, those made below it do
  if path ~= "/" and not stat(directory .. "/cgroup.kill") then
    return nil, "this kernel has no cgroup.kill"
  end
  return directory
end

return M
