-- What is said after a denial that nobody saw: the path that the text names, and what could help.
local guesses = require "sbx.cli.guesses"
local named = require "sbx.cli.named"
local program = require "tests.cli.program"

describe("the path that a line names", function()
  local function first(line) return named.candidates(line)[1] end

  it("is never the program's own name", function()
    assert.equal("../outside/prog", first("/usr/bin/ld: cannot open output file ../outside/prog:"
                                          .. " Permission denied"))
    assert.equal("../outside/o",
                 first("/usr/bin/touch: cannot touch '../outside/o': Permission denied"))
    assert.equal("../y", first("/bin/sh: 1: cannot create ../y: Read-only file system"))
    assert.equal("y", first("/bin/sh: 1: cannot create y: Read-only file system"))
    assert.is_nil(first("/usr/bin/tool: Operation not permitted"))
    assert.is_nil(first("unshare: unshare failed: Operation not permitted"))
    -- git's own way, where nothing else stands in it
    assert.equal("/w/r/.git", first("/w/r/.git: Read-only file system"))
    assert.is_nil(first("/bin/sh: Read-only file system"))
  end)

  it("is found in quotes of any kind, without them, and relative", function()
    for line, path in pairs({
      ["mkdir: cannot create directory ‘../a b’: Read-only file system"] = "../a b",
      ["python3: can't open file '/x/y': [Errno 13] Permission denied"] = "/x/y",
      ["OSError: [Errno 30] Read-only file system: 'x'"] = "x",
      ["Error: EROFS: read-only file system, open \"/x\""] = "/x",
      ["tar: out.tar: Cannot open: Read-only file system"] = "out.tar",
      ["bash: line 1: ../outside/y: Read-only file system"] = "../outside/y",
      ["Cannot create temporary file in ./: Read-only file system"] = "./",
      ["fatal: cannot mkdir ../r: Read-only file system"] = "../r",
      ["ld: cannot open output file `/x/y': Permission denied"] = "/x/y",
    }) do
      assert.equal(path, first(line), line)
    end
  end)

  it("is the second of two, which is written", function()
    assert.equal("/w/.git/description", first("fatal: cannot copy '/usr/share/git-core/templates/"
                                              .. "description' to '/w/.git/description': "
                                              .. "Read-only file system"))
  end)

  it("is no address of the web", function()
    assert.is_nil(first("WARNING: could not fetch http://127.0.0.1:9/simple/x"))
    assert.is_nil(first("pool: Max retries exceeded with url: /simple/nospkg/ (Caused by it)"))
  end)

  it("and the line are looked for in bounded time, whatever was printed", function()
    local pieces = { "a", "'", "/", ": ", " '", "(", "http", "url:/", "=", "cannot ", ".", "./" }
    for _, piece in ipairs(pieces) do
      local text = piece:rep(300000) .. " permission denied"
      local before = os.clock()
      local line = guesses.line({ stdout = text, stderr = (piece .. " denied\n"):rep(300000) })
      named.candidates(piece:rep(1000):sub(1, 1000))
      named.candidates(line or "")
      assert.is_true(os.clock() - before < 0.5, piece)
    end
  end)
end)

describe("sbxlua run without a watch", function()
  local place

  before_each(function() place = program.directory() end)
  after_each(function() program.remove(place) end)

  local function said(script, words, env)
    local line = { "--no-watch", "-C", place, table.unpack(words or {}) }
    line[#line + 1], line[#line + 2] = "--sh", script
    return program.command(line, { env = env }).stderr
  end

  local function advice(script, words)
    return said(script, words):match("([^\n]*)\n$"):gsub("^sbxlua: ", "")
  end

  local function print_line(line) return "echo \"" .. line .. "\" >&2; exit 1" end

  it("offers the directory that a relative name lies in", function()
    program.shell("mkdir " .. place .. "/a " .. place .. "/b")
    local line = print_line("/usr/bin/ld: cannot open output file ../b/prog: Permission denied")
    assert.equal("it could be allowed by -w " .. place .. "/b",
                 advice(line, { "-C", place .. "/a", "-p", "workspace-write" }))
    local got = program.shell("cd " .. place .. " && $sbxlua run --no-watch -C a -p workspace-write"
                              .. " --sh " .. program.quote(line))
    assert.truthy(got.stderr:find("it could be allowed by -w " .. place .. "/b\n", 1, true),
                  got.stderr)
    assert.equal("it could be allowed by -w " .. place,
                 advice(print_line("Cannot create temporary file in ./: Read-only file system")))
  end)

  it("offers no path where a program went elsewhere, and none for a file that is hidden", function()
    program.shell("mkdir " .. place .. "/a && echo x > " .. place .. "/secret")
    assert.matches("^to allow more: %-w DIR",
                   advice(print_line("touch: cannot touch 'x': Read-only file system"),
                          { "-p", "workspace-write" }))
    program.write(place .. "/p.lua", "return {extends = \"workspace-write\","
                  .. " deny_read = {\"secret\"}}")
    local got = said("cat secret", { "-p", place .. "/p.lua" })
    if got:find("it says", 1, true) then -- else the tier can't hide it, and says so
      assert.truthy(got:find("no option would help: the policy refuses it by name (deny_read)", 1,
                             true), got)
      assert.is_nil(got:find("-w ", 1, true))
    end
    assert.equal("it names nothing that could be granted",
                 advice(print_line("unshare: unshare failed: Operation not permitted")))
  end)

  it("offers the network alone where the network was wanted", function()
    for _, line in ipairs({
      "curl: (7) Failed to connect to 127.0.0.1 port 9: Couldn't connect to server",
      "after connection broken by 'NewConnectionError('<x>: Failed to establish a new connection:"
        .. " [Errno 1] Operation not permitted')': /simple/nospkg/",
    }) do
      local got = said(print_line(line))
      assert.truthy(got:find("--allow-connect HOST:PORT", 1, true), got)
      assert.is_nil(got:find("-w ", 1, true), got)
      assert.is_nil(got:find("yours to write", 1, true), got)
    end
  end)

  it("says of a protected name which field of a policy decides, and that works", function()
    local tier = { "--tier", "contained", "-p", "workspace-write" } -- no other holds protect
    local probe = program.command({ tier[1], tier[2], "true" })
    if probe.status ~= 0 then return pending("no mounts") end
    program.shell("cd " .. place .. " && git init -q .")
    local commit = "git -c user.name=a -c user.email=b commit -qm x --allow-empty"
    local got = said(commit, tier)
    local field = "protect = {replace = {\".codex\", \".agents\"}}"
    assert.truthy(got:find("no option would help: .git is protected; only a policy decides on that,"
                           .. " and gives it with " .. field, 1, true), got)
    assert.is_nil(got:find("-w ", 1, true), got)
    program.write(place .. "/p.lua", "return {extends = \"workspace-write\", " .. field .. "}")
    local options = { "-C", place, "-p", place .. "/p.lua", "--sh", commit }
    assert.equal(0, program.command(options).status)
  end)
end)
