-- Bad input: each gives the error of the interface with the name of what is wrong, and the host
-- goes on.
local sbx = require "sbx"
local support = require "tests.engine.api_support"

local function refused(opts, kind)
  local r, err, out = sbx.run(opts)
  assert.is_nil(r)
  assert.is_nil(out)
  assert.equal(kind, err.kind)
  assert.is_nil(tostring(err):find("\n", 1, true))
  assert.equal("ok", sbx.run({ "true" }).status)
  return err
end

local function message_of(opts, kind) return refused(opts, kind).message end

describe("invalid input", function()
  it("is an empty command", function()
    assert.equal("command args are empty", message_of({}, "invalid_input"))
    assert.equal("command args are empty", message_of({ command = {} }, "invalid_input"))
  end)

  it("is a NUL byte in an argument", function()
    assert.matches("command%[2%]", message_of({ "echo", "a\0b" }, "invalid_input"))
  end)

  it("is a cwd that is missing or no directory", function()
    local opts = { "ls", cwd = "/nonexistent/x" }
    assert.matches("/nonexistent/x", message_of(opts, "invalid_input"))
    assert.matches("/etc/passwd", message_of({ "ls", cwd = "/etc/passwd" }, "invalid_input"))
  end)

  it("is a number out of range", function()
    assert.matches("timeout_ms", message_of({ "ls", timeout_ms = 0 }, "invalid_input"))
    local opts = { "ls", max_output_bytes = -1 }
    assert.matches("max_output_bytes", message_of(opts, "invalid_input"))
  end)

  it("is a descriptor that can't be given", function()
    assert.matches("stdin", message_of({ "cat", stdin = 9999 }, "invalid_input"))
  end)
end)

describe("spawn errors", function()
  for _, policy in ipairs({ "read-only", "danger-full-access" }) do
    it("look the same under " .. policy, function()
      local err = refused({ "/nonexistent/tool", policy = policy }, "spawn")
      assert.equal("ENOENT", err.code)
      assert.equal("execve", err.step)
      assert.matches("/nonexistent/tool", err.message, 1, true)
      -- one directory of PATH that may not be searched makes it EACCES, as with execvp(3)
      local unknown = { "no-such-tool-here", policy = policy, env = { PATH = "/usr/bin:/bin" } }
      assert.equal("ENOENT", refused(unknown, "spawn").code)
      assert.equal("EACCES", refused({ "/etc/passwd", policy = policy }, "spawn").code)
      assert.equal("EACCES", refused({ "/usr", policy = policy }, "spawn").code)
    end)
  end

  it("tell a list that is too long", function()
    assert.equal("E2BIG", refused({ "true", ("x"):rep(3000000) }, "spawn").code)
    local env = {}
    for i = 1, 100000 do env["VARIABLE_NUMBER_" .. i] = ("v"):rep(40) end
    assert.equal("E2BIG", refused({ "true", env = env }, "spawn").code)
  end)

  it("tell a file without a format", function()
    local dir = support.scratch()
    support.write(dir .. "/odd", "\1\2\3")
    os.execute("chmod 755 " .. dir .. "/odd")
    assert.equal("ENOEXEC", refused({ dir .. "/odd" }, "spawn").code)
    support.remove(dir)
  end)
end)

-- Runs with an engine that answers so.
local function with_spawn(answer, opts)
  local core = require "sbx.core"
  local real = core.spawn
  sbx.reload()
  core.spawn = answer
  local job, err = sbx.spawn(opts)
  core.spawn = real
  sbx.reload()
  assert.is_nil(job)
  return err
end

