-- sbx.spawn: jobs, iterators, input, signals, loops.
local sbx = require "sbx"
local support = require "tests.engine.api_support"

local function spawn(opts, on_exit) return assert(sbx.spawn(opts, on_exit)) end

describe("a job", function()
  it("has a pid of the host, and ends", function()
    local job = spawn({ "sleep", "0.1" })
    assert.truthy(support.read("/proc/" .. job.pid .. "/stat"))
    assert.is_false(job:poll(0))
    assert.is_true(job:poll(5000))
    local r = job:wait()
    assert.equal("ok", r.status)
    assert.equal(r, (job:wait()))
  end)

  it("has no time-out of its own", function()
    local _, err = spawn({ "sleep", "60", timeout_ms = 100 }):wait()
    assert.equal("timeout", err.kind)
  end)

  it("calls on_exit with what wait returns", function()
    local heard
    local job = spawn({ "sh", "-c", "kill -TERM $$" }, function(...) heard = table.pack(...) end)
    local _, err = job:wait()
    assert.equal(err, heard[2])
    assert.equal(15, err.signal)
  end)

  it("gives chunks and lines that consume nothing", function()
    local job, text = spawn({ "seq", "5000" }), {}
    for stream, chunk in job:chunks() do
      assert.equal("stdout", stream)
      text[#text + 1] = chunk
    end
    assert.equal(job:wait().stdout, table.concat(text))
    job = spawn({ "sh", "-c", "printf 'a\\nb\\nc'" })
    local lines = {}
    for _, line in job:lines() do lines[#lines + 1] = line end
    assert.same({ "a", "b", "c" }, lines)
    assert.equal("a\nb\nc", job:wait().stdout)
  end)

  it("is written to", function()
    local job = spawn({ "cat", stdin = true })
    assert.is_true(job:write("one\n"))
    assert.equal("one", select(2, job:lines()()))
    assert.is_true(job:write(("x"):rep(200000)))
    assert.is_true(job:write(nil))
    local nothing, err = job:write("late")
    assert.is_nil(nothing)
    assert.same({ "spawn", "stdin", "EPIPE" }, { err.kind, err.step, err.code })
    assert.equal("ok", job:wait().status)
    local _, after = job:write("later")
    assert.same(err, after)
    _, err = job:signal("TERM")
    assert.same({ "spawn", "signal", "ESRCH" }, { err.kind, err.step, err.code })
    assert.equal(200004, #job:wait().stdout)
    assert.error_matches(function() spawn({ "true" }):write("x") end, "stdin = true")
  end)

  it("says what is in force", function()
    local job = spawn({ "true" })
    assert.equal(sbx.probe().tiers[1], job.sandbox.tier)
    assert.equal("read-only", job.plan.mode)
    assert.equal(job.sandbox, job:wait().sandbox)
  end)

  it("is killed with its tree", function()
    local marker = support.marker()
    local job = spawn({ "sh", "-c", "setsid sleep " .. marker .. " & echo up; sleep " .. marker })
    assert.equal("up", select(2, job:lines()()))
    job:kill()
    local r, err, out = job:wait()
    assert.is_nil(r)
    assert.equal("cancelled", err.kind)
    assert.equal("cancelled", out.status)
    assert.equal(137, out.exit_code)
    assert.equal("up\n", out.stdout)
    assert.is_true(support.gone(marker))
    assert.is_true(job:kill())
    assert.equal(out, select(3, job:wait()))
  end)

  it("may end well within the grace, and was cancelled all the same", function()
    local script = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    local job = spawn({ "sh", "-c", script })
    assert.equal("up", select(2, job:lines()()))
    sbx.kill(job, { grace_ms = 5000 })
    local _, err, out = job:wait()
    assert.equal("cancelled", err.kind)
    assert.equal("up\nbye\n", out.stdout)
  end)

  -- the signal comes alone before the order to end, and is enough: found by tests/fuzz
  it("is cancelled by a kill with a signal of its own", function()
    for _ = 1, 20 do
      local job = spawn({ "sleep", "60" })
      assert.is_true(job:kill("INT"))
      local _, err, out = job:wait()
      assert.same({ "cancelled", 137 }, { err.kind, out.exit_code })
      assert.is_nil(out.signal)
    end
  end)

  it("isn't changed by a kill after its end", function()
    local job = spawn({ "true" })
    os.execute("sleep 0.3")
    job:kill()
    assert.equal("ok", job:wait().status)
  end)

  it("gets signals that decide nothing", function()
    local job = spawn({ "sh", "-c", "trap 'echo usr' USR1; echo up; while :; do sleep 0.05; done",
                        timeout_ms = 5000 })
    local next_line = job:lines()
    assert.equal("up", select(2, next_line()))
    assert.is_true(job:signal("USR1"))
    assert.equal("usr", select(2, next_line()))
    assert.is_true(job:signal(9))
    local _, err = job:wait()
    assert.equal("signal", err.kind)
    assert.equal(9, err.signal)
  end)

  it("is closed with what is left", function()
    local marker = support.marker()
    local kept
    do
      local job <close> = spawn({ "sleep", marker })
      kept = job
    end
    assert.is_true(support.gone(marker))
    assert.equal("cancelled", select(2, kept:wait()).kind)
  end)

  it("is collected with what is left", function()
    local marker = support.marker()
    spawn({ "sleep", marker })
    collectgarbage()
    collectgarbage()
    assert.is_true(support.gone(marker))
  end)

  it("steps on its descriptor", function()
    local job = spawn({ "sh", "-c", "echo a; echo b >&2" })
    assert.equal("number", type(job:pollfd()))
    local seen, event = {}
    repeat
      local name, text
      event, name, text = job:step()
      if event == "output" then seen[name] = (seen[name] or "") .. text end
    until event == "end"
    assert.same({ stdout = "a\n", stderr = "b\n" }, seen)
    assert.equal("ok", job:wait().status)
  end)
end)

describe("a loop", function()
  after_each(function() sbx.use("poll") end)

  -- a scheduler of two commands in one thread: each yields while it waits
  it("runs commands side by side in coroutines", function()
    local turns = 0
    sbx.use(function(job, ms)
      turns = turns + 1
      return coroutine.yield(job, ms)
    end)
    local order, threads = {}, {}
    for i, seconds in ipairs({ "0.4", "0.1" }) do
      threads[i] = coroutine.create(function()
        assert(sbx.run({ "sleep", seconds }))
        order[#order + 1] = seconds
      end)
    end
    repeat
      local alive = false
      for _, thread in ipairs(threads) do
        if coroutine.status(thread) ~= "dead" then
          alive = true
          assert(coroutine.resume(thread, true))
        end
      end
    until not alive
    assert.same({ "0.1", "0.4" }, order)
    assert.is_true(turns > 0)
  end)

  it("is not entered outside a coroutine", function()
    sbx.use(function() error("re-entered") end)
    assert.is_false(coroutine.isyieldable())
    assert.equal("ok", sbx.run({ "true" }).status)
  end)

  it("may be another for one call", function()
    local mine = 0
    sbx.use(function() error("the other user's loop") end)
    local thread = coroutine.wrap(function()
      return sbx.run({ "sleep", "0.1", loop = function()
        mine = mine + 1
        return true
      end })
    end)
    assert.equal("ok", thread().status)
    assert.is_true(mine > 0)
  end)

  it("keeps a job from outliving an error in the waiting function", function()
    local marker = support.marker()
    local thread = coroutine.create(function()
      return sbx.run({ "sleep", marker, loop = function() error("loop failed", 0) end })
    end)
    local ok, err = coroutine.resume(thread)
    assert.is_false(ok)
    assert.equal("loop failed", err)
    assert.is_true(support.gone(marker))
  end)
end)
