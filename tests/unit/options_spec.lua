-- Options as data: no kernel, no core.
local HERE = debug.getinfo(1, "S").source:match("^@(.*)/[^/]*$")
local errors = require "sbx.errors"
local options = require "sbx.options"

local function thrown(opts, verb)
  local ok, message = pcall(function() options.read(opts, verb or "run") end)
  assert.is_false(ok)
  return message
end

local function refused(opts, verb)
  local o, err = options.read(opts, verb or "run")
  assert.is_nil(o)
  return err
end

describe("the command", function()
  it("is the array part, command, or a script", function()
    assert.same({ "ls", "-l" }, options.read({ "ls", "-l" }, "run").argv)
    assert.same({ "ls" }, options.read({ command = { "ls" } }, "run").argv)
    assert.same({ "/bin/sh", "-c", "a | b" }, options.read({ script = "a | b" }, "run").argv)
  end)

  it("is refused empty", function()
    for _, opts in ipairs({ {}, { command = {} }, { timeout_ms = 5 } }) do
      local err = refused(opts)
      assert.equal("invalid_input", err.kind)
      assert.equal("command args are empty", err.message)
    end
  end)

  it("is not given twice", function()
    assert.matches("twice", thrown({ "ls", command = { "ls" } }))
    assert.matches("twice", thrown({ command = { "ls" }, script = "ls" }))
  end)

  it("has strings only, and no hole", function()
    assert.matches("command%[2%].*must be a string, not number", thrown({ "sleep", 5 }))
    assert.matches("command%[1%]", thrown({ command = { true } }))
    assert.matches("hole", thrown({ [1] = "a", [3] = "c" }))
    assert.matches("hole", thrown({ command = { [1] = "a", [3] = "c" } }))
    assert.matches("array of strings", thrown({ command = "ls -l" }))
    assert.matches("array of strings", thrown({ command = { "ls", all = true } }))
  end)

  it("names the argument with a NUL byte", function()
    local err = refused({ "echo", "fine", "a\0b" })
    assert.equal("invalid_input", err.kind)
    assert.equal("command[3] contains a NUL byte", err.message)
    assert.matches("script contains a NUL", refused({ script = "echo \0" }).message)
  end)

  it("is a copy", function()
    local command = { "ls" }
    local o = options.read({ command = command }, "run")
    command[1] = "rm"
    assert.equal("ls", o.argv[1])
  end)
end)

describe("names and types", function()
  it("throws for an unknown option, with the nearest name, where the caller stands", function()
    local message = thrown({ "ls", timout_ms = 5 })
    assert.matches("options_spec%.lua:%d+: ", message)
    assert.matches('unknown option "timout_ms" %(did you mean "timeout_ms"%?%)', message)
    assert.matches('unknown option "1.5"', thrown({ "ls", [1.5] = 1 }))
    assert.is_nil(thrown({ "ls", qqqqqqqqqqqqq = 1 }):find("did you mean", 1, true))
  end)

  it("says where a policy field goes", function()
    assert.matches("belongs to a policy", thrown({ "ls", writable_roots = { "/x" } }))
    assert.matches("belongs to a policy", thrown({ "ls", network = "full" }))
  end)

  it("throws for a wrong type", function()
    local wrong = {
      cwd = 1, policy = true, sandbox = false, timeout_ms = "5", env = "A=1", env_policy = "core",
      clear_env = 1, stdin = {}, on_output = "f", arg0 = 0, call_id = 7, merge_stderr = "yes",
      require = "fs", loop = 5, limits = 5, max_output_bytes = "1M", kill_grace_ms = false,
    }
    for name, value in pairs(wrong) do
      assert.matches('"' .. name .. '"', thrown({ "ls", [name] = value }), 1, true)
    end
    assert.matches("takes a table", thrown("ls"))
    assert.matches("takes a table", thrown(nil))
  end)

  it("throws for a word that it does not know", function()
    assert.matches('did you mean "landlock"', thrown({ "ls", tier = "landlok" }))
    assert.matches("sandbox", thrown({ "ls", sandbox = "docker" }))
    assert.matches('did you mean "network"', thrown({ "ls", require = { "netwrk" } }))
    assert.matches("allow_missing", thrown({ "ls", allow_missing = { "everything" } }))
  end)

  it("refuses what would be a silent no-op", function()
    assert.matches("require", thrown({ "ls", sandbox = "none", require = { "fs" } }))
    assert.matches("tier", thrown({ "ls", sandbox = "none", tier = "landlock" }))
    assert.matches("env_policy", thrown({ "ls", clear_env = true, env_policy = {} }))
    assert.matches("sbx.spawn", thrown({ "cat", stdin = true }), 1, true)
    assert.truthy(options.read({ "cat", stdin = true }, "spawn"))
  end)
end)

describe("an option that says nothing to a verb", function()
  local FOREIGN = {
    stdin = "x", on_output = print, on_line = print, merge_stderr = true, idle_timeout_ms = 5,
    kill_grace_ms = 5, drain_ms = 5, max_output_bytes = 5, max_output_deltas = 5, loop = print,
    audit = "/var/log/x",
    watch = true, on_refused = print,
    on_connect = print,
  }

  it("is refused by name, with what to do instead", function()
    for name, value in pairs(FOREIGN) do
      assert.matches('option "' .. name .. '" is not for sbx.transform, which starts nothing: .',
                     thrown({ "ls", [name] = value }, "transform"))
      assert.truthy(options.read({ "ls", [name] = value }, "run"))
      assert.truthy(options.read({ "ls", [name] = value }, "spawn"))
    end
  end)

  it("is accepted where it asks for nothing, and the others are what transform uses", function()
    local none = { "ls", merge_stderr = false, idle_timeout_ms = false }
    assert.truthy(options.read(none, "transform"))
    for _, option in ipairs(options.OPTIONS) do
      local foreign = option.verbs ~= nil and option.verbs.spawn == true
      assert.equal(FOREIGN[option.name] ~= nil, foreign, option.name)
    end
  end)
end)

