-- transform, judge, probe, policies: what says without running.
local sbx = require "sbx"
local support = require "tests.engine.api_support"

describe("sbx.transform", function()
  it("gives what would be run", function()
    local exec = assert(sbx.transform({ "echo", "hi", cwd = "/usr", arg0 = "e",
                                        env = { A = "s3cret" } }))
    assert.equal("/usr", exec.cwd)
    assert.equal("s3cret", exec.env.A)
    assert.equal("e", exec.arg0)
    assert.equal(10000, exec.timeout_ms)
    assert.equal("linux-seccomp", exec.sandbox.type)
    assert.equal("table", type(exec.plan))
    for _, word in ipairs(exec.command) do
      assert.equal("string", type(word))
      assert.is_nil(word:find("s3cret", 1, true))
    end
    assert.equal("hi", exec.command[#exec.command])
  end)

  it("takes the host's helper", function()
    local own, dir = sbx.helper, support.scratch()
    local other = dir .. "/sbx-exec"
    os.execute(("cp %s %s"):format(own, other))
    sbx.helper = other
    assert.equal(other, assert(sbx.transform({ "ls" })).command[1])
    assert.equal("ok", sbx.run({ "true" }).status)
    support.remove(dir)
    sbx.helper = own
    assert.equal(own, assert(sbx.transform({ "ls" })).command[1])
  end)

  it("says that the helper is missing, as run does", function()
    local own = sbx.helper
    sbx.helper = "/nonexistent/sbx-exec"
    for _, form in ipairs({ "run", "spawn", "transform" }) do
      local nothing, err = sbx[form]({ "true" })
      assert.is_nil(nothing)
      assert.equal("sandbox", err.kind)
      assert.equal("helper", err.step)
    end
    sbx.helper = own
    assert.equal("ok", sbx.run({ "true" }).status)
  end)

  it("can be run by the host: the same sandbox, cwd and environment", function()
    local exec = assert(sbx.transform({ "sh", "-c", "pwd; echo $A; echo no > /usr/sbx-no",
                                        cwd = "/usr", clear_env = true, env = { A = "value" } }))
    local r = sbx.run({ command = exec.command, env = exec.env, policy = "danger-full-access",
                        cwd = "/" })
    assert.equal("/usr\nvalue\n", r.stdout)
    assert.are_not.equal(0, r.exit_code)
    assert.is_nil(io.open("/usr/sbx-no"))
    local verdict, reason = sbx.judge(exec, r)
    assert.equal("likely", verdict)
    assert.equal("string", type(reason))
    assert.equal("none", (sbx.judge(exec, { exit_code = 0, stdout = "permission denied" })))
  end)

  it("makes the whole Seatbelt argv everywhere", function()
    local exec = assert(sbx.transform({ "ls", "-l", sandbox = "macos-seatbelt", cwd = "/tmp" }))
    assert.equal("/usr/bin/sandbox-exec", exec.command[1])
    assert.equal("-p", exec.command[2])
    assert.same({ "--", "ls", "-l" }, { table.unpack(exec.command, #exec.command - 2) })
    assert.equal("macos-seatbelt", exec.sandbox.type)
    assert.equal("1", exec.env.CODEX_SANDBOX_NETWORK_DISABLED)
  end)

  it("refuses what the loader would obey in the helper, and only there", function()
    for _, name in ipairs({ "LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH", "GLIBC_TUNABLES" }) do
      local opts = { "env", env = { [name] = "" } }
      local nothing, err = sbx.transform(opts)
      assert.is_nil(nothing)
      assert.equal("invalid_input", err.kind)
      assert.matches(name, err.message, 1, true)
      assert.matches("command alone", err.message, 1, true)
      assert.matches("\n" .. name .. "=\n", "\n" .. assert(sbx.run(opts)).stdout)
      opts.sandbox = "macos-seatbelt"
      assert.equal("", assert(sbx.transform(opts)).env[name])
    end
    local exec = assert(sbx.transform({ "env", "LD_PRELOAD=x", "true", env = { OLD_LD_X = "y" } }))
    assert.equal("y", exec.env.OLD_LD_X)
    assert.truthy(sbx.transform({ "true", env = { LD_PRELOAD = false } }))
  end)

  it("has no Windows form", function()
    local _, err = sbx.transform({ "ls", sandbox = "windows-restricted-token" })
    assert.equal("unsupported", err.kind)
  end)

  it("refuses what only a run could do", function()
    assert.error_matches(function() sbx.transform({ "cat", stdin = "x" }) end,
                         'option "stdin" is not for sbx.transform')
  end)

  it("refuses the same input as run", function()
    assert.equal("command args are empty", select(2, sbx.transform({})).message)
    assert.equal("invalid_input", select(2, sbx.transform({ "ls", cwd = "/nonexistent" })).kind)
  end)
end)

describe("questions", function()
  it("probe says what there is, with a reason where there isn't", function()
    local probe = assert(sbx.probe())
    for _, name in ipairs({ "kernel", "landlock_abi", "seccomp", "user_notify", "userns", "pidns",
                            "mountns", "netns", "cgroup", "pidfd", "tiers" }) do
      assert.is_not_nil(probe[name], name)
    end
    assert.equal("landlock", probe.tiers[#probe.tiers])
  end)

  it("probe gives a reason for a kernel without Landlock", function()
    local core = require "sbx.core"
    local real = core.probe
    core.probe = function()
      return { kernel = "5.4", landlock_abi = 0, seccomp = true }
    end
    local probe = sbx.probe()
    core.probe = real
    assert.same({}, probe.tiers)
    assert.matches("has no Landlock", probe.landlock_reason)
    assert.equal(probe.landlock_reason, probe.missing_tiers.landlock)
    assert.is_nil(sbx.probe().landlock_reason)
  end)

  it("policies lists the shipped ones", function()
    local found = {}
    for _, entry in ipairs(assert(sbx.policies())) do
      found[entry.name] = true
      assert.equal("string", type(entry.path))
      assert.equal("string", type(entry.doc))
    end
    assert.truthy(found["read-only"] and found["workspace-write"] and found["danger-full-access"])
  end)

  it("policy resolves", function()
    local policy = assert(sbx.policy("workspace-write", { cwd = "/usr" }))
    assert.equal("workspace-write", policy.mode)
    assert.equal("policy", select(2, sbx.policy("no-such")).kind)
    assert.error_matches(function() sbx.policy("read-only", { cdw = "/" }) end, "did you mean")
  end)

  it("refuses an engine of another version", function()
    local core, module = package.loaded["sbx.core"], package.loaded.sbx
    package.loaded["sbx.core"], package.loaded.sbx = { version = "0.0.9" }, nil
    local ok, message = pcall(require, "sbx")
    package.loaded["sbx.core"], package.loaded.sbx = core, module
    assert.is_false(ok)
    assert.matches("engine (core.so) of version 0.0.9", message, 1, true)
  end)

  it("has a version, a helper, and reloads", function()
    assert.equal(require("sbx.core").version, sbx.VERSION)
    assert.truthy(sbx.helper)
    assert.is_true(sbx.reload())
  end)
end)
