-- What a person sees of a denial, and what sbxlua learn prints.
local program = require "tests.cli.program"
local refusals = require "sbx.cli.refusals"
local policy_text = require "sbx.cli.policy_text"

local command, object = program.command, program.object

local function said(denial)
  local lines = {}
  local function note(line) lines[#lines + 1] = line end
  refusals.tell(denial, { note = note, warn = note })
  return lines
end

local function entry(path, more)
  local one = {
    operation = "write", path = path, errno = "EROFS", count = 12, program = "cargo",
    rule = "policies/x.lua:4: mode = \"read-only\"", layer = "read-only mount",
    grant = { field = "writable_roots", value = "/home/me/.cargo" },
  }
  for name, value in pairs(more or {}) do one[name] = value end
  return one
end

describe("a refusal in words", function()
  it("is what, how often and by whom; the rule; the narrowest grant", function()
    assert.same({
      "refused: write /home/me/.cargo/x (EROFS, 12 times, by cargo)",
      "  policies/x.lua:4: mode = \"read-only\" (read-only mount)",
      "  to allow it: -w /home/me/.cargo (in a policy: writable_roots = {\"/home/me/.cargo\"})",
    }, said({ evidence = { entry("/home/me/.cargo/x") } }))
  end)

  it("is three at most, and how many more; the cause comes first", function()
    local list = {}
    for i = 1, 5 do list[i] = entry("/p/" .. i, { cause = i == 4 or nil }) end
    local lines = said({ evidence = list, dropped = 2 })
    assert.matches("^refused: write /p/4 ", lines[1])
    assert.equal("and 4 more (--json lists them)", lines[#lines])
    local count = 0
    for _, line in ipairs(lines) do count = count + (line:find("^refused") and 1 or 0) end
    assert.equal(3, count)
  end)

  it("says what would be given away, and where nothing is offered", function()
    local lines = said({ evidence = { entry("/etc/x", {
      grant = { field = "writable_roots", value = "/etc", sensitive = "files of the system" },
    }) } })
    assert.matches("careful, not offered by itself: that is files of the system$", lines[3])
    lines = said({ evidence = { entry("/w/.git/x", { grant = { never = ".git is protected" } }) } })
    assert.equal("  no grant is offered: .git is protected", lines[3])
  end)

  it("is said when it happens where it is the first of the network", function()
    local lines = {}
    local first = refusals.first({ warn = function(line) lines[#lines + 1] = line end })
    first(entry("/x"))
    first({ operation = "socket", family = "unix", errno = "EPERM" })
    first({ operation = "connect", address = "1.2.3.4:80", errno = "EPERM", program = "npm" })
    first({ operation = "connect", address = "1.2.3.4:81", errno = "EPERM", program = "npm" })
    assert.same({ "refused: connect 1.2.3.4:80 (EPERM, by npm); the command goes on" }, lines)
  end)

  it("has options for networks and sockets", function()
    local function option(field, value)
      return refusals.option({ field = field, value = value })
    end
    assert.equal("--network full", option("network", "full"))
    assert.equal("--allow-connect 127.0.0.1:80",
                 option("network", { allow = { "127.0.0.1:80" } }))
    assert.equal("--unix-socket '/a b'", option("unix_sockets", "/a b"))
    local grant = { field = "network", value = { allow = { "127.0.0.1:80" } } }
    assert.equal("network = {allow = {\"127.0.0.1:80\"}}", refusals.policy_line(grant))
  end)
end)

describe("a learnt policy", function()
  local function written(found)
    found.runs, found.left, found.lessons = 2, found.left or {}, found.lessons or {}
    found.out = { exit_code = 1 }
    return policy_text.write(found, { command = { "make", "it\nnow" } })
  end

  it("is Lua with a comment at each line", function()
    local text = written({
      passed = true, policy = { extends = "read-only", writable_roots = { "/w/a" },
                                network = "full" },
      fields = { writable_roots = { "/w/a" }, network = "full" },
      lessons = {
        { entry = entry("/w/a/x"), grant = { field = "writable_roots", value = "/w/a" } },
        { entry = { operation = "connect", address = "1.2.3.4:80", program = "curl" },
          grant = { field = "network", value = "full" } },
      },
    })
    assert.matches('extends = "read%-only", %-%- what it started from', text)
    assert.matches('"/w/a", %-%- write by cargo', text)
    assert.matches('network = "full", %-%- connect by curl: 1.2.3.4:80', text)
    assert.same({ "/w/a" }, assert(load(text))().writable_roots)
  end)

  it("survives any name", function()
    local path = "/w/a\"\\\n]]--\27[2J\226\128\174x"
    local text = written({
      passed = false, policy = { extends = "read-only", writable_roots = { path } },
      fields = { writable_roots = { path } },
      lessons = { { entry = entry(path .. "/x", { program = "p\n]]" }),
                    grant = { field = "writable_roots", value = path } } },
      left = { { entry = entry("/x\ny"), grant = { never = "no" } } },
    })
    assert.same({ path }, assert(load(text))().writable_roots)
    assert.is_nil(text:find("[\27\226]"))
  end)
end)

describe("sbxlua", function()
  local place

  before_each(function() place = program.directory() end)
  after_each(function() program.remove(place) end)

  local function watched()
    return object(command({ "--watch", "--json", "true" })).denial.watched
  end

  it("run ends a denial with the refusal, its rule and the grant", function()
    if not watched() then return pending("no watch here") end
    local got = command({ "--watch", "touch", place .. "/x" })
    assert.equal(1, got.status)
    assert.truthy(got.stderr:find("sbxlua: refused: create " .. place .. "/x (E", 1, true))
    assert.truthy(got.stderr:find("policies/read-only.lua:", 1, true))
    assert.truthy(got.stderr:find("to allow it: -w " .. place, 1, true))
    assert.equal("", command({ "-q", "--watch", "sh", "-c", ": 2>/dev/null >" .. place .. "/x" })
      .stderr:gsub("^sh: [^\n]*\n", ""))
  end)

  it("run tells a terminal of the first refusal of the network while the command runs", function()
    if not watched() then return pending("no watch here") end
    local got = program.shell("TERM=dumb script -qec \"$sbxlua run --watch -- bash -c"
      .. " 'exec 3<>/dev/tcp/127.0.0.1/9; sleep 0.3; echo later'\" /dev/null")
    assert.truthy(got.stdout:find("refused: connect 127.0.0.1:9 .*the command goes on.*later"),
                  got.stdout)
  end)

  it("run offers what then does", function()
    if not watched() then return pending("no watch here") end
    local value = object(command({ "--watch", "--json", "touch", place .. "/x" }))
    assert.equal("confirmed", value.denial.verdict)
    assert.same({ place }, value.denial.suggest.writable_roots)
    assert.equal(0, command({ "-w", place, "touch", place .. "/x" }).status)
  end)

  it("run says of a guess what it rests on, and no path where none would help", function()
    local got = command({ "--no-watch", "sh", "-c",
                          "echo \"cp: '/proc/1/x': Permission denied\" >&2; exit 1" })
    assert.truthy(got.stderr:find("by the output alone (no refusal was seen; --watch looks)", 1,
                                  true))
    assert.truthy(got.stderr:find("it says: cp: '/proc/1/x': Permission denied", 1, true))
    assert.is_nil(got.stderr:find("-w /proc", 1, true))
    got = command({ "--no-watch", "sh", "-c",
                    "echo 'connect: Network is unreachable, permission denied' >&2; exit 1" })
    assert.truthy(got.stderr:find("--network full", 1, true))
    assert.is_nil(got.stderr:find("-w ", 1, true))
  end)

  it("run refuses --watch beside --no-watch, and audits", function()
    assert.equal(125, command({ "--watch", "--no-watch", "true" }).status)
    assert.equal(0, command({ "--audit", place .. "/log", "true" }).status)
    assert.matches('"event":"end"', program.read(place .. "/log"))
    assert.equal(125, command({ "--audit", place .. "/no/log", "true" }).status)
  end)

  it("learn prints the policy alone, which -p takes", function()
    if not watched() then return pending("no watch here") end
    local line = "echo out; mkdir -p " .. place .. "/a/b && echo x > " .. place .. "/a/b/f"
    local got = program.run({ "learn", "--sh", line })
    assert.equal(0, got.status)
    local policy = assert(load(got.stdout))()
    assert.same({ extends = "read-only", writable_roots = { place } }, policy)
    assert.truthy(got.stderr:find("out\n", 1, true))
    program.write(place .. "/learnt.lua", got.stdout)
    got = command({ "-p", place .. "/learnt.lua", "--sh", line })
    assert.equal(0, got.status)
  end)

  it("learn grants nothing sensitive without leave", function()
    if not watched() then return pending("no watch here") end
    program.shell("mkdir " .. place .. "/.ssh")
    local words = { "learn", "touch", place .. "/.ssh/x" }
    local got = program.run(words)
    assert.equal(1, got.status)
    assert.is_nil(assert(load(got.stdout))().writable_roots)
    assert.truthy(got.stdout:find("--allow-sensitive", 1, true))
    table.insert(words, 2, "--allow-sensitive")
    got = program.run(words)
    assert.equal(0, got.status)
  end)

  it("learn tells the same as JSON, and ends with the command's status", function()
    if not watched() then return pending("no watch here") end
    local got = program.run({ "learn", "--json", "sh", "-c", "exit 7" })
    local value = object(got)
    assert.equal(7, got.status)
    assert.same({ false, 1, 7 }, { value.passed, value.runs, value.exit_code })
    assert.same({}, value.not_granted)
    assert.equal(125, program.run({ "learn", "--no-watch", "true" }).status)
    assert.equal(125, program.run({ "learn", "/nonexistent/tool" }).status)
    assert.equal(125, program.run({ "learn", "--json" }).status)
  end)
end)
