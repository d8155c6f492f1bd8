-- Bad input ends in the error of the interface, with the name of what is wrong, and the host goes
-- on. What tests/engine/api_errors_spec.lua has is not repeated.
local sbx = require "sbx"
local support = require "tests.support"

local function refused(opts, kind)
  local ok, r, err, out = pcall(sbx.run, opts)
  assert.is_true(ok, tostring(r))
  assert.is_nil(r)
  assert.is_nil(out)
  assert.equal(kind, err.kind)
  assert.equal("string", type(err.message))
  assert.equal("ok", sbx.run({ "true" }).status)
  return err
end

local function thrown(opts)
  local ok, message = pcall(sbx.run, opts)
  assert.is_false(ok)
  assert.equal("ok", sbx.run({ "true" }).status)
  return tostring(message)
end

describe("numbers out of range", function()
  local NUMBERS = { "timeout_ms", "idle_timeout_ms", "max_output_bytes", "setup_timeout_ms" }

  for _, name in ipairs(NUMBERS) do
    it("are named: " .. name, function()
      for _, value in ipairs({ 0, -1, math.mininteger, -0.5, -math.huge }) do
        assert.matches(name, refused({ "true", [name] = value }, "invalid_input").message)
      end
      for _, value in ipairs({ "10", {}, print }) do
        assert.matches(name, thrown({ "true", [name] = value }))
      end
    end)

    it("are named when they are no numbers at all: " .. name, function()
      for _, value in ipairs({ 0 / 0, math.huge, 1.5, 2 ^ 80 }) do
        local ok, r, err = pcall(sbx.run, { "true", [name] = value })
        if not ok then
          assert.matches(name, tostring(r))
        elseif err then
          assert.equal("invalid_input", err.kind)
          assert.matches(name, err.message)
        else
          -- a fraction may be taken, nothing else
          assert.equal(1.5, value)
        end
      end
    end)
  end

  it("that are large are taken", function()
    assert(sbx.run({ "true", timeout_ms = 2147483647 }))
    assert.matches("timeout_ms", refused({ "true", timeout_ms = 2 ^ 40 }, "invalid_input").message)
    assert(sbx.run({ "true", timeout_ms = false, idle_timeout_ms = false }))
    assert(sbx.run({ "true", max_output_bytes = 2 ^ 40 }))
    assert(sbx.run({ "true", drain_ms = 0, kill_grace_ms = 0, max_output_deltas = 0 }))
  end)

  it("of the others are named", function()
    for _, name in ipairs({ "drain_ms", "kill_grace_ms", "max_output_deltas" }) do
      assert.matches(name, refused({ "true", [name] = -1 }, "invalid_input").message)
    end
  end)
end)

