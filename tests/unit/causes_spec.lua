-- Which refusal made a command fail: the chain of failures first, the text second.
local denial = require "sbx.denial"

-- failures: {pid, ppid, program, code, seq}; refusals: {pid, operation, path, errno, seq}
local function judge(exit_code, stderr, failures, refusals, command)
  local seen = { failures = {}, command = command }
  for i, one in ipairs(failures) do
    seen.failures[i] = { pid = one[1], ppid = one[2], program = one[3], code = one[4],
                         seq = one[5] }
  end
  for i, one in ipairs(refusals) do
    seen[i] = { pid = one[1], operation = one[2], path = one[3], errno = one[4], seq = one[5],
                program = one[6] or "x" }
  end
  local out = { exit_code = exit_code, stdout = "", stderr = stderr, aggregated_output = stderr }
  local verdict, reason, cause = denial.judge("linux-seccomp", out, seen, true)
  assert.is_string(reason)
  return verdict, cause and cause.path
end

local function shell(script) return { "sh", "-c", script } end

describe("a quiet failure", function()
  it("is a refusal's where the process that was refused is the one that failed", function()
    local verdict, path = judge(1, "", { { 3, 2, "touch", 1, 2 }, { 2, 1, "sh", 1, 3 } },
                                { { 3, "create", "/o/x", "EROFS", 1 } })
    assert.equal("confirmed", verdict)
    assert.equal("/o/x", path)
  end)

  it("is its own where a later one failed that was refused nothing", function()
    assert.equal("none", (judge(1, "", { { 3, 2, "touch", 1, 2 }, { 4, 2, "grep", 1, 3 },
                                         { 2, 1, "sh", 1, 4 } },
                                { { 3, "create", "/o/x", "EROFS", 1 } })))
  end)

  it("is its own where only a cache was refused", function()
    assert.equal("none", (judge(1, "", { { 2, 1, "python3", 1, 2 } },
                                { { 2, "create", "/o/__pycache__/m.pyc", "EROFS", 1 } })))
  end)

  it("goes up a chain of several", function()
    local failures = { { 5, 4, "ld", 1, 2 }, { 4, 3, "gcc", 1, 3 }, { 3, 2, "make", 2, 4 },
                       { 2, 1, "sh", 2, 5 } }
    local verdict = judge(2, "make: *** [all] Error 1\n", failures,
                          { { 5, "create", "/o/prog", "EROFS", 1 } })
    assert.equal("confirmed", verdict)
  end)
end)

describe("what follows a refused step", function()
  local failures = { { 3, 2, "touch", 1, 2 }, { 2, 1, "sh", 3, 3 } }
  local refused = { { 3, "create", "/o/x", "EROFS", 1 } }

  it("decides: `|| exit 3` passes it on, `; exit 3` doesn't", function()
    assert.equal("confirmed", (judge(3, "", failures, refused, shell("touch /o/x || exit 3"))))
    assert.equal("none", (judge(3, "", failures, refused, shell("touch /o/x; exit 3"))))
    assert.equal("confirmed", (judge(3, "", failures, refused,
                                     shell("if ! touch /o/x; then exit 3; fi"))))
  end)

  it("decides where it is a test of something else", function()
    local same = { { 3, 2, "touch", 1, 2 }, { 2, 1, "sh", 1, 3 } }
    assert.equal("none", (judge(1, "", same, refused, shell("touch /o/x; test -f missing"))))
    assert.equal("confirmed", (judge(1, "", same, refused, shell("touch /o/x; test -f /o/x"))))
  end)

  it("misses what was to be made", function()
    local later = { { 3, 2, "mkdir", 1, 2 }, { 4, 2, "cp", 1, 3 }, { 2, 1, "sh", 1, 4 } }
    assert.equal("confirmed", (judge(1, "cp: cannot create '/o/d/f': No such file or directory\n",
                                     later, { { 3, "create", "/o/d", "EROFS", 1 } })))
    assert.equal("none", (judge(1, "cat: other: No such file or directory\n", later,
                                { { 3, "create", "/o/d", "EROFS", 1 } })))
  end)
end)

