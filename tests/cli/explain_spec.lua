-- sbxlua explain: the plan in words and as JSON; nothing runs.

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
local program = dofile(here .. "program.lua")

describe("sbxlua explain", function()
  local place
  before_each(function() place = program.directory() end)
  after_each(function() program.remove(place) end)

  local function explain(...)
    return program.run({ "explain", ... }, { cwd = place, env = { SBX_SPEC_TOKEN = "hunter2" } })
  end

  local function has(text, words)
    assert.truthy(text:find(words, 1, true), words .. "\n" .. text)
  end

  it("tells each layer with its rules, and runs nothing", function()
    local got = explain("-p", "workspace-write", "--", "touch", place .. "/ran")
    assert.equal(0, got.status)
    assert.equal("", got.stderr)
    assert.is_nil(program.read(place .. "/ran"))
    has(got.stdout, "touch " .. place .. "/ran")
    has(got.stdout, place .. "   [policies/workspace-write.lua:")
    has(got.stdout, "protect \".git\"]")
    for _, label in ipairs({ "tier ", "writable ", "protected ", "network ", "landlock ",
                             "seccomp ", "privileges ", "environment ", "time-out ", "holds ",
                             "NOT held " }) do
      has("\n" .. got.stdout, "\n" .. label)
    end
  end)

  it("tells limits, where each comes from and how it is held", function()
    program.write(place .. "/mine.lua", [[return { extends = "read-only",
      limits = { open_files = 64, processes = 9 } }]])
    local got = explain("-p", "./mine.lua", "--limit", "memory_bytes=64M", "--limit", "processes=7",
                        "--", "true")
    assert.equal(0, got.status, got.stderr)
    has(got.stdout, "memory_bytes = 67108864   [option]")
    has(got.stdout, "processes = 7   [option]")
    has(got.stdout, "open_files = 64   [")
    has(got.stdout, "mine.lua:")
    has(got.stdout, "limits: memory_bytes: ")
    got = explain("--json", "--limit", "file_bytes=1G", "--", "true")
    has(got.stdout, '"limits":{"file_bytes":1073741824}')
  end)

  it("names variables and never their values", function()
    for _, words in ipairs({ { "--", "true" }, { "--json", "--", "true" },
                             { "--inherit", "all", "--", "true" } }) do
      local got = explain(table.unpack(words))
      has(got.stdout, "SBX_SPEC_TOKEN")
      assert.is_nil(got.stdout:find("hunter2", 1, true))
    end
  end)

  it("says where a policy widens what it extends", function()
    local got = explain("--policy-json", '{"extends":"workspace-write","protect":{"replace":[]}}',
                        "--", "true")
    has(got.stdout, "widened ")
    has(got.stdout, "protect: {replace = ...} drops what stood there (policies/workspace-write.lua")
    program.write(place .. "/p.lua", "return {\n  extends = \"workspace-write\",\n"
      .. "  protect = false,\n}\n")
    local object = program.object(explain("-p", place .. "/p.lua", "--json", "--", "true"))
    assert.equal("protect", object.widened[1].field)
    assert.equal("false", object.widened[1].how)
    assert.equal(place .. "/p.lua:3", object.widened[1].rule)
    has(explain("--", "true").stdout, "read-only")
    assert.is_nil(explain("--", "true").stdout:find("widened", 1, true))
  end)

  it("has every field in its JSON", function()
    local null = require("cjson").null
    local got = explain("-p", "workspace-write", "--json", "-t", "90s", "--", "true")
    local object = program.object(got)
    assert.equal(1, object.v)
    assert.same({ "true" }, object.command)
    assert.equal(90000, object.times.timeout_ms)
    assert.equal(null, object.times.idle_timeout_ms)
    assert.equal(null, object.files.readable)
    assert.equal(null, object.error)
    assert.truthy(got.stdout:find('"capabilities":[]', 1, true))
    assert.truthy(got.stdout:find('"families":[]', 1, true))
    local used = 0
    for _, alternative in ipairs(object.alternatives) do
      used = used + (alternative.used and 1 or 0)
      assert.is_table(alternative.namespaces)
    end
    assert.equal(1, used)
    assert.is_true(#object.files.writable >= 1 and #object.missing >= 1)
  end)

  it("tells of no sandbox, of roots that are missing, and of tiers", function()
    has(explain("-p", "danger-full-access", "--", "true").stdout, "none: no sandbox")
    has(explain("-w", place .. "/nowhere", "--", "true").stdout, place .. "/nowhere does not exist")
    has(explain("--tier", "landlock", "--", "true").stdout, "landlock (namespaces: ")
    has(explain("--readable", "/usr", "--", "true").stdout, "/usr   [option: readable \"/usr\"]")
  end)

  it("fails as run does before it starts", function()
    for _, words in ipairs({ {}, { "-p", "nope", "true" }, { "--tier", "no", "true" },
                             { "-C", "/does/not/exist", "true" } }) do
      local got = explain(table.unpack(words))
      assert.equal(125, got.status)
      assert.equal("", got.stdout)
      assert.truthy(got.stderr:find("^sbxlua: "))
    end
    assert.equal("policy", program.object(explain("--json", "-p", "nope", "true")).error.kind)
  end)
end)