describe("an engine that refuses", function()
  it("every set of layers is told by the last, with the earlier ones in brackets", function()
    local tries = 0
    local err = with_spawn(function()
      tries = tries + 1
      return nil, { kind = "sandbox", step = "namespaces", code = "EPERM",
                    message = "refusal " .. tries }
    end, { "true" })
    assert.is_true(tries > 1)
    assert.equal("sandbox", err.kind)
    assert.matches("^refusal " .. tries .. " %(before that: refusal 1", err.message)
  end)

  it("the command itself after that says only why", function()
    local tries = 0
    local err = with_spawn(function()
      tries = tries + 1
      if tries == 1 then
        return nil, { kind = "sandbox", step = "namespaces", code = "EPERM", message = "refusal" }
      end
      return nil, { kind = "spawn", step = "execve", code = "ENOENT",
                    message = "execve: No such file or directory" }
    end, { "gone" })
    assert.equal("gone: No such file or directory", err.message)
  end)

  it("input closes the job, unless nobody reads it", function()
    local closed = false
    local err = with_spawn(function()
      return {
        write = function() return nil, { code = "ENOMEM", message = "write: no memory" } end,
        close = function() closed = true end,
      }
    end, { "cat", stdin = "text" })
    assert.same({ "spawn", "stdin", "ENOMEM" }, { err.kind, err.step, err.code })
    assert.is_true(closed)
    assert.equal("ok", sbx.run({ "true", stdin = ("x"):rep(1000000) }).status)
  end)
end)

describe("policies", function()
  it("that don't exist are named", function()
    assert.matches("no%-such%-policy", message_of({ "ls", policy = "no-such-policy" }, "policy"))
    refused({ "ls", policy = "/nonexistent/p.lua" }, "policy")
  end)

  it("that are relative are the host's, never the workspace's", function()
    local dir = support.scratch()
    support.write(dir .. "/mine.lua", "return { mode = 'danger-full-access' }\n")
    for _, policy in ipairs({ "mine.lua", "./mine.lua", { extends = "mine.lua" } }) do
      local opts = { "ls", policy = policy, cwd = dir }
      assert.matches("there is no such policy file", message_of(opts, "policy"))
    end
    support.remove(dir)
  end)

  it("that give no sandbox are refused with a tier", function()
    local opts = { "ls", policy = "danger-full-access", tier = "landlock" }
    assert.error_matches(function() sbx.run(opts) end, "says nothing without a sandbox")
  end)

  it("that can't be read are named once", function()
    local path = support.scratch()
    local message = message_of({ "ls", policy = path .. "/" }, "policy")
    local _, stop = message:find(path, 1, true)
    assert.is_nil(message:find(path, assert(stop), true))
    support.remove(path)
  end)

  it("that don't load are told with file and line", function()
    local dir = support.scratch()
    support.write(dir .. "/broken.lua", "return {\n  mode = \n}\n")
    local err = refused({ "ls", policy = dir .. "/broken.lua" }, "policy")
    assert.matches("broken%.lua:%d+", err.message)
    support.write(dir .. "/nonsense.lua", "return 42\n")
    local opts = { "ls", policy = dir .. "/nonsense.lua" }
    assert.matches("nonsense%.lua", message_of(opts, "policy"))
    support.write(dir .. "/unknown.lua", "return { mode = 'read-only', writeable_roots = {} }\n")
    opts.policy = dir .. "/unknown.lua"
    assert.matches("writeable_roots", message_of(opts, "policy"))
    support.remove(dir)
  end)

  it("with an unknown field throw", function()
    local ok, message = pcall(sbx.run, { "ls", policy = { writeable_roots = {} } })
    assert.is_false(ok)
    assert.matches("writeable_roots", message)
  end)
end)

describe("foreign sandboxes", function()
  it("are typed errors when run", function()
    assert.equal("seatbelt sandbox is only available on macOS",
                 message_of({ "ls", sandbox = "macos-seatbelt" }, "unsupported"))
    local opts = { "ls", sandbox = "windows-restricted-token" }
    assert.matches("Windows", message_of(opts, "unsupported"))
  end)
end)

describe("what later versions bring", function()
  it("is refused by name", function()
    assert.matches("pty", message_of({ "ls", pty = true }, "unsupported"))
  end)
end)

describe("misuse", function()
  it("throws at the caller", function()
    local ok, message = pcall(function() sbx.run({ "ls", timout_ms = 3 }) end)
    assert.is_false(ok)
    assert.matches("api_errors_spec%.lua:%d+: unknown option", message)
    assert.error_matches(function() sbx.kill({}) end, "takes a job")
  end)
end)