-- What an editor is told of them: name -> its type and words.
local function annotated()
  local file = assert(io.open(HERE .. "/../../lua/sbx/options.lua"))
  local block = file:read("a"):match("%-%-%-@class sbx%.Options(.-)\n\n")
  file:close()
  local fields = {}
  for name, rest in block:gsub("\n%-%-%-  ", " "):gmatch("%-%-%-@field (%S+) ([^\n]+)") do
    fields[name] = rest
  end
  return fields
end

describe("the annotations", function()
  local TYPES = {
    argv = "string[]?", string = "string?", any_string = "string?", word = "string?",
    words = "string[]?", boolean = "boolean?",
  }

  it("are the options that there are, with their types and defaults", function()
    local fields, known = annotated(), {}
    for _, option in ipairs(options.OPTIONS) do
      local words = assert(fields[option.name], option.name)
      known[option.name] = true
      local expected = TYPES[option.kind]
      if option.kind == "number" then expected = option.none and "integer|false?" or "integer?" end
      if expected then assert.equal(expected, words:match("^%S+"), option.name) end
      if option.default ~= nil then
        assert.truthy(words:find(tostring(option.default), 1, true), option.name)
      end
    end
    for name in pairs(fields) do assert.is_true(known[name], name) end
  end)
end)

describe("numbers", function()
  it("have defaults by verb", function()
    assert.equal(10000, options.read({ "ls" }, "run").timeout_ms)
    assert.equal(10000, options.read({ "ls" }, "transform").timeout_ms)
    assert.is_false(options.read({ "ls" }, "spawn").timeout_ms)
    assert.is_false(options.read({ "ls", timeout_ms = false }, "run").timeout_ms)
    local o = options.read({ "ls" }, "run")
    assert.same({ 0, 100, 5000, 10000, 10485760 }, {
      o.kill_grace_ms, o.drain_ms, o.setup_timeout_ms, o.max_output_deltas, o.max_output_bytes,
    })
  end)

  it("are invalid input out of range", function()
    local bad = {
      timeout_ms = { 0, -1, 1.5, 0 / 0, math.huge, 2 ^ 40 }, max_output_bytes = { 0, -5, 2 ^ 60 },
      idle_timeout_ms = { 0 }, setup_timeout_ms = { 0 }, kill_grace_ms = { -1 },
      drain_ms = { -1 }, max_output_deltas = { -1, 0.5 }, stdin = { -1, 1.5 },
    }
    for name, values in pairs(bad) do
      for _, value in ipairs(values) do
        local err = refused({ "ls", [name] = value })
        assert.equal("invalid_input", err.kind)
        assert.matches(name, err.message, 1, true)
      end
    end
  end)

  it("may be floats with a whole value", function()
    assert.equal("integer", math.type(options.read({ "ls", timeout_ms = 500.0 }, "run").timeout_ms))
  end)
end)

describe("env", function()
  it("is a map of strings; false removes", function()
    local o = options.read({ "env", env = { A = "1", B = false } }, "run")
    assert.same({ A = "1", B = false }, o.env)
    assert.matches("env.A", thrown({ "env", env = { A = 1 } }), 1, true)
    assert.matches("a name in it", thrown({ "env", env = { "A=1" } }), 1, true)
  end)

  it("refuses names and values that can't be", function()
    assert.equal("invalid_input", refused({ "env", env = { [""] = "x" } }).kind)
    assert.equal("invalid_input", refused({ "env", env = { ["A=B"] = "x" } }).kind)
    assert.matches("NUL", refused({ "env", env = { A = "x\0" } }).message)
  end)
end)

describe("on_refused", function()
  it("has the run watched, and can't be had without", function()
    assert.is_true(options.read({ "ls", on_refused = print }, "run").watch)
    assert.is_nil(options.read({ "ls" }, "run").watch)
    assert.matches("on_refused", thrown({ "ls", on_refused = print, watch = false }), 1, true)
  end)
end)

describe("what later versions bring", function()
  it("is refused by name", function()
    local later = {
      pty = true, loop = "luv",
    }
    for name, value in pairs(later) do
      local err = refused({ "ls", [name] = value })
      assert.equal("unsupported", err.kind)
      assert.matches(name, err.message, 1, true)
      assert.matches("not in this version", err.message)
    end
  end)

  it("is accepted where it asks for nothing", function()
    assert.truthy(options.read({ "ls", watch = false, pty = false, limits = {} }, "run"))
    assert.matches('did you mean "memory_bytes"', thrown({ "ls", limits = { memry_bytes = 1 } }))
  end)
end)

describe("errors", function()
  it("are one readable line", function()
    local err = errors.new("spawn", "no\nsuch\27[31m thing", { code = "ENOENT" })
    assert.equal("spawn: no\\nsuch\\027[31m thing", tostring(err))
    assert.equal("ENOENT", err.code)
  end)
end)
