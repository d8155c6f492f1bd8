-- sbxlua run: statuses, what passes through, options, signals. Judged by what a shell sees.

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
local program = dofile(here .. "program.lua")

local command = program.command

describe("sbxlua run", function()
  local place
  before_each(function() place = program.directory() end)
  after_each(function() program.remove(place) end)

  describe("status", function()
    it("is the command's own", function()
      assert.equal(0, command({ "true" }).status)
      assert.equal(7, command({ "--", "sh", "-c", "exit 7" }).status)
      assert.equal(200, command({ "--sh", "exit 200" }).status)
    end)

    it("is 128 + n for a signal, and 124 for a time-out", function()
      assert.equal(139, command({ "sh", "-c", "kill -SEGV $$" }).status)
      local got = command({ "-t", "300ms", "sleep", "60" })
      assert.equal(124, got.status)
      assert.truthy(got.stderr:find("sbxlua: timed out after 0.", 1, true))
      assert.equal(124, command({ "--timeout-ms", "300", "sleep", "60" }).status)
    end)

    it("is 127 and 126 for what can't be started", function()
      local got = command({ "sbxlua-no-such-command" })
      assert.equal(127, got.status)
      assert.matches("^sbxlua: sbxlua%-no%-such%-command: [^:]+\n$", got.stderr)
      assert.equal(127, command({ "" }).status)
      assert.equal(127, command({ "/no/such/command" }).status)
      assert.equal(126, command({ "/etc/passwd" }).status)
      assert.equal(126, command({ "/etc" }).status)
      program.write(place .. "/script", "#!/no/such/interpreter\n")
      os.execute("chmod +x " .. place .. "/script")
      assert.equal(127, command({ place .. "/script" }).status)
      program.write(place .. "/script", "no format")
      assert.equal(126, command({ place .. "/script" }).status)
    end)

    it("is 125 for sbxlua's own failures", function()
      for _, words in ipairs({
        {}, { "--" }, { "--nonsense", "true" }, { "-p", "no-such-policy", "true" },
        { "-C", "/no/such/directory", "true" }, { "-t", "5", "true" }, { "-t", "-5s", "true" },
        { "--timeout-ms", "1.5", "true" }, { "-t", "1s", "--timeout-ms", "1", "true" },
        { "--max-output", "0", "true" }, { "--max-output", "many", "true" },
        { "--network", "some", "true" }, { "--env", "SBX_TEST_NOT_SET", "true" },
        { "--env", "=x", "true" }, { "--inherit", "most", "true" }, { "--tier", "x", "true" },
        { "--require", "x", "true" }, { "--sandbox", "x", "true" }, { "--sh", "true", "true" },
        { "--stdin", "--no-stdin", "true" }, { "--policy-json", "{", "true" },
        { "--policy-json", "[1]", "true" }, { "--policy-json", '{"no_such_field":1}', "true" },
        { "--policy-json", "@/no/such/file", "true" }, { "--quiet=1", "true" }, { "--cwd" },
        { "--sandbox", "macos-seatbelt", "true" }, { "--idle-timeout-ms", "0", "true" },
        { "--clear-env", "--inherit", "all", "true" },
      }) do
        local got = command(words)
        assert.equal(125, got.status, table.concat(words, " "))
        assert.truthy(got.stderr:find("^sbxlua: [^\n]+\n$"), got.stderr)
        assert.equal("", got.stdout)
      end
    end)

    it("is 125, with the name, for options of later versions", function()
      for _, words in ipairs({
        { "--pty" }, { "--with", "x" },
      }) do
        local got = command({ words[1], words[2] or "true", "true" })
        assert.equal(125, got.status)
        assert.truthy(got.stderr:find(words[1], 1, true))
      end
    end)
  end)

  describe("words", function()
    it("are options up to the first that is none", function()
      assert.equal("-n --json\n", command({ "echo", "-n --json" }).stdout)
      assert.equal("--json\n", command({ "echo", "--json" }).stdout)
      assert.equal("x\n", command({ "-q", "--", "echo", "x" }).stdout)
    end)

    it("take values in every form", function()
      for _, words in ipairs({
        { "-C", "/usr" }, { "-C/usr" }, { "--cwd", "/usr" }, { "--cwd=/usr" }, { "-qC", "/usr" },
        { "-qC/usr" }, { "-C", "/", "-C", "/usr" },
      }) do
        words[#words + 1] = "pwd"
        assert.equal("/usr\n", command(words).stdout)
      end
      assert.equal("-c\n", command({ "--arg0", "-c", "sh", "-c", "echo $0" }).stdout)
    end)

    it("come with the nearest known one", function()
      assert.truthy(command({ "--netwrok", "full", "true" }).stderr:find("--network", 1, true))
    end)
  end)

  describe("passes on", function()
    it("both streams, each byte", function()
      local got = command({ "-q", "--sh", [[printf 'a\0b\377'; printf 'c\n' >&2; exit 3]] })
      assert.equal("a\0b\255", got.stdout)
      assert.equal("c\n", got.stderr)
      assert.equal(3, got.status)
      got = command({ "-q", "--merge-stderr", "--sh", "echo 1; echo 2 >&2; echo 3" })
      assert.equal("1\n2\n3\n", got.stdout)
    end)

    it("more than any cap", function()
      local got = program.shell(
        "$sbxlua run -q -- head -c 30000000 /dev/zero | wc -c; $sbxlua run -q --max-output 1K --"
        .. " head -c 3000000 /dev/zero | wc -c")
      assert.equal("30000000\n3000000\n", got.stdout)
    end)

    it("output while the command still runs", function()
      local got = program.shell("$sbxlua run -q --sh 'echo early; exec sleep 60' >" .. place
        .. "/out & until_there " .. place .. "/out; kill $!; wait $!; cat " .. place .. "/out")
      assert.equal("early\n", got.stdout)
    end)

    it("no faster than it is taken, and past a time-out not at all", function()
      local got = program.shell("$sbxlua run -q -t 1s -- yes | { sleep 3; wc -c; }")
      local bytes = tonumber(got.stdout)
      assert.is_true(bytes > 0 and bytes < 20000000, got.stdout)
    end)

    it("stdin, unless told otherwise", function()
      assert.equal("typed", command({ "cat" }, { stdin = "typed" }).stdout)
      assert.equal("", command({ "--no-stdin", "cat" }, { stdin = "typed" }).stdout)
      local got = command({ "--json", "cat" }, { stdin = "typed" })
      assert.equal("", program.object(got).stdout)
      got = command({ "--json", "--stdin", "cat" }, { stdin = "typed" })
      assert.equal("typed", program.object(got).stdout)
      assert.equal("/dev/null\n", command({ "--no-stdin", "readlink", "/proc/self/fd/0" },
        { stdin = "x" }).stdout)
    end)

    it("nothing more once its own stdout is closed, and the tree is gone", function()
      local beat = place .. "/beat"
      local got = program.shell("{ $sbxlua run -q -w " .. place .. " --sh 'while :; do echo x >>"
        .. beat .. "; echo x; sleep 0.05; done'; echo $? >&2; } | head -n 1; cp " .. beat .. " "
        .. beat .. "1; sleep 1; cmp " .. beat .. " " .. beat .. "1")
      assert.equal("141\n", got.stderr)
      assert.equal("x\n", got.stdout)
    end)
  end)

  describe("environment", function()
    it("sets, passes and clears variables", function()
      local env = { SBX_TEST_MINE = "mine", SBX_TEST_TOKEN = "secret" }
      local echo = "echo $SBX_TEST_MINE,$SBX_TEST_NEW,$SBX_TEST_TOKEN"
      assert.equal(",,\n", command({ "--sh", echo }, { env = env }).stdout)
      assert.equal("mine,a=b,\n", command({ "--env", "SBX_TEST_MINE", "--env=SBX_TEST_NEW=a=b",
        "--sh", echo }, { env = env }).stdout)
      assert.equal("mine,,\n", command({ "--inherit", "all", "--sh", echo }, { env = env }).stdout)
      local got = command({ "--clear-env", "--env", "A=1", "/usr/bin/env" }, { env = env })
      local names = {}
      for line in got.stdout:gmatch("[^\n]+") do names[#names + 1] = line end
      table.sort(names)
      assert.same({ "A=1", "CODEX_SANDBOX_NETWORK_DISABLED=1", "SBX_NETWORK_DISABLED=1" }, names)
    end)
  end)

  describe("policy", function()
    local function touch(words, path)
      words[#words + 1] = "--sh"
      words[#words + 1] = ": > " .. path
      command(words, { cwd = place })
      return program.read(path) ~= nil
    end

    before_each(function() os.execute("mkdir " .. place .. "/work " .. place .. "/other") end)

    it("is read-only unless one is named", function()
      assert.is_false(touch({}, place .. "/work/file"))
      assert.is_true(touch({ "-p", "workspace-write" }, place .. "/work/file"))
      assert.is_false(touch({ "-p", "workspace-write", "-C", place .. "/work" },
        place .. "/other/file"))
      assert.is_true(touch({ "-p", "danger-full-access" }, place .. "/other/file"))
    end)

    it("lets -w make exactly that directory writable under read-only", function()
      assert.is_true(touch({ "-w", place .. "/work" }, place .. "/work/file"))
      assert.is_false(touch({ "-w", place .. "/work" }, place .. "/other/file"))
      assert.is_false(touch({ "-w", place .. "/work" }, place .. "/file"))
    end)

    it("is taken from where sbxlua is called, never from -C", function()
      program.write(place .. "/work/theirs.lua", "return {mode = 'danger-full-access'}")
      for _, words in ipairs({
        { "-p", "theirs.lua" }, { "-p", "./theirs.lua", "-w", place .. "/other" },
        { "--policy-json", '{"extends":"theirs.lua"}' },
      }) do
        local more = { "-C", place .. "/work", "true" }
        table.move(more, 1, #more, #words + 1, words)
        local got = command(words, { cwd = place })
        assert.equal(125, got.status)
        local said = place .. "/theirs.lua: there is no such policy file"
        assert.truthy(got.stderr:find(said, 1, true))
      end
    end)

    it("that gives no sandbox is refused with --tier", function()
      local got = command({ "-p", "danger-full-access", "--tier", "landlock", "true" })
      assert.equal(125, got.status)
      assert.truthy(got.stderr:find("says nothing without a sandbox", 1, true))
    end)

    it("can be a file, and JSON", function()
      program.write(place .. "/mine.lua", "return {extends = 'read-only', writable_roots = {'"
        .. place .. "/work'}}")
      assert.is_true(touch({ "-p", place .. "/mine.lua" }, place .. "/work/a"))
      assert.is_true(touch({ "-p", "mine.lua" }, place .. "/work/b"))
      assert.is_true(touch({ "-p", "./mine.lua", "-w", place .. "/other" }, place .. "/other/a"))
      local json = '{"extends":"read-only","writable_roots":["' .. place .. '/work"]}'
      assert.is_true(touch({ "--policy-json", json }, place .. "/work/c"))
      assert.is_false(touch({ "--policy-json", json }, place .. "/other/c"))
      assert.is_true(touch({ "--policy-json", json, "-w", place .. "/other" }, place .. "/other/c"))
      program.write(place .. "/policy.json", json)
      assert.is_true(touch({ "--policy-json", "@" .. place .. "/policy.json" },
        place .. "/work/d"))
      assert.equal(125, command({ "-p", "read-only", "--policy-json", json, "true" }).status)
    end)

    it("is named in what is said of a likely denial", function()
      local got = command({ "--no-watch", "sh", "-c", ": > " .. place .. "/file" })
      assert.equal(2, got.status)
      assert.truthy(got.stderr:find("sbxlua: the sandbox is the likely cause", 1, true))
      assert.truthy(got.stderr:find("sbxlua: it says: sh: 1: cannot create " .. place, 1, true))
      assert.truthy(got.stderr:find("sbxlua: policy read-only (/", 1, true))
      assert.truthy(got.stderr:find("by -w " .. place, 1, true))
      got = command({ "-q", "sh", "-c", "echo Permission denied >&2; exit 1" })
      assert.equal("Permission denied\n", got.stderr)
      assert.equal(1, got.status)
    end)
  end)

  describe("what it says", function()
    it("can't be made to move a terminal's cursor", function()
      local got = command({ "no\27[2Jsuch\ncommand" })
      assert.truthy(got.stderr:find("^sbxlua: no\\e%[2Jsuch\\ncommand: [^\n]*\n$"))
      assert.is_nil(command({ "-p", "no\27[2Jsuch\n", "true" }).stderr:find("\27", 1, true))
    end)

    it("has colours on a terminal only, and none with NO_COLOR", function()
      local function in_terminal(before)
        local line = " TERM=xterm script -qec \"$sbxlua run --nonsense\" /dev/null"
        return program.shell(before .. line).stdout
      end
      assert.truthy(in_terminal(""):find("^sbxlua: \27%[31m"))
      assert.is_nil(in_terminal("NO_COLOR=1"):find("\27", 1, true))
    end)

    it("is one line that says what runs when a terminal sees nothing for long", function()
      local got = program.shell(
        "TERM=dumb script -qec \"$sbxlua run -- sh -c 'sleep 3; echo end'\" /dev/null")
      assert.truthy(got.stdout:find("sbxlua: running: sh %-c 'sleep 3; echo end'\r\n.*end"))
    end)

    it("is nothing with -q but errors of sbxlua itself", function()
      assert.equal("", command({ "-q", "-t", "200ms", "sleep", "9" }).stderr)
      assert.truthy(command({ "-q", "-p", "no-such", "true" }).stderr:find("^sbxlua: "))
    end)
  end)
end)
