-- Real work: a C project to compile, tests to run, a repository, archives; and one command run in
-- several ways, interleaved.
local floor = require "floor"
local sbx = require "sbx"
local scratch = require "tests.bench.scratch"

local M = {}

function M.shell(line, ...) assert(os.execute(line:format(...))) end

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

---@class bench.Work
---@field line string    what is run, in the directory
---@field before string  what is done before each run

---@type table<string, bench.Work>
M.WORK = {
  make = { line = "cd project && make -s -j2 CFLAGS=-O1", before = "rm -f project/*.o" },
  python = { line = "cd project && python3 -m unittest -q test_a", before = ":" },
  git = { line = "cd tree && git status >/dev/null && git log >/dev/null", before = ":" },
  find = { line = "find /usr/lib /usr/include >/dev/null", before = ":" },
  clone = { line = "git clone -q tree clone", before = "rm -rf clone" },
  tar = { line = "tar xf many.tar", before = "rm -rf many" },
}

---On a disk file system, outside of what is shared by the policies.
---@return string directory  with all that the work needs; the caller removes it
function M.prepare()
  local directory = scratch()
  M.shell(PREPARE, directory)
  return directory
end

---A run by sbx.run under workspace-write, with these options besides.
function M.sandboxed(directory, work, options)
  local opts = {
    command = { "sh", "-c", work.line }, cwd = directory, policy = "workspace-write",
    timeout_ms = 120000, env = { GIT_CONFIG_GLOBAL = "/dev/null", HOME = directory },
  }
  for name, value in pairs(options) do opts[name] = value end
  return function()
    local r, err, out = sbx.run(opts)
    assert(r, tostring(err) .. (out and out.stderr or ""))
  end
end

---The same as it is without sbxlua.
function M.outside(directory, work)
  local line = ("cd %s && export GIT_CONFIG_GLOBAL=/dev/null HOME=%s && %s"):format(
    directory, directory, work.line)
  return function() assert(floor.run({ "sh", "-c", "{ " .. line .. "; } 2>&1" }) == 0) end
end

---@param ways fun()[]  two ways to run the work
---@return number[][] times  seconds, for each way
function M.interleave(directory, work, ways, rounds)
  local times = { {}, {} }
  for round = 0, rounds do
    for turn = 1, 2 do
      local i = (turn + round) % 2 + 1 -- who comes second finds the other's dirty pages
      M.shell("cd %s; %s", directory, work.before)
      local began = floor.now()
      ways[i]()
      if round > 0 then times[i][round] = floor.now() - began end
    end
  end
  M.shell("cd %s; %s", directory, work.before)
  return times
end

return M
