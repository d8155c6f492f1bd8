-- sbxlua why: the verdict as words, as an exit status and as JSON.

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
local program = dofile(here .. "program.lua")

describe("sbxlua why", function()
  local place
  before_each(function() place = program.directory() end)
  after_each(function() program.remove(place) end)

  local function why(...) return program.run({ "why", ... }, { cwd = place }) end

  it("answers by its status, with the rule in words", function()
    local got = why("-p", "workspace-write", "write", "new")
    assert.equal(0, got.status)
    assert.equal("", got.stderr)
    assert.truthy(got.stdout:find("allowed: write " .. place .. "/new", 1, true))
    got = why("-p", "workspace-write", "write", "/etc/passwd")
    assert.equal(1, got.status)
    assert.truthy(got.stdout:find("refused: write /etc/passwd: ", 1, true))
    assert.truthy(got.stdout:find("policies/workspace%-write%.lua:%d+: mode"))
  end)

  it("takes the options of run", function()
    assert.equal(1, why("create", "x").status)
    assert.equal(0, why("-w", ".", "create", "x").status)
    assert.equal(0, why("-C", "/", "-w", place, "create", place .. "/x").status)
    assert.equal(1, why("--network", "none", "connect", "127.0.0.1:80").status)
    assert.equal(0, why("--network", "full", "connect", "127.0.0.1:80").status)
    assert.equal(0, why("--policy-json", '{"extends":"danger-full-access"}', "write", "/x").status)
    assert.equal(1, why("--readable", "${platform}", "read", "/var/tmp").status)
    assert.equal(0, why("--tier", "landlock", "-w", ".", "delete", "x").status)
    local got = why("-q", "create", "x")
    assert.equal(1, got.status)
    assert.equal("", got.stdout)
  end)

  it("gives file and line of a policy of one's own", function()
    program.write(place .. "/p.lua", "return {\n  extends = \"read-only\",\n  writable_roots = {\n"
      .. "    \"" .. place .. "\",\n  },\n}\n")
    local object = program.object(why("-p", place .. "/p.lua", "--json", "create", "x"))
    assert.is_true(object.allowed)
    assert.equal(place .. "/p.lua:4: writable_roots \"" .. place .. "\"", object.rule)
  end)

  it("has every field in its JSON", function()
    local null = require("cjson").null
    local object = program.object(why("--json", "write", "x"))
    assert.equal(1, object.v)
    assert.is_false(object.allowed)
    assert.equal(place .. "/x", object.path)
    assert.equal(null, object.address)
    assert.equal(null, object.error)
    for _, name in ipairs({ "operation", "rule", "layer", "reason", "tier" }) do
      assert.is_string(object[name])
    end
    object = program.object(why("--json", "connect", "unix:/run/x"))
    assert.equal("unix:/run/x", object.address)
    object = program.object(why("--json", "raed", "x"))
    assert.equal(null, object.allowed)
    assert.equal("invalid_input", object.error.kind)
  end)

  it("refuses what is no question", function()
    local function refused(words, ...)
      local got = why(...)
      assert.equal(125, got.status)
      assert.truthy(got.stderr:find(words, 1, true), got.stderr)
      assert.equal("", got.stdout)
    end
    refused("did you mean \"read\"", "raed", "x")
    refused("one path", "read")
    refused("one path", "read", "x", "y")
    refused("one path", "--sh", "true", "read", "x")
    refused("no policy \"nope\"", "-p", "nope", "read", "x")
    refused("is no address", "connect", "nowhere")
    refused("the path is empty", "read", "")
    refused("cwd does not exist", "-C", "/does/not/exist", "read", "x")
  end)

  it("prints no control character of a path", function()
    local got = why("read", "a\27[31m\nb")
    assert.equal(0, got.status)
    assert.is_nil(got.stdout:find("\27", 1, true))
    assert.truthy(got.stdout:find("a\\e[31m\\nb", 1, true))
  end)
end)