describe("a command", function()
  it("of no strings throws, naming the place", function()
    assert.matches("command", thrown({ command = "ls -l" }))
    assert.matches("2", thrown({ "echo", {} }))
    thrown({ "echo", nil, "hole" })
    thrown({ 7 })
  end)

  it("with NUL bytes anywhere is refused by the name of the field", function()
    assert.matches("command", refused({ "ec\0ho" }, "invalid_input").message)
    assert.matches("arg0", refused({ "echo", arg0 = "a\0b" }, "invalid_input").message)
    assert.matches("cwd", refused({ "echo", cwd = "/\0tmp" }, "invalid_input").message)
    assert.matches("env", refused({ "echo", env = { A = "x\0y" } }, "invalid_input").message)
    refused({ "echo", env = { ["A\0B"] = "x" } }, "invalid_input")
  end)

  it("with an empty name is not found", function()
    local err = refused({ "" }, "spawn")
    assert.equal("ENOENT", err.code)
    assert.equal("execve", err.step)
  end)

  it("with names of variables that can't be is refused", function()
    refused({ "true", env = { ["A=B"] = "x" } }, "invalid_input")
    refused({ "true", env = { [""] = "x" } }, "invalid_input")
  end)

  it("is told apart: missing, forbidden, directory, no format, no interpreter, too long", function()
    local dir = support.directory()
    support.write(dir .. "/plain", "#!/bin/sh\n")
    support.write(dir .. "/odd", "\1\2\3\4")
    support.write(dir .. "/orphan", "#!/nonexistent/interpreter\n")
    support.shell("chmod 755 %s %s; ln -s %s %s", dir .. "/odd", dir .. "/orphan", dir .. "/loop",
                  dir .. "/loop")
    local ROWS = {
      { dir .. "/none", "ENOENT" }, { dir .. "/plain", "EACCES" }, { dir, "EACCES" },
      { dir .. "/odd", "ENOEXEC" }, { dir .. "/orphan", "ENOENT" },
      { dir .. "/plain/x", "ENOTDIR" }, { dir .. "/loop", "ELOOP" },
      { "/" .. ("n"):rep(5000), "ENAMETOOLONG" },
    }
    for _, policy in ipairs({ "workspace-write", "danger-full-access" }) do
      for _, row in ipairs(ROWS) do
        local err = refused({ row[1], policy = policy, cwd = dir }, "spawn")
        assert.equal(row[2], err.code, row[1])
        assert.equal("execve", err.step)
      end
    end
    support.remove(dir)
  end)

  it("that is too long is E2BIG, and one just short of it runs", function()
    local err = refused({ "true", ("x"):rep(3000000) }, "spawn")
    assert.equal("E2BIG", err.code)
    local many = { "true" }
    for i = 2, 30000 do many[i] = ("x"):rep(100) end
    refused({ command = many }, "spawn")
    assert.equal("131071\n", assert(sbx.run({ "sh", "-c", "echo ${#1}", "sh",
                                              ("x"):rep(131071) })).stdout)
    local env = {}
    for i = 1, 100000 do env["SBX_SPEC_" .. i] = ("v"):rep(30) end
    assert.equal("E2BIG", refused({ "true", env = env }, "spawn").code)
    env = {}
    for i = 1, 20000 do env["SBX_SPEC_" .. i] = "v" end
    local r = assert(sbx.run({ "sh", "-c", "env | grep -c SBX_SPEC_", env = env }))
    assert.equal("20000\n", r.stdout)
  end)
end)

describe("a working directory", function()
  it("that is missing, a file, or out of bounds is refused, and nothing runs", function()
    local dir = support.directory()
    support.write(dir .. "/file", "")
    for _, cwd in ipairs({ dir .. "/none", dir .. "/file", "none", "" }) do
      local err = refused({ "touch", dir .. "/ran", cwd = cwd, policy = "danger-full-access" },
                          "invalid_input")
      assert.matches("cwd", err.message)
    end
    assert.is_false(support.exists(dir .. "/ran"))
    support.remove(dir)
  end)
end)

describe("options", function()
  it("that are unknown throw with their name", function()
    assert.matches("timeout_msec", thrown({ "true", timeout_msec = 5 }))
    assert.matches("writable_roots", thrown({ "true", writable_roots = { "/" } }))
    assert.matches("sandbox", thrown({ "true", sandbox = "off" }))
    assert.matches("tier", thrown({ "true", tier = "strong" }))
    assert.matches("stdin", thrown({ "true", stdin = {} }))
    assert.matches("require", thrown({ "true", require = { "everything" } }))
    assert.matches("env", thrown({ "true", env = { A = 5 } }))
    assert.matches("cwd", thrown({ "true", cwd = 7 }))
    assert.matches("policy", thrown({ "true", policy = 7 }))
  end)

  it("that would say nothing throw", function()
    assert.matches("require", thrown({ "true", sandbox = "none", require = { "fs" } }))
    local dir = support.directory()
    for field, policy in pairs({
      read_only = { extends = "read-only", read_only = { dir } },
      exclude_slash_tmp = { extends = "read-only", exclude_slash_tmp = true },
      unix_sockets = { extends = "workspace-write", network = "full", unix_sockets = { dir } },
    }) do
      local ok, r, err = pcall(sbx.run, { "true", policy = policy })
      assert.is_true(not ok or err ~= nil, field)
      assert.matches(field, tostring(ok and err or r))
    end
    support.remove(dir)
  end)
end)

