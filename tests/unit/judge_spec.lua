-- What the judge says of what it could not see, and that what a command writes can't keep it busy.
local denial = require "sbx.denial"

local function judge(stderr, evidence, command)
  evidence.command = command
  local out = { exit_code = 1, stdout = "", stderr = stderr, aggregated_output = stderr }
  return denial.judge("linux-seccomp", out, evidence, true)
end

describe("a watched run with calls that could not be looked at", function()
  it("is guessed, and their number told", function()
    local verdict, reason = judge("open: Read-only file system\n", { unread = 2 })
    assert.equal("likely", verdict)
    assert.matches("2 calls could not be looked at", reason, 1, true)
    verdict, reason = judge("no luck\n", { unread = 1 })
    assert.equal("none", verdict)
    assert.matches("1 call could not be looked at", reason, 1, true)
  end)
end)

-- failures: {pid, ppid, program, code, seq}; refusals: {pid, operation, path, seq, program}
local function verdict_of(text, failures, refusals, line, shell, code)
  local seen = { failures = {}, command = line and { shell or "sh", "-c", line } }
  for i, one in ipairs(failures) do
    seen.failures[i] = { pid = one[1], ppid = one[2], program = one[3], code = one[4],
                         seq = one[5] }
  end
  for i, one in ipairs(refusals) do
    seen[i] = { pid = one[1], operation = one[2], path = one[3], seq = one[4], program = one[5],
                errno = "EROFS", address = one[2] == "connect" and "127.0.0.1:80" or nil }
  end
  local out = { exit_code = code or failures[#failures][4], stdout = "", stderr = text,
                aggregated_output = text }
  return (denial.judge("linux-seccomp", out, seen, true))
end

describe("a file that is missed by a name from another directory", function()
  local failures = { { 3, 2, "bash", 1, 2 }, { 4, 2, "cat", 1, 3 }, { 2, 1, "bash", 1, 4 } }

  local function missed(text, path, line)
    return verdict_of(text, failures, { { 3, "create", path, 1, "bash" } }, line, "bash")
  end

  it("is the one that could not be made", function()
    for _, text in ipairs({
      "cat: run.cfg: No such file or directory", "cat: ./run.cfg: No such file or directory",
      "FileNotFoundError: [Errno 2] No such file or directory: 'run.cfg'",
      "cp: cannot stat 'w/run.cfg': No such file or directory",
      "Error: ENOENT: no such file or directory, open 'run.cfg'\n    at open (node:fs:1:2) {\n"
        .. "  code: 'ENOENT'\n}\n\nNode.js v20.0.0",
    }) do
      assert.equal("confirmed", missed(text, "/p/w/run.cfg"), text)
    end
    assert.equal("confirmed", missed("cc: dist/a.o: No such file or directory", "/p/w/dist"))
    assert.equal("confirmed", missed("cat: a: No such file or directory", "/p/w/a"))
  end)

  it("is not another, nor a word", function()
    assert.equal("none", missed("cat: urun.cfg: No such file or directory", "/p/w/run.cfg"))
    assert.equal("none", missed("cat: run.cfg.old: No such file or directory", "/p/w/run.cfg"))
    assert.equal("none", missed("cat: sub/run.cfg: No such file or directory", "/p/w/run.cfg"))
    assert.equal("none", missed("npm error Missing script: \"dist\"", "/p/w/dist"))
    assert.equal("none", missed("no build: cannot stat 'src': No such file", "/p/w/build"))
    assert.equal("none", missed("cat: a: No such file or directory", "/o/a",
                                "date > /o/a; cat a"))
    assert.equal("none", missed("cat: run.cfg: No such file or directory\nAssertionError: 1 != 2",
                                "/p/w/run.cfg"))
  end)

  it("may be missed in silence by the last step", function()
    assert.equal("confirmed", missed("", "/p/w/a.txt", "date > a.txt; cat a.txt 2>/dev/null"))
    assert.equal("confirmed", missed("", "/o/rel/a.txt",
                                     "cp a.txt /o/rel/; cat /o/rel/a.txt 2>/dev/null"))
    assert.equal("none", missed("", "/o/rel/a.txt", "cp a.txt /o/rel/; cat a.txt x 2>/dev/null"))
  end)
end)

describe("a shell that became its last step", function()
  local function verdict(line, program, last, path)
    return verdict_of("", { { 3, 2, program, 1, 2 }, { 2, 1, last, 1, 3 } },
                      { { 3, "create", path, 1, program } }, line, "bash")
  end

  it("went on after those before", function()
    assert.equal("none", verdict("touch /o/x 2>/dev/null; grep -q a f", "touch", "grep", "/o/x"))
    assert.equal("none", verdict("date >> ~/.x; grep -q a f", "bash", "grep", "/h/.x"))
    assert.equal("none", verdict("touch /o/x; ./own -s", "touch", "own", "/o/x"))
  end)

  it("fails by the children of that step", function()
    assert.equal("confirmed", verdict("cd w && make -s", "cp", "make", "/o/x"))
    assert.equal("confirmed", verdict("date > log; make -s", "bash", "make", "/o/x"))
    assert.equal("confirmed", verdict("python3 - <<'E'\nrun(['cp'])\nE\n./own", "cp", "own",
                                      "/o/x"))
    assert.equal("confirmed", verdict("echo 'a; cp b'; ./own", "cp", "own", "/o/x"))
  end)
end)

describe("git's lock of its index", function()
  local function verdict(line)
    return verdict_of("", { { 2, 1, "git", 1, 2 } },
                      { { 2, "create", "/p/.git/index.lock", 1, "git" } }, line, "bash")
  end

  it("is needed to write it, and for a question it is not", function()
    assert.equal("confirmed", verdict("git stash"))
    assert.equal("confirmed", verdict("git -C /p -c a.b=c stash -q"))
    assert.equal("none", verdict("git diff --quiet"))
    assert.equal("none", verdict("git stash; git diff --quiet"))
    assert.equal("none", verdict("./check.sh"))
  end)
end)

describe("the last reason in the text", function()
  local function verdict(text, operation, path, code)
    return verdict_of(text, { { 2, 1, "x", code or 1, 2 } }, { { 2, operation, path, 1, "x" } })
  end

  it("is no frame of a traceback, and nothing of what is cleaned up", function()
    assert.equal("confirmed", verdict("lua: x:1: /o/l: Read-only file system\nstack traceback:\n"
      .. "\t[C]: in function 'assert'\n\tx:1: in main chunk\n\t[C]: in ?", "create", "/o/l"))
    assert.equal("confirmed", verdict("sh: 1: kill: (5) - No such process", "connect"))
    assert.equal("none", verdict("lua: x:1: assertion failed!\nstack traceback:\n"
      .. "\t[C]: in function 'assert'", "create", "/o/l"))
  end)

  it("may speak of the network, or of a directory for what is temporary", function()
    local text = "ERROR: Could not find a version that satisfies x (from versions: none)\n"
      .. "ERROR: No matching distribution found for x"
    assert.equal("confirmed", verdict(text, "connect"))
    assert.equal("none", verdict(text, "bind"))
    assert.equal("confirmed", verdict("FileNotFoundError: [Errno 2] No usable temporary directory"
      .. " found in ['/tmp', '/p']", "create", "/tmp/xyz"))
  end)

  it("is the script's own after what it could not write to a cache", function()
    local said = "./c.sh: 3: cannot create /h/.cache/log: Read-only file system\n"
    assert.equal("none", verdict(said .. "check: 4 problems", "create", "/h/.cache/log", 3))
    assert.equal("confirmed", verdict(said, "create", "/h/.cache/log", 3))
    assert.equal("confirmed", verdict(said .. "giving up", "create", "/h/.cache/log", 1))
  end)
end)

describe("what root can't do in a sandbox", function()
  local is_root = denial.is_root
  after_each(function() denial.is_root = is_root end)

  local function verdict(text, program, code, root)
    denial.is_root = function() return root ~= false end
    return verdict_of(text, { { 2, 1, program, code or 1, 1 } }, {})
  end

  it("is likely where the program that failed says so in its own name", function()
    local text = "chown: changing ownership of 'f': Operation not permitted\n"
    assert.equal("likely", verdict(text, "chown"))
    assert.equal("likely", verdict("rsync: chown \"f\" failed: Operation not permitted (1)\n"
      .. "rsync error: some files were not transferred (code 23)", "rsync", 23))
    assert.equal("none", verdict(text, "chown", 1, false))
    assert.equal("none", verdict(text, "tar"))
    assert.equal("none", verdict(text .. "AssertionError: no", "chown"))
  end)

  it("is none where a shell says it, or somebody prints all the words", function()
    assert.equal("none", verdict("sh: ./f: Permission denied", "sh"))
    assert.equal("none", verdict("env: './f': Permission denied", "env", 126))
    assert.equal("none", verdict(table.concat(denial.keywords, "\n"), "perl"))
  end)
end)

describe("a line that the command chose to slow the host", function()
  local refused = { pid = 2, operation = "create", path = "/o/x", errno = "EROFS", seq = 1,
                    program = "x" }
  local failures = { { pid = 2, ppid = 1, program = "make", code = 1, seq = 66 } }
  for i = 3, 64 do failures[i] = { pid = i, ppid = 2, program = "x", code = 1, seq = i } end
  table.insert(failures, 2, { pid = 70, ppid = 2, program = "x", code = 1, seq = 2 })

  local quiet = { { pid = 3, ppid = 2, program = "y", code = 1, seq = 2 },
                  { pid = 2, ppid = 1, program = "z", code = 1, seq = 3 } }

  -- CPU seconds of the host
  local function cost(text, command)
    local before = os.clock()
    judge(text, { refused, failures = failures }, command)
    judge(text, { refused, failures = quiet }, command)
    return os.clock() - before
  end

  it("costs no more than any other", function()
    for _, piece in ipairs({ "1", "test ", "tests ", "error", "a", " ", "/", "'", ": ", "git ",
                             "o/x/", "x:",
                             "x ", "x;", "> x ", "> x; ", "$a/x ", "<<E\n" }) do
      local long = piece:rep(100000 // #piece)
      assert.is_true(cost(long) < 0.5, piece)
      assert.is_true(cost((long:sub(1, 999) .. "\n"):rep(20)) < 0.5, piece)
      assert.is_true(cost("", { "sh", "-c", long }) < 0.5, piece)
      assert.is_true(cost("", { "sh", "-c", "x | " .. long }) < 0.5, piece)
      assert.is_true(cost("", { "sh", "-c", "touch x; " .. long:sub(1, 8000) }) < 0.5, piece)
      assert.is_true(cost("", { "sh", "-c", long:sub(1, 4000) .. "; " .. long:sub(1, 4000) }) < 0.5,
                     piece)
    end
  end)
end)
