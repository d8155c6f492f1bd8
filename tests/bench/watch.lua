-- What the watch costs real work: the same command watched and not, interleaved. Beside each the
-- floor: what its calls would cost by the kernel alone (kernel-facts.md 5: 10 µs each).
local floor = require "floor"
local sbx = require "sbx"
local stats = require "tests.bench.stats"

local FLOOR_S = 10e-6
local BASE = os.getenv("SBX_BENCH_DIRECTORY") or "/var/tmp"

local function shell(line, ...)
  assert(os.execute(line:format(...)))
end

-- On a disk file system, outside of what is shared by the policies.
local function workspace()
  local pipe = assert(io.popen("d=$(mktemp -d " .. BASE .. "/sbx-bench.XXXXXX) && realpath $d"))
  local directory = pipe:read("l")
  pipe:close()
  return directory
end

local PREPARE = [[cd %s && mkdir tree project && cd tree && git init -q . &&
  for d in $(seq 40); do mkdir d$d; for f in $(seq 50); do echo "$d $f" >d$d/f$f; done; done &&
  git add . && git -c user.name=a -c user.email=a@b commit -qm one && cd .. &&
  mkdir many && for d in $(seq 50); do mkdir many/d$d
    for f in $(seq 100); do echo "$d $f" >many/d$d/f$f; done; done && tar cf many.tar many &&
  rm -r many && for i in $(seq 16); do
    printf '#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\nint f%%d(int a) {' $i
    for l in $(seq 300); do echo "  a += a * $l; if (a %% 7 == $l) a = printf(\"%%d\", a);"; done
    echo '  return a; }'
  done >all.c && awk '/#include <stdio/ {n++} {print > ("project/f" n ".c")}' all.c &&
  echo 'all: $(patsubst %%.c,%%.o,$(wildcard *.c))' >project/Makefile &&
  printf 'import unittest\nclass T(unittest.TestCase):\n' >project/test_a.py &&
  for i in $(seq 200); do
    printf ' def test_%%d(self): self.assertEqual(sum(range(20000)), 199990000)\n' $i
  done >>project/test_a.py]]

-- What is run, what is done before each run, and the goal.
local WORK = {
  { "make -j2 of a C project", "cd project && make -s -j2 CFLAGS=-O1", "rm -f project/*.o",
    1.05 },
  { "python tests", "cd project && python3 -m unittest -q test_a", "", 1.05 },
  { "git status and git log", "cd tree && git status >/dev/null && git log >/dev/null", "", 1.05 },
  { "find", "find /usr/lib /usr/include >/dev/null", "", 1.05 },
  { "git clone of 2000 files", "git clone -q tree clone", "rm -rf clone", 1.5 },
  { "tar of 5000 files", "tar xf many.tar", "rm -rf many", 2 },
}

local function runner(directory, line, watch)
  return function()
    local r, err, out = sbx.run({
      command = { "sh", "-c", line }, cwd = directory, policy = "workspace-write", watch = watch,
      timeout_ms = 120000, env = { GIT_CONFIG_GLOBAL = "/dev/null", HOME = directory },
    })
    assert(r, tostring(err) .. (out and out.stderr or ""))
  end
end

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
  local name, line, before, goal = table.unpack(what)
  local times = { {}, {} }
  local run = { runner(directory, line, false), runner(directory, line, true) }
  for round = 0, rounds do
    for turn = 1, 2 do
      local i = (turn + round) % 2 + 1 -- who comes second finds the other's dirty pages
      shell("cd %s; %s", directory, before == "" and ":" or before)
      local began = floor.now()
      run[i]()
      if round > 0 then times[i][round] = floor.now() - began end
    end
  end
  shell("cd %s; %s", directory, before == "" and ":" or before)
  local calls = count_calls(directory, line)
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
  local directory = workspace()
  shell(PREPARE, directory)
  local rows = { spawns(directory, options.runs) }
  for _, what in ipairs(WORK) do
    rows[#rows + 1] = measure(directory, what, options.rounds)
  end
  shell("rm -rf %s", directory)
  return rows
end
