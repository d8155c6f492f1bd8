-- How each limit is held: by what this machine has, best first, as parts of an engine plan and in
-- words. What is a limit in the kernel refuses or kills by itself; what isn't is looked after by
-- the supervisor, and the words say "sampled".

local lists = require "sbx.lists"
local sizes = require "sbx.sizes"

local M = {}

-- kernel/pid.c: once an id above it was given out, those below are never given out again. So many
-- more than pid_max says are possible before, where the first of them can't be chosen.
local RESERVED_PIDS = 300
-- A PID namespace has its own pid_max since Linux 6.14; RLIMIT_NPROC counts by user namespace since
-- 5.14.
local OWN_PID_MAX, NPROC_BY_NAMESPACE = { 6, 14 }, { 5, 14 }

--- The limits of opts laid over those of the policy, as numbers.
---@return table<string, number>
function M.resolve(policy, given)
  local limits = {}
  for _, map in ipairs({ policy or {}, given or {} }) do
    for name, value in pairs(map) do
      limits[name] = value and sizes.limit(name, value) or nil
    end
  end
  return limits
end

local function is_newer(kernel, least)
  local major, minor = tostring(kernel):match("^(%d+)%.(%d+)")
  major, minor = tonumber(major), tonumber(minor)
  if not major then return false end
  return major > least[1] or (major == least[1] and minor >= least[2])
end

---------------------------------------------------------------------------------------------------
-- Control groups

