-- behaviour.md, section 1: the rows of the seed, each as one test.
local sbx = require "sbx"
local support = require "tests.support"

describe("the seed's row", function()
  local dir

  before_each(function() dir = support.directory() end)
  after_each(function() support.remove(dir) end)

  it("exec parameters", function()
    local r = assert(sbx.run({
      command = { "sh", "-c", "echo $0; pwd; echo $MINE" }, cwd = dir, timeout_ms = 10000,
      env = { MINE = "value" }, with_escalated_permissions = true, justification = "because",
      arg0 = "named",
    }))
    assert.equal("named\n" .. dir .. "\nvalue\n", r.stdout)
    assert.is_true(r.with_escalated_permissions)
    assert.equal("because", r.justification)
    -- what a caller asks for beyond the policy is for the approval hook: it widens nothing
    sbx.run({ "touch", dir .. "/new", with_escalated_permissions = true, justification = "x" })
    assert.is_false(support.exists(dir .. "/new"))
    assert.equal(10000, sbx.transform({ "true" }).timeout_ms)
  end)

  it("empty command", function()
    for _, opts in ipairs({ {}, { command = {} } }) do
      for _, verb in ipairs({ sbx.run, sbx.spawn, sbx.transform }) do
        local r, err = verb(opts)
        assert.is_nil(r)
        assert.equal("invalid_input", err.kind)
        assert.equal("command args are empty", err.message)
      end
    end
  end)

  it("sandbox types", function()
    assert.equal("linux-seccomp", assert(sbx.run({ "true" })).sandbox.type)
    assert.equal("linux-seccomp",
                 assert(sbx.run({ "true", sandbox = "linux-seccomp" })).sandbox.type)
    local r = assert(sbx.run({ "touch", dir .. "/free", sandbox = "none" }))
    assert.equal("none", r.sandbox.type)
    assert.is_true(support.exists(dir .. "/free"))
    r = assert(sbx.run({ "true", policy = "danger-full-access" }))
    assert.equal("none", r.sandbox.type)
    for name, words in pairs({ ["macos-seatbelt"] = "seatbelt sandbox is only available on macOS",
                               ["windows-restricted-token"] = "Windows" }) do
      local nothing, err = sbx.run({ "touch", dir .. "/ran", sandbox = name })
      assert.is_nil(nothing)
      assert.equal("unsupported", err.kind)
      assert.matches(words, err.message, 1, true)
      nothing, err = sbx.spawn({ "touch", dir .. "/ran", sandbox = name })
      assert.is_nil(nothing)
      assert.equal("unsupported", err.kind)
    end
    assert.is_false(support.exists(dir .. "/ran"))
  end)

  it("one path: run, spawn and the helper of transform give the same", function()
    local script = "touch " .. dir .. "/new; pwd; echo $SBX_NETWORK_DISABLED;"
      .. " grep -E '^(Cap|NoNew|Seccomp)' /proc/self/status; exit 3"
    local opts = { "sh", "-c", script, cwd = "/usr", env = { A = "1" } }
    local _, _, run = sbx.run(opts)
    local _, _, spawned = assert(sbx.spawn(opts)):wait()
    local exec = assert(sbx.transform(opts))
    local helped = sbx.run({ command = exec.command, env = exec.env, cwd = "/",
                             policy = "danger-full-access" })
    assert.equal(run.stdout, spawned.stdout)
    assert.equal(run.stdout, helped.stdout)
    assert.equal(3, run.exit_code)
    assert.equal(3, spawned.exit_code)
    assert.equal(3, helped.exit_code)
    assert.is_false(support.exists(dir .. "/new"))
  end)

  it("transform errors: the helper program is missing", function()
    local own = sbx.helper
    local host = support.host(dir, [[
      local sbx = require "sbx"
      sbx.helper = "/nonexistent/sbx-exec"
      local r, err = sbx.run({ "true" })
      print(r, err.kind, err.step, err.message)]])
    host:wait()
    assert.matches("nil\tsandbox\thelper\t.*/nonexistent/sbx%-exec", host:output())
    host:close()
    assert.equal(own, sbx.helper)
  end)

  it("reading: both streams to their end past every limit", function()
    local r = assert(sbx.run({ "sh", "-c", "head -c 3000000 /dev/zero;"
                               .. " head -c 3000000 /dev/zero >&2; echo end",
                               max_output_bytes = 100, max_output_deltas = 1,
                               on_output = function() end }))
    assert.equal("end\n", r.stdout:sub(-4))
    assert.equal(3000004 - 100, r.truncated.stdout)
    assert.equal(3000000 - 100, r.truncated.stderr)
  end)

  it("time-out: the tree is killed, and all output so far is there", function()
    local marker = support.marker()
    local began = os.time()
    local r, err, out = sbx.run({ "sh", "-c", "echo before; sleep " .. marker .. " & sleep "
                                  .. marker, timeout_ms = 500 })
    assert.is_nil(r)
    assert.equal("timeout", err.kind)
    assert.equal(124, out.exit_code)
    assert.is_true(out.timed_out)
    assert.equal("before\n", out.stdout)
    assert.is_true(out.duration_ms >= 490)
    assert.is_true(os.time() - began < 10)
    assert.equal(0, support.count(marker))
  end)

  it("death by a signal, and a shell's own 128 + n", function()
    for name, number in pairs({ TERM = 15, KILL = 9, ABRT = 6, HUP = 1, PIPE = 13 }) do
      local r, err, out = sbx.run({ "sh", "-c", "kill -" .. name .. " $$" })
      assert.is_nil(r)
      assert.equal("signal", err.kind)
      assert.equal(number, err.signal)
      assert.equal(128 + number, out.exit_code)
    end
    local r = assert(sbx.run({ "sh", "-c", "sh -c 'kill -TERM $$'; exit $?" }))
    assert.equal(143, r.exit_code)
    assert.equal("failed", r.status)
    assert.is_nil(r.signal)
  end)

  it("result order: time-out, signal, denial, success", function()
    local said = "echo 'Permission denied' >&2; "
    local ROWS = {
      { said .. "sleep 60", "timeout" }, { said .. "kill -SEGV $$", "signal" },
      { said .. "exit 1", "denied" }, { said .. "exit 0", "ok" }, { "exit 1", "failed" },
    }
    for _, row in ipairs(ROWS) do
      local r, err, out = sbx.run({ "sh", "-c", row[1], timeout_ms = 700 })
      assert.equal(row[2], (r or out).status)
      if err then assert.equal(row[2], err.kind) end
    end
  end)
end)