describe("policies", function()
  local dir

  before_each(function() dir = support.directory() end)
  after_each(function() support.remove(dir) end)

  local function file(text)
    support.write(dir .. "/policy.lua", text)
    return { "touch", dir .. "/ran", policy = dir .. "/policy.lua", cwd = dir }
  end

  it("in a file that is wrong are told by file, and line where there is one", function()
    local ROWS = {
      { "return {\n\n  mode = ,\n}\n", "policy%.lua:3" },
      { "return 42\n", "policy%.lua" },
      { "return\n", "policy%.lua" },
      { "local x = nil\nreturn { mode = x.y }\n", "policy%.lua:2" },
      { "error('on purpose')\n", "on purpose" },
      { "error({})\n", "policy%.lua" },
      { "return function() return 'nonsense' end\n", "policy%.lua" },
      { "return { mode = 'read-mostly' }\n", "read%-mostly" },
      { "return { extends = 'no-such-parent' }\n", "no%-such%-parent" },
      { "return { mode = 'read-only', writeable_roots = {} }\n", "writeable_roots" },
      { "return { mode = 'workspace-write', writable_roots = '/x' }\n", "writable_roots" },
      { "return { mode = 'workspace-write', writable_roots = { 7 } }\n", "writable_roots" },
      { "return { mode = 'workspace-write', network = 'half' }\n", "half" },
      { "return { extends = 'workspace-write', writable_roots = { '/x/*' } }\n", "glob" },
      { "\27Lua", "policy%.lua" },
    }
    for _, row in ipairs(ROWS) do
      local err = refused(file(row[1]), "policy")
      assert.matches(row[2], err.message)
      assert.is_false(support.exists(dir .. "/ran"), row[1])
    end
  end)

  it("that extend one another in a circle are told", function()
    support.write(dir .. "/b.lua", "return { extends = '" .. dir .. "/policy.lua' }\n")
    refused(file("return { extends = '" .. dir .. "/b.lua' }\n"), "policy")
  end)

  it("that never come back don't take the host with them", function()
    -- a policy file is trusted: it may loop, but it may not reach what isn't its own
    local err = refused(file("x = 1\nreturn { mode = 'read-only', doc = os.getenv('HOME') }\n"),
                        "policy")
    assert.matches("policy%.lua", err.message)
    assert.is_nil(rawget(_G, "x"))
  end)

  it("with a root that can't be are refused by its name", function()
    for _, root in ipairs({ "/", "/proc", "/sys", "/dev", "/run" }) do
      local err = refused({ "touch", dir .. "/ran", cwd = dir, policy = {
        extends = "workspace-write", writable_roots = { root },
      } }, "policy")
      assert.matches(root, err.message, 1, true)
    end
    assert.is_false(support.exists(dir .. "/ran"))
  end)

  it("with a cwd that can't be a root are refused too", function()
    refused({ "true", cwd = "/", policy = "workspace-write" }, "policy")
    assert(sbx.run({ "true", cwd = "/", policy = "read-only" }))
  end)

  it("with entries that this tier can't hold are refused, unless that may be missing", function()
    support.shell("mkdir %s %s", dir .. "/keep", dir .. "/hide")
    support.write(dir .. "/hide/secret", "secret\n")
    for field, property in pairs({ read_only = "protect", deny_read = "read_deny" }) do
      local opts = { "touch", dir .. "/ran", cwd = dir, tier = "landlock", policy = {
        extends = "workspace-write", [field] = { dir .. "/keep" },
      } }
      local err = refused(opts, "policy")
      assert.matches(dir .. "/keep", err.message, 1, true)
      assert.is_false(support.exists(dir .. "/ran"))
      opts.allow_missing = { property }
      local r = assert(sbx.run(opts))
      local said = false
      for _, entry in ipairs(r.sandbox.missing) do
        said = said or entry.property == property and entry.reason:find(dir .. "/keep", 1, true)
      end
      assert.is_truthy(said, field)
      support.shell("rm -f %s", dir .. "/ran")
    end
  end)

  it("with a readable list show that and no more", function()
    support.shell("mkdir %s %s", dir .. "/shown", dir .. "/hidden")
    support.write(dir .. "/shown/file", "shown\n")
    support.write(dir .. "/hidden/file", "hidden\n")
    local policy = { extends = "read-only", readable = { "${platform}", dir .. "/shown" } }
    local r = assert(sbx.run({ "cat", dir .. "/shown/file", policy = policy, cwd = "/" }))
    assert.equal("shown\n", r.stdout)
    local _, _, out = sbx.run({ "cat", dir .. "/hidden/file", policy = policy, cwd = "/" })
    assert.equal("", out.stdout)
    _, _, out = sbx.run({ "sh", "-c", "cat /etc/shadow /root/.profile; ls /home /var/tmp",
                          policy = policy, cwd = "/" })
    assert.equal("", out.stdout)
  end)
end)