describe("the text of a process with refusals of its own", function()
  local failed = { { 2, 1, "python3", 1, 9 } }
  local refused = { { 2, "create", "/o/log", "EROFS", 1 } }

  local function verdict(text) return (judge(1, text, failed, refused)) end

  it("that names it makes it the cause", function()
    assert.equal("confirmed", verdict("OSError: [Errno 30] Read-only file system: '/o/log'\n"))
    assert.equal("confirmed", verdict("error: could not write log: permission denied (EROFS)\n"))
  end)

  it("that gives another reason doesn't", function()
    assert.equal("none", verdict("AssertionError: 1 != 2\n"))
    assert.equal("none", verdict("log: Read-only file system\nNameError: name 'x'\n"))
  end)

  it("counts without the lines that only sum up", function()
    assert.equal("confirmed", verdict("OSError: [Errno 30] Read-only file system: '/o/log'\n"
                                      .. "FAILED (errors=1)\n"))
  end)
end)

describe("a runner of tests", function()
  local function verdict(text)
    return (judge(1, text, { { 2, 1, "pytest", 1, 9 } },
                  { { 2, "create", "/o/log", "EROFS", 1 } }))
  end

  it("is judged by its tests, not by its sums", function()
    local sum = "=========== short test summary info ===========\n"
    assert.equal("confirmed", verdict("E  OSError: [Errno 30] Read-only file system: '/o/log'\n"
      .. sum .. "FAILED t.py::test_w - OSError: [Errno 30] Read-only file system: '/o/log'\n"
      .. "=========== 1 failed in 0.02s ===========\n"))
    assert.equal("none", verdict("E  assert 1 == 2\n" .. sum
      .. "FAILED t.py::test_w - assert 1 == 2\n=========== 1 failed in 0.02s ===========\n"))
  end)
end)

describe("a pipe", function()
  it("fails its reader by its writer", function()
    local failures = { { 3, 2, "curl", 7, 2 }, { 4, 2, "grep", 1, 3 }, { 2, 1, "sh", 1, 4 } }
    local refused = { { 3, "create", "/o/x", "EROFS", 1 } }
    assert.equal("confirmed", (judge(1, "", failures, refused, shell("curl x | grep -q y"))))
    assert.equal("none", (judge(1, "", failures, refused, shell("curl x; grep -q y z"))))
    assert.equal("none", (judge(1, "", failures, refused, shell("curl x || grep -q y z"))))
  end)
end)

describe("a watched run", function()
  it("without a refusal is none, whatever it prints", function()
    local text = table.concat(denial.keywords, "\n")
    assert.equal("none", (judge(1, text, { { 2, 1, "sh", 1, 1 } }, {})))
  end)

  it("without the chain is judged by its text", function()
    assert.equal("confirmed", (judge(1, "", {}, { { 2, "create", "/o/x", "EROFS", 1 } })))
    assert.equal("none", (judge(1, "test 3 failed", {}, { { 2, "create", "/o/x", "EROFS", 1 } })))
  end)

  it("counts a process that died of a signal by what was written", function()
    local failures = { { 2, 1, "sh", 134, 3 } }
    local refused = { { 3, "create", "/tmp/cc1.s", "EROFS", 1 } }
    assert.equal("confirmed", (judge(134, "Cannot create temporary file in /tmp/: Read-only file"
                                     .. " system\n", failures, refused)))
    assert.equal("none", (judge(134, "Aborted\n", failures, refused)))
  end)
end)

describe("a refusal that more processes met than are listed", function()
  local function verdict(program, pids, count)
    local seen = { { pid = 3, pids = pids, count = count, operation = "create", path = "/o/x",
                     errno = "EROFS", seq = 1, program = "touch" } }
    seen.failures = { { pid = 40, ppid = 2, program = program, code = 1, seq = 9 },
                      { pid = 2, ppid = 1, program = "sh", code = 1, seq = 10 } }
    return (denial.judge("linux-seccomp", { exit_code = 1, stdout = "", stderr = "" }, seen, true))
  end

  it("may be that of another of the same name", function()
    local eight = { 3, 4, 5, 6, 7, 8, 9, 10 }
    assert.equal("confirmed", verdict("touch", eight, 12))
    assert.equal("none", verdict("grep", eight, 12))
    assert.equal("none", verdict("touch", eight, 8))
    assert.equal("none", verdict("touch", { 3, 4 }, 12))
  end)
end)
