-- behaviour.md, section 2: what is easy to get wrong, by its number.
local sbx = require "sbx"
local support = require "tests.support"

local function run(opts)
  local r, err = sbx.run(opts)
  return assert(r, tostring(err))
end

describe("easy to get wrong", function()
  local dir

  before_each(function() dir = support.directory() end)
  after_each(function() support.remove(dir) end)

  it("1: a background process at the time-out", function()
    local marker = support.marker()
    local _, err, out = sbx.run({ "bash", "-c", ("sleep %s & echo $!; sleep %s")
                                  :format(marker, marker), timeout_ms = 500 })
    assert.equal("timeout", err.kind)
    assert.equal(124, out.exit_code)
    assert.matches("^%d+\n$", out.stdout)
    assert.is_true(support.gone(marker, 2))
  end)

  it("2: a holder of the output after the end, under every policy", function()
    for _, policy in ipairs({ "read-only", "workspace-write", "danger-full-access" }) do
      local marker = support.marker()
      local began = os.time()
      local r = run({ "sh", "-c", "printf hello; sleep " .. marker .. " &", policy = policy })
      assert.equal("hello", r.stdout)
      assert.equal(0, r.exit_code)
      assert.equal(1, r.leftover)
      assert.equal(0, support.count(marker))
      assert.is_true(os.time() - began < 5)
    end
  end)

  it("2: who writes late within the drain is heard, the silent wait for nobody", function()
    local r = run({ "bash", "-c", "exec > >(tee log) 2>&1; echo one; echo two",
                    cwd = dir, policy = "workspace-write" })
    assert.equal("one\ntwo\n", r.stdout)
    assert.equal("one\ntwo\n", support.read(dir .. "/log"))
    r = run({ "sh", "-c", "(sleep 0.3; echo late) & echo early", drain_ms = 3000 })
    assert.equal("early\nlate\n", r.stdout)
    assert.equal(0, r.leftover)
  end)

  it("2: one that writes for ever ends at ten times the drain", function()
    local marker = support.marker()
    local began = os.time()
    local script = "(while :; do echo x; sleep 0.02; done) & sleep " .. marker .. " & echo end"
    local r = run({ "sh", "-c", script, drain_ms = 100, timeout_ms = false })
    assert.matches("end\n", r.stdout)
    assert.is_true(r.leftover >= 2)
    assert.is_true(os.time() - began < 8)
    assert.equal(0, support.count(marker))
  end)

  it("5 and 6: input, descriptors and signals are those of a program's start", function()
    local r = run({ "sh", "-c", "readlink /proc/$$/fd/0; ls /proc/$$/fd; cut -d' ' -f6,7"
                    .. " /proc/$$/stat; echo $$" })
    local session, terminal, own = r.stdout:match("^/dev/null\n0\n1\n2\n(%d+) (%-?%d+)\n(%d+)\n$")
    assert.equal(own, session)
    assert.equal("0", terminal)
  end)

  it("7: the time-out counts from the start of the command", function()
    local _, err, out = sbx.run({ "sleep", "60", timeout_ms = 700 })
    assert.equal("timeout", err.kind)
    assert.is_true(out.duration_ms >= 690 and out.duration_ms < 10000)
    assert.is_true(out.setup_ms >= 0 and out.setup_ms < 5000)
  end)

  it("8: spawn failures look the same inside and outside", function()
    support.write(dir .. "/plain", "x")
    for name, code in pairs({ ["/nonexistent/x"] = "ENOENT", [dir .. "/plain"] = "EACCES" }) do
      local seen = {}
      for _, policy in ipairs({ "read-only", "workspace-write", "danger-full-access" }) do
        local r, err, out = sbx.run({ name, policy = policy, cwd = dir })
        assert.is_nil(r)
        assert.is_nil(out)
        seen[#seen + 1] = ("%s %s %s %s"):format(err.kind, err.code, err.step, err.message)
        assert.equal("spawn", err.kind)
        assert.equal(code, err.code)
        assert.equal("execve", err.step)
      end
      assert.equal(seen[1], seen[2])
      assert.equal(seen[1], seen[3])
    end
  end)

  it("9: nothing but the command writes to its streams", function()
    for _, policy in ipairs({ "read-only", "workspace-write", "danger-full-access" }) do
      local r = run({ "false", policy = policy })
      assert.equal("", r.stdout .. r.stderr .. r.aggregated_output)
      local _, _, out = sbx.run({ "sh", "-c", "sleep 30 & kill -KILL $$", policy = policy })
      assert.equal("", out.stdout .. out.stderr)
      _, _, out = sbx.run({ "sleep", "30", timeout_ms = 200, policy = policy })
      assert.equal("", out.stdout .. out.stderr)
    end
  end)

  it("11: who was killed has no exit code of 0", function()
    local _, _, out = sbx.run({ "sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done",
                                timeout_ms = 300, kill_grace_ms = 3000 })
    assert.equal(124, out.exit_code)
    local job = assert(sbx.spawn({ "sh", "-c", "trap 'exit 0' TERM; echo up;"
                                   .. " while :; do sleep 0.05; done" }))
    job:lines()()
    job:kill({ grace_ms = 3000 })
    _, _, out = job:wait()
    assert.equal(137, out.exit_code)
    assert.equal("cancelled", out.status)
    _, _, out = sbx.run({ "sh", "-c", "kill -KILL $$" })
    assert.equal(137, out.exit_code)
  end)

  it("12: ten seconds by default, and no login shell", function()
    assert.equal(10000, sbx.transform({ "true" }).timeout_ms)
    assert.is_nil(sbx.transform({ "true", timeout_ms = false }).timeout_ms or nil)
    support.write(dir .. "/.profile", "echo profile was read\n")
    support.write(dir .. "/.bash_profile", "echo profile was read\n")
    support.write(dir .. "/.bashrc", "echo rc was read\n")
    local r = run({ script = "echo only this", env = { HOME = dir } })
    assert.equal("only this\n", r.stdout)
    r = run({ "bash", "-c", "echo only this", env = { HOME = dir } })
    assert.equal("only this\n", r.stdout)
  end)
end)
