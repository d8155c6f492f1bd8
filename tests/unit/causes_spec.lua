-- Which refusal made a command fail: the chain of failures first, the text second.
local denial = require "sbx.denial"

-- failures: {pid, ppid, program, code, seq}; refusals: {pid, operation, path, errno, seq}
local function judge(exit_code, stderr, failures, refusals, command, files)
  local seen = { failures = {}, command = command,
                 read = function(path) return (files or {})[path] end }
  for i, one in ipairs(failures) do
    seen.failures[i] = { pid = one[1], ppid = one[2], program = one[3], code = one[4],
                         seq = one[5] }
  end
  for i, one in ipairs(refusals) do
    seen[i] = { pid = one[1], operation = one[2], path = one[3], errno = one[4], seq = one[5],
                program = one[6] or "x", address = one[7], syscall = one[8] }
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

  it("is of the place that was wanted, not of where the same was tried next", function()
    local _, path = judge(1, "", { { 2, 1, "vim", 1, 9 } },
                          { { 2, "create", "/o/.f.swp", "EROFS", 1 },
                            { 2, "create", "/var/tmp/f.swp", "EROFS", 2 } })
    assert.equal("/o/.f.swp", path)
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
    local through = shell("curl x | tail -1 | grep -q y")
    assert.equal("confirmed", (judge(1, "", failures, refused, through)))
    assert.equal("none", (judge(1, "", failures, refused, shell("curl x | cat || grep -q y z"))))
  end)
end)

describe("what a program mostly gets over", function()
  local LOCK = { { 3, "create", "/w/.git/index.lock", "EROFS", 1, "git" } }
  local PYTHON = { "python3", "m.py" }

  it("was needed where git gave up for it, unseen by who reads its output", function()
    local text = "subprocess.CalledProcessError: Command 'git' returned non-zero exit status 128.\n"
    local failures = { { 3, 2, "git", 128, 2 }, { 2, 1, "python3", 1, 3 } }
    assert.equal("confirmed", (judge(1, text, failures, LOCK, PYTHON)))
    failures[1][4] = 1 -- what it was asked for: `git diff --exit-code`
    assert.equal("none", (judge(1, text, failures, LOCK, PYTHON)))
  end)

  it("was needed where it is a port that was asked for by number", function()
    local function verdict(address)
      return (judge(1, "pg_ctl: it did not start\n", { { 3, 2, "postgres", 1, 2 },
                                                      { 2, 1, "pg_ctl", 1, 3 } },
                    { { 3, "bind", nil, "EPERM", 1, "postgres", address } }))
    end
    assert.equal("confirmed", verdict("127.0.0.1:5432"))
    assert.equal("none", verdict("[::1]:0"))
  end)

  it("was needed where a message of several lines gives it as the error", function()
    local function verdict(path)
      return (judge(243, "npm error code EACCES\nnpm error syscall mkdir\nnpm error path " .. path
                    .. "\nnpm error errno -13\nLog files were not written.\n",
                    { { 2, 1, "npm", 243, 2 } },
                    { { 2, "create", "/h/.npm", "EACCES", 1, "npm", nil, "mkdir" } }))
    end
    assert.equal("confirmed", verdict("/h/.npm"))
    assert.equal("none", verdict("/w/package.json"))
    local said = "npm error code EROFS\nnpm error path /h/.npmrc\n"
      .. "npm error rofs EROFS: read-only file system, open '/h/.npmrc'\n"
      .. "npm error Logs were not written to: /h/.npm/_logs\n"
    local _, path = judge(226, said, { { 2, 1, "npm", 226, 9 } },
                          { { 2, "create", "/h/.npm", "EROFS", 1, "npm", nil, "mkdir" },
                            { 2, "create", "/h/.npmrc", "EROFS", 2, "npm", nil, "openat" } })
    assert.equal("/h/.npmrc", path)
    assert.equal("none", verdict("/h/.npmx"))
  end)

  it("is a directory for settings, which is made if it can be", function()
    local function verdict(syscall)
      return (judge(3, "", { { 2, 1, "terraform", 3, 2 } },
                    { { 2, "create", "/h/.terraform.d", "EROFS", 1, "terraform", nil, syscall } }))
    end
    assert.equal("none", verdict("mkdirat"))
    assert.equal("confirmed", verdict("openat"))
  end)
end)

describe("a warning", function()
  local failures = { { 2, 1, "git", 1, 2 } }
  local refused = { { 2, "delete", "/w/.agents", "EBUSY", 1, "git" } }
  local WARNED = "warning: failed to remove .agents/: Device or resource busy\n"

  it("that is all that is said was the reason", function()
    assert.equal("confirmed", (judge(1, WARNED, failures, refused)))
  end)

  it("is none where something else is said after it", function()
    assert.equal("none", (judge(1, WARNED .. "three files have problems\n", failures, refused)))
    local perl = { { 2, "create", "/h/x", "EROFS", 1, "perl" } }
    local note = "note: no log: Read-only file system\n"
    local died = { { 2, 1, "perl", 30, 2 } }
    assert.equal("none", (judge(30, note .. "no input given\n", died, perl)))
    assert.equal("confirmed", (judge(30, note .. "giving up\n", died, perl)))
  end)
end)

describe("an error of Lua's", function()
  local function verdict(message)
    return (judge(1, "lua5.4: " .. message .. "\nstack traceback:\n\t[C]: in function 'error'\n",
                  { { 2, 1, "lua5.4", 1, 2 } }, { { 2, "create", "/h/.luarc", "EROFS", 1 } }))
  end

  it("is a reason of its own unless it may speak of what was attempted", function()
    assert.equal("none", verdict("bad config"))
    assert.equal("confirmed", verdict("settings not saved"))
    assert.equal("confirmed", verdict("/h/.luarc: Read-only file system"))
  end)
end)

describe("a sum of failures", function()
  local TEXT = "sh: 1: cannot create /h/.t: Read-only file system\nThe following tests FAILED:\n"
    .. "\t1 - save (Failed)\nErrors while running CTest\n"
  local refused = { { 3, "create", "/h/.t", "EROFS", 1, "sh" } }

  it("is of what was refused where nothing else failed", function()
    local failures = { { 3, 2, "sh", 2, 2 }, { 2, 1, "ctest", 8, 3 } }
    assert.equal("confirmed", (judge(8, TEXT, failures, refused)))
    table.insert(failures, 1, { 4, 2, "check", 1, 1 })
    assert.equal("none", (judge(8, TEXT, failures, refused)))
  end)
end)

describe("a script's last statement", function()
  local failures = { { 3, 2, "mkdir", 1, 2 }, { 2, 1, "bash", 1, 3 } }
  local refused = { { 3, "create", "/h/.reports", "EROFS", 1, "mkdir" } }
  local TEXT = "mkdir: cannot create directory '/h/.reports': Read-only file system\n"

  local function verdict(script, command)
    return (judge(1, TEXT, failures, refused, command, { ["check.sh"] = script }))
  end

  it("decides as that of a line does", function()
    for _, command in ipairs({ { "bash", "check.sh" }, shell("bash check.sh") }) do
      assert.equal("none", verdict("mkdir -p /h/.reports\nexit 1\n", command))
      assert.equal("confirmed", verdict("mkdir -p /h/.reports || exit 1\n", command))
      assert.equal("confirmed", verdict("#!/bin/sh -e\nmkdir -p /h/.reports\nexit 1\n", command))
      assert.equal("confirmed", verdict(nil, command))
    end
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
