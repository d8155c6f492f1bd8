-- `kill_tree`: whatever a command starts is gone when the call returns.
local sbx = require "sbx"
local support = require "tests.support"

local stay = support.program("stay")
local POLICIES = { "workspace-write", "danger-full-access" }

describe("nothing survives", function()
  local marker

  before_each(function() marker = support.marker() end)
  after_each(function() support.sweep(marker) end)

  local function run(script, opts)
    opts = opts or {}
    opts.command = { "sh", "-c", (script:gsub("STAY", stay):gsub("MARKER", marker)) }
    return sbx.run(opts)
  end

  for _, policy in ipairs(POLICIES) do
    describe("under " .. policy, function()
      it("of a daemon, when the command has ended", function()
        local r = assert(run("STAY daemon MARKER; sleep 0.3; echo done", { policy = policy }))
        assert.equal("done\n", r.stdout)
        assert.equal(0, support.count(marker))
        assert.equal(1, r.leftover)
      end)

      it("of a daemon, at the time-out", function()
        local _, err = run("STAY daemon MARKER; STAY stubborn MARKER",
                           { policy = policy, timeout_ms = 500 })
        assert.equal("timeout", err.kind)
        assert.equal(0, support.count(marker))
      end)

      it("of process groups and sessions", function()
        local r = assert(run("STAY group MARKER; sleep 0.3", { policy = policy }))
        assert.equal(0, support.count(marker))
        assert.equal(12, r.leftover)
      end)

      it("of processes that fork and exit for ever", function()
        local r = assert(run("STAY chains MARKER 4; sleep 0.3; echo done", { policy = policy }))
        assert.equal("done\n", r.stdout)
        assert.is_true(support.gone(marker, 5))
      end)

      it("of such processes, at the time-out", function()
        local _, err = run("STAY chains MARKER 4; sleep " .. marker,
                           { policy = policy, timeout_ms = 500 })
        assert.equal("timeout", err.kind)
        assert.is_true(support.gone(marker, 5))
      end)

      it("of a bomb", function()
        local _, err, out = run("STAY bomb MARKER 300",
                                { policy = policy, timeout_ms = 3000 })
        assert.equal("timeout", err.kind)
        assert.matches("grown", out.stdout)
        assert.is_true(support.gone(marker, 5))
      end)
    end)
  end

  it("of one that ignores TERM past its grace, and one that heeds it may end well", function()
    local began = os.time()
    local _, err, out = run("exec STAY stubborn MARKER", { timeout_ms = 300, kill_grace_ms = 300 })
    assert.equal("timeout", err.kind)
    assert.equal("up\n", out.stdout)
    assert.is_true(os.time() - began < 10)
    assert.equal(0, support.count(marker))
    _, err, out = run("trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.1; done",
                      { timeout_ms = 300, kill_grace_ms = 5000 })
    assert.equal("timeout", err.kind)
    assert.equal("up\nbye\n", out.stdout)
    assert.equal(124, out.exit_code)
  end)

  it("of a stopped tree, at the time-out and at the end", function()
    local _, err = run("STAY daemon MARKER; kill -STOP $$", { timeout_ms = 500,
                                                              kill_grace_ms = 100 })
    assert.equal("timeout", err.kind)
    assert.equal(0, support.count(marker))
    assert(run("sleep MARKER & kill -STOP $!"))
    assert.equal(0, support.count(marker))
  end)

  it("of what a command left when it died of a signal", function()
    local _, err = run("STAY daemon MARKER; sleep 0.2; kill -KILL $$")
    assert.equal("signal", err.kind)
    assert.equal(9, err.signal)
    assert.equal(0, support.count(marker))
  end)

  it("and nothing of another command is touched", function()
    local other = support.marker()
    local job = assert(sbx.spawn({ "sleep", other }))
    -- only where the supervisor is an init: a failed sandbox must not take the machine with it
    local r, _, out = run("[ $PPID = 1 ] || exit 99; STAY daemon MARKER; sleep 0.2;"
                          .. " kill -TERM -1; kill -KILL -1")
    if (r or out).exit_code == 99 then pending("no PID namespace here") end
    assert.equal(1, support.count(other))
    assert.is_false(job:poll(0))
    job:kill()
    assert.is_true(support.gone(other))
  end)
end)
