-- The end of a run is the command's, and comes when it is due: not with a stop that looks like one,
-- not put off by whoever still writes, not lost on its way.

local core = require "sbx.core"
local sbx = require "sbx"
local support = require "tests.support"

local function run(opts)
  local r, err, out = sbx.run(opts)
  return r or out, err
end

local function slow(ms)
  return function()
    local until_ms = core.now() + ms
    repeat until core.now() >= until_ms
  end
end

describe("a command that makes its supervisor its tracer", function()
  local traceme = support.program("traceme")

  for _, policy in ipairs({ "read-only", "danger-full-access" }) do
    it("ends as any other under " .. policy, function()
      for _, sig in ipairs({ 0, core.signals.USR1, core.signals.CHLD }) do
        local r = run({ traceme, tostring(sig), policy = policy })
        assert.equal(7, r.exit_code)
        assert.equal("before\nafter\n", r.stdout)
        assert.equal(0, r.leftover)
      end
    end)

    it("dies of its signal under " .. policy, function()
      local r, err = run({ traceme, tostring(core.signals.TERM), policy = policy })
      assert.equal("signal", err.kind)
      assert.equal(core.signals.TERM, r.signal)
    end)
  end
end)

describe("who holds the output", function()
  it("in the tree is waited for ten times drain_ms at most, however slow the reader", function()
    local before = core.now()
    local r = run({ "sh", "-c", "yes & echo $!", on_output = slow(1), max_output_deltas = 1e9 })
    assert.equal("ok", r.status)
    assert.equal(1, r.leftover)
    assert.is_true(core.now() - before < 4000)
  end)

  it("outside of the tree does not keep the call", function()
    local holder, dir = support.program("holder"), support.directory()
    local server = io.popen(support.quote(holder) .. " serve " .. dir .. "/socket 8")
    assert.equal("ready", server:read("l"))
    local before = core.now()
    local r = run({ holder, "give", dir .. "/socket", on_output = slow(1), max_output_deltas = 1e9,
                    policy = { extends = "read-only", network = "full" } })
    local took = core.now() - before
    server:close()
    support.remove(dir)
    assert.equal(0, r.exit_code)
    assert.is_true(took < 5000)
  end)

  it("loses no byte to a reader that is slower than any drain", function()
    local pieces = 0
    local r = run({ "sh", "-c", "head -c 60000 /dev/zero", on_output = function(_, text)
      pieces = pieces + #(text or "")
      if text and pieces > 16384 then slow(250)() end
    end })
    assert.equal(60000, #r.stdout)
    assert.equal(60000, pieces)
  end)
end)

describe("the report of the end", function()
  it("is not lost when orders cross it", function()
    local lost = 0
    for i = 1, 300 do
      local job = assert(sbx.spawn({ "true" }))
      job:poll(i % 3)
      job:signal("CONT")
      job:kill()
      local _, err = job:wait()
      if err and err.step == "supervisor" then lost = lost + 1 end
    end
    assert.equal(0, lost)
  end)

  it("does not make an event loop spin", function()
    local waits = 0
    local r = run({ "sh", "-c", "for i in 1 2 3 4 5; do echo $i; sleep 0.1; done",
                    idle_timeout_ms = 3000, loop = function(job, ms)
      waits = waits + 1
      return job.state.handle:poll(ms) == true
    end })
    assert.equal("1\n2\n3\n4\n5\n", r.stdout)
    assert.is_true(waits < 100)
  end)
end)
