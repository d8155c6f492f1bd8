-- What the watch costs real work: the same command watched and not, interleaved. Beside each the
-- floor: what its calls would cost by the kernel alone (kernel-facts.md 5: 10 µs each).
local floor = require "floor"
local real = require "tests.bench.real"
local sbx = require "sbx"
local stats = require "tests.bench.stats"

local FLOOR_S = 10e-6

local WORK = {
  { "make -j2 of a C project", real.WORK.make, 1.05 },
  { "python tests", real.WORK.python, 1.05 },
  { "git status and git log", real.WORK.git, 1.05, 20 }, -- the shortest: more rounds
  { "find", real.WORK.find, 1.05 },
  { "git clone of 2000 files", real.WORK.clone, 1.5 },
  { "tar of 5000 files", real.WORK.tar, 2 },
}

-- How often the filter would hand a call over, as strace counts them.
local CALLS = "open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,"
  .. "link,linkat,symlink,symlinkat,chmod,fchmodat,chown,lchown,fchownat,utimensat,truncate"

local function count_calls(directory, line)
  local log = directory .. "/strace.log"
  local ok = os.execute(("cd %s && GIT_CONFIG_GLOBAL=/dev/null HOME=%s strace -f -qq -o %s"
    .. " -e trace=%s sh -c '%s' >/dev/null 2>&1"):format(directory, directory, log, CALLS, line))
  if not ok then return nil end
  local count = 0
  for text in io.lines(log) do
    local reads = text:find("open") and text:find("O_RDONLY") and not text:find("O_CREAT")
    local by_descriptor = text:find("utimensat%(%d+, NULL")
    local again = text:find("resumed>", 1, true) -- a second line of the same call
    if not (reads or by_descriptor or again) and text:find("%(") then count = count + 1 end
  end
  os.remove(log)
  return count
end

local function measure(directory, what, rounds)
  local name, work, goal, more = table.unpack(what)
  local times = real.interleave(directory, work, {
    real.sandboxed(directory, work, { watch = false }),
    real.sandboxed(directory, work, { watch = true }),
  }, rounds * (more or 1))
  local calls = count_calls(directory, work.line)
  local plain, ratio = stats.median(times[1]), stats.ratio(times[2], times[1])
  local least = calls and ("%.2f"):format((plain + calls * FLOOR_S) / plain) or "?"
  return {
    what = ("%s (%s calls, floor %s)"):format(name, calls or "?", least),
    measured = ("%.0f ms"):format(stats.median(times[2]) * 1e3), ratio = ("%.3f"):format(ratio),
    goal = ("<= %.2f"):format(goal), met = ratio <= goal,
  }
end

local function spawns(directory, runs)
  local command = { "/bin/true" }
  local function bare() assert(floor.run(command) == 0) end
  local function spawn(watch)
    return function()
      assert(sbx.run({ command = command, policy = "workspace-write", cwd = directory,
                       watch = watch }))
    end
  end
  local list = { bare, spawn(false), spawn(true) }
  stats.interleave(list, 50, floor.now)
  local times = stats.interleave(list, runs, floor.now)
  local plain, watched = stats.ratio(times[2], times[1]), stats.ratio(times[3], times[1])
  return {
    what = "spawn of /bin/true: watched less not, of a bare one",
    measured = ("%.2f, %.2f"):format(plain, watched), ratio = ("%.3f"):format(watched - plain),
    goal = "<= 0.15", met = watched - plain <= 0.15,
  }
end

return function(options)
  local directory = real.prepare()
  local rows = { spawns(directory, options.runs) }
  for _, what in ipairs(WORK) do
    rows[#rows + 1] = measure(directory, what, options.rounds)
  end
  real.shell("rm -rf %s", directory)
  return rows
end