-- A process is in one group of version 2 only, so all of its limits are set there; and a tree that
-- is ended by its own group of that version stays in that one.
local function group_of(out, way, place)
  if not place then return nil end
  if place.version == 2 and way.kill == "cgroup" then return nil end
  for _, group in ipairs(out.groups) do
    if group.path == place.path then return group end
    if group.version == 2 and place.version == 2 then return nil end
  end
  local group = { path = place.path, version = place.version, set = {}, read = {} }
  out.groups[#out.groups + 1] = group
  return group
end

local function words_of(group, controller)
  return string.format("cgroup v%d (%s)", group.version, controller)
end

---------------------------------------------------------------------------------------------------
-- One function a limit: what it takes, and in words how it is held; a reason where that is less
-- than it says.

local HOLD = {}

local MEMORY = {
  { set = { "memory.limit_in_bytes %d", "?memory.memsw.limit_in_bytes %d" },
    read = { { "memory_peak", "memory.max_usage_in_bytes" },
             { "memory_kills", "memory.oom_control oom_kill" } } },
  { set = { "memory.max %d", "?memory.swap.max 0", "?memory.oom.group 1" },
    read = { { "memory_peak", "memory.peak" }, { "memory_kills", "memory.events oom_kill" } } },
}

local function fill(group, files, value)
  for _, line in ipairs(files.set) do
    group.set[#group.set + 1] = line:find("%%d") and line:format(value) or line
  end
  for _, entry in ipairs(files.read) do group.read[#group.read + 1] = entry end
end

function HOLD.memory_bytes(out, value, way, places)
  local group = group_of(out, way, places.memory)
  if group then
    fill(group, MEMORY[group.version], value)
    return words_of(group, "memory")
  end
  out.bounds.memory_bytes = value
  if way.contained then out.bounds.tmpfs_bytes = value end
  return "sampled by the supervisor", "memory_bytes is sampled: some milliseconds pass between two"
    .. " looks, and memory that no process has mapped (memfd, sockets) is not seen"
end

local TASKS = { set = { "pids.max %d" }, read = { { "refused_tasks", "pids.events max" } } }

function HOLD.processes(out, value, way, places, ctx)
  local group = group_of(out, way, places.pids)
  if group then
    fill(group, TASKS, value)
    return words_of(group, "pids")
  end
  local kernel = ctx.probe and ctx.probe.kernel
  if ctx.uid ~= 0 and way.user and is_newer(kernel, NPROC_BY_NAMESPACE) then
    out.rlimits.nproc, out.bounds.tasks = value + 1, value -- the supervisor is one
    return "RLIMIT_NPROC in a user namespace of its own"
  end
  if way.pidns and is_newer(kernel, OWN_PID_MAX) then
    out.bounds.pid_max, out.bounds.tasks = value + RESERVED_PIDS, value
    if ctx.probe.last_pid then
      out.bounds.last_pid = RESERVED_PIDS
      return "pid_max of the PID namespace"
    end
    out.bounds.pid_max = out.bounds.pid_max + 1 -- the supervisor is one
    return "pid_max of the PID namespace", string.format("processes: without a pids cgroup up to %d"
      .. " more than the %d are possible at a time", RESERVED_PIDS, value)
  end
  out.bounds.tasks_ended = value
  return "sampled by the supervisor", "processes is sampled: without a pids cgroup or a namespace"
    .. " more are not refused, the command is ended once they are seen"
end

-- Every group of version 2 tells its processor time, wherever it was made and for what.
function HOLD.cpu_ms(out, value, way, places)
  out.bounds.cpu_us = value * 1000
  -- for one process alone; two seconds later than the tree, so that it never decides first
  out.rlimits.cpu = math.ceil(value / 1000) + 2
  local group = group_of(out, way, places.cpu) or lists.find(out.groups, "version", 2)
  if not group then
    return "sampled by the supervisor (whole tree), RLIMIT_CPU", "cpu_ms is sampled: the time of"
      .. " children that their parent never waits for is seen in part"
  end
  group.read[#group.read + 1] = group.version == 1 and { "cpu_us", "cpuacct.usage", 1000 }
    or { "cpu_us", "cpu.stat usage_usec" }
  return words_of(group, "cpu time") .. ", read by the supervisor, RLIMIT_CPU"
end

function HOLD.open_files(out, value)
  out.rlimits.nofile, out.bounds.files = value, value
  return "RLIMIT_NOFILE (of each process)"
end

function HOLD.file_bytes(out, value)
  out.rlimits.fsize = value
  return "RLIMIT_FSIZE (of each file)"
end

function HOLD.output_bytes()
  return "counted by the engine"
end

---------------------------------------------------------------------------------------------------

local UNHELD = "without a sandbox nothing keeps a command from what it may do with its own limits:"
  .. " leave a cgroup, raise a limit (as root), change who it is"

-- Those that a group may hold come first: they decide which ones are made.
M.ORDER = {
  "memory_bytes", "processes", "cpu_ms", "open_files", "file_bytes", "output_bytes",
}

local function copy_of(map)
  local copy = {}
  for name, value in pairs(map or {}) do copy[name] = value end
  return copy
end

local function plain(groups)
  local list = {}
  for i, group in ipairs(groups) do
    list[i] = { path = group.path, set = group.set, read = group.read }
  end
  return list
end

--- Adds to an engine plan what holds the limits in this way of making a sandbox.
---@param limits table<string, number>  from resolve
---@param way table     {kill, user, pidns, contained}
---@param ctx table
---@param engine table
---@param enforced table<string, string>
---@param missing table[]
function M.apply(limits, way, ctx, engine, enforced, missing)
  if next(limits) == nil then return end
  local places = ctx.probe and ctx.probe.groups or {}
  local out = { rlimits = copy_of(engine.rlimits), bounds = {}, groups = {} }
  local words = {}
  for _, name in ipairs(M.ORDER) do
    if limits[name] then
      local how, lack = HOLD[name](out, limits[name], way, places, ctx)
      words[#words + 1] = name .. ": " .. how
      if lack then missing[#missing + 1] = { property = "limits", reason = lack } end
    end
  end
  if way.kill == "subreaper" and not engine.no_new_privs then
    missing[#missing + 1] = { property = "limits", reason = UNHELD }
  end
  engine.rlimits, engine.bounds, engine.groups = out.rlimits, out.bounds, plain(out.groups)
  enforced.limits = table.concat(words, "; ")
end

---------------------------------------------------------------------------------------------------
-- What came of them

local NAMES = {
  memory = "memory_bytes", cpu = "cpu_ms", tasks = "processes", files = "open_files",
  output = "output_bytes",
}

local ENDED = {
  memory_bytes = "the command and its processes used more memory than %d bytes",
  cpu_ms = "the command and its processes used more than %d ms of processor time",
  processes = "the command had more than %d processes",
  output_bytes = "the command wrote more than %d bytes",
  file_bytes = "the command wrote a file of more than %d bytes",
}

local REFUSED = {
  processes = "the command failed after it had come to %d processes",
  open_files = "the command failed after it had come to %d open files",
}

-- How programs say that they were refused more, where nothing counts refusals.
local SAID = {
  processes = { "resource temporarily unavailable", "cannot fork", "can't start new thread" },
  open_files = { "too many open files", "emfile" },
}
-- A reason is given at the end; the command decides how much it writes.
local MOST_SAID = 4096

local function says(raw, name)
  local text = (raw.stderr or ""):sub(-MOST_SAID):lower()
  for _, phrase in ipairs(SAID[name]) do
    if text:find(phrase, 1, true) then return true end
  end
  return false
end

local function is_refused(raw, limits, bound, counted)
  local name = NAMES[bound]
  if (raw.reached or {})[bound] then return true end
  return limits[name] ~= nil and not counted:find(name .. ": cgroup", 1, true) and says(raw, name)
end

local function told(form, limits, name)
  return name, string.format(form[name] or "the limit was passed (%d)", limits[name] or 0)
end

--- The limit that a raw end comes from, and that in words; nil: none.
---@param raw table
---@param limits table<string, number>
---@param signals table<string, integer>  the numbers of XFSZ and XCPU
---@param held string|nil  how they are held: `enforced.limits`
---@return string|nil limit, string? message
function M.of_end(raw, limits, signals, held)
  if raw.ended_by == "bound" then return told(ENDED, limits, NAMES[raw.bound]) end
  if raw.ended_by ~= "exit" and raw.ended_by ~= "signal" or raw.exit_code == 0 then return nil end
  for name, signal in pairs({ file_bytes = signals.XFSZ, cpu_ms = signals.XCPU }) do
    if raw.signal == signal and limits[name] then return told(ENDED, limits, name) end
  end
  for _, bound in ipairs({ "tasks", "files" }) do
    local refused = is_refused(raw, limits, bound, held or "")
    if refused then return told(REFUSED, limits, NAMES[bound]) end
  end
end

return M
