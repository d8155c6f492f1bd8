-- What a host has today, and the program, against the same floor: a bare spawn of /bin/true. What
-- is not installed is left out.
local floor = require "floor"
local stats = require "tests.bench.stats"

local WARM_UP = 10
local COMMAND = {"/bin/true"}

local function program(name)
  local pipe = assert(io.popen("command -v " .. name .. " 2>/dev/null"))
  local path = pipe:read("l")
  pipe:close()
  return path
end

local function spawn(...)
  local argv = {...}
  return function() assert(floor.run(argv) == 0) end
end

-- A Python that is there already, and runs one each time it is told to.
local PYTHON = [[
import subprocess, sys
for line in sys.stdin:
    subprocess.run(["/bin/true"], capture_output=True)
    print(flush=True)]]

local function python(path, directory)
  local file = assert(io.open(directory .. "/peer.py", "w"))
  file:write(PYTHON)
  file:close()
  local fifo = directory .. "/answers"
  assert(os.execute("mkfifo " .. fifo))
  local ask = assert(io.popen(("%s %s/peer.py >%s"):format(path, directory, fifo), "w"))
  local answers = assert(io.open(fifo))
  return function()
    ask:write("\n")
    ask:flush()
    assert(answers:read("l"))
  end, function()
    ask:close()
    answers:close()
  end
end

local function popen()
  local pipe = assert(io.popen("/bin/true"))
  pipe:read("a")
  pipe:close()
end

-- The namespaces and the view of workspace-write, as far as its options go.
local function bubblewrap(path, directory)
  return spawn(path, "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev",
               "--proc", "/proc", "--tmpfs", "/dev/shm", "--bind", "/tmp", "/tmp", "--bind",
               directory, directory, "--chdir", directory, "/bin/true")
end

local function sbxlua(directory, tier)
  return spawn(os.getenv("SBX_PREFIX") .. "/bin/sbxlua", "run", "-q", "-p", "workspace-write", "-C",
               directory, "--tier", tier, "--", "/bin/true")
end

local function of(what, times, base, goal)
  local ratio = stats.ratio(times, base)
  return {
    what = what, measured = ("%.0f us"):format(stats.median(times) * 1e6),
    ratio = ("%.2f"):format(ratio), goal = goal and ("<= %.2f"):format(goal),
    met = goal and ratio <= goal,
  }
end

return function(options)
  local pipe = assert(io.popen("mktemp -d /var/tmp/sbx-bench.XXXXXX"))
  local directory = pipe:read("l")
  pipe:close()
  local names, ways, goals = {}, {spawn(table.unpack(COMMAND))}, {}
  local function add(name, way, goal)
    names[#names + 1] = name
    ways[#ways + 1] = way
    goals[#names] = goal
  end
  local close = function() end
  add("io.popen (by a shell)", popen)
  local path = program("python3")
  if path then
    local way
    way, close = python(path, directory)
    add("Python's subprocess.run", way)
  end
  path = program("bwrap")
  local wrapped = path and #ways + 1
  if path then add("bubblewrap, the same namespaces", bubblewrap(path, directory)) end
  path = program("firejail")
  if path then add("firejail", spawn(path, "--quiet", "--noprofile", "/bin/true")) end
  add("sbxlua run, landlock tier", sbxlua(directory, "landlock"), 3.2)
  add("sbxlua run, contained tier", sbxlua(directory, "contained"), 4.0)
  stats.interleave(ways, WARM_UP, floor.now)
  local times = stats.interleave(ways, options.peers, floor.now)
  close()
  assert(os.execute("rm -r " .. directory))
  local rows = {}
  for i, name in ipairs(names) do rows[i] = of(name, times[i + 1], times[1], goals[i]) end
  if wrapped then
    rows[#rows + 1] = of("sbxlua run, contained tier, over bubblewrap", times[#times],
                         times[wrapped], 0.6)
  end
  return rows
end
