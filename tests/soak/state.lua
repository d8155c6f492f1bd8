-- What a host holds: memory, descriptors, processes, mounts, and what lies on the disk.
local floor = require "floor"
local processes = require "tests.processes"
local support = require "tests.support"

local M = {}

-- Kept supervisors wait half a minute for the next command, placeholders a quarter of a second.
local SETTLE_SECONDS = 1
local PATIENCE_SECONDS = 40

local function lines(text)
  local _, count = text:gsub("\n", "")
  return count
end

local function look(place)
  local now = processes.held()
  now.mounts = lines(processes.read("/proc/self/mountinfo"))
  now.cgroups = lines(support.output("find /sys/fs/cgroup -maxdepth 6 -name 'sbx*.*' -type d "
    .. "2>/dev/null"))
  now.left = lines(support.output(("ls -A %s; ls -A %s | grep -vx d"):format(
    support.quote(place.outside), support.quote(place.work))))
  return now
end

---Once nothing runs any more: the least of several looks.
---@param place SoakPlace
function M.settled(place)
  local stop = floor.now() + PATIENCE_SECONDS
  local now, before
  repeat
    before = now
    os.execute("sleep " .. SETTLE_SECONDS)
    now = look(place)
  until floor.now() > stop or before and now.processes == before.processes
    and now.descriptors == before.descriptors and now.left == before.left
  return now
end

return M
