-- Turns of a job against a core that plays a script of events: no kernel, no process.
local MODULES = { "core", "errors", "job", "kinds", "loop", "options", "result", "stream", "turns" }

local function fake_core()
  local clock = 0
  return {
    expect = function() end,
    signals = { TERM = 15, KILL = 9, INT = 2 },
    now = function() clock = clock + 1; return clock end,
  }
end

-- events: {"output", stream, text}, {"eof", stream}, {"end"}, and "wait" for nothing to do now
local function fake_handle(events, raw)
  local handle = { calls = {}, at = 1, is_live = false, stdout = "", stderr = "" }
  raw = raw or {}
  local function note(name) handle.calls[#handle.calls + 1] = name end
  function handle.pid() return 4711 end
  function handle:step()
    local event = events[self.at]
    if event == nil or event == "wait" then
      if event then self.at = self.at + 1 end
      return nil
    end
    if event[1] == "end" then return "end" end
    self.at = self.at + 1
    if event[1] == "output" then
      self[event[2]] = self[event[2]] .. event[3]
      if not self.is_live then return self:step() end
    end
    return event[1], event[2], event[3]
  end
  function handle:pump()
    if self.killed then return true end
    while true do
      local event = self:step()
      if event == "end" then return true end
      if event == nil then return false end
    end
  end
  function handle.poll() note("poll") return true end
  function handle:live(is) self.is_live = is end
  function handle.timeout() return nil end
  function handle.pollfd() return 7 end
  function handle:kill(grace) note("kill") self.killed, self.grace = true, grace end
  function handle.signal(_, number) note("signal " .. number) return true end
  function handle.close() note("close") end
  function handle.write(_, text) note("write " .. text) return true end
  function handle.close_stdin() note("close_stdin") end
  function handle:result()
    return {
      ended_by = self.killed and "cancelled" or raw.ended_by or "exit",
      exit_code = self.killed and 137 or raw.exit_code or 0, signal = raw.signal,
      stdout = self.stdout, stderr = self.stderr, aggregated_output = self.stdout .. self.stderr,
      truncated = { stdout = 0, stderr = 0, aggregated_output = 0 }, usage = {},
      duration_ms = 1, setup_ms = 1, leftover = 0, message = raw.message,
    }
  end
  return handle
end

describe("a job", function()
  local kept, errors, job, loop, options

  setup(function()
    kept = {}
    for _, name in ipairs(MODULES) do
      kept[name] = package.loaded["sbx." .. name]
      package.loaded["sbx." .. name] = nil
    end
    package.loaded["sbx.core"] = fake_core()
    errors, job = require "sbx.errors", require "sbx.job"
    loop, options = require "sbx.loop", require "sbx.options"
  end)

  teardown(function()
    for _, name in ipairs(MODULES) do package.loaded["sbx." .. name] = kept[name] end
  end)

  local function new(events, opts, raw, on_exit)
    opts = opts or {}
    opts.command = { "fake" }
    local o = assert(options.read(opts, "spawn"))
    local handle = fake_handle(events, raw)
    local spec = {
      o = o, env_dropped = { "AWS_SECRET" },
      held = { type = "linux-seccomp", tier = "landlock", policy = "read-only",
               enforced = { fs = "Landlock" }, missing = {} },
      denial = {
        is_likely_sandbox_denied = function(_, out)
          return out.stdout:find("denied") ~= nil, "k"
        end,
      },
    }
    return job.new(handle, spec, on_exit), handle
  end

  local HELLO = {
    { "output", "stdout", "hel" }, "wait", { "output", "stderr", "x\n" },
    { "output", "stdout", "lo\n" }, { "eof", "stdout" }, { "eof", "stderr" }, { "end" },
  }

  it("gives every field, and the same again", function()
    local running = new(HELLO, { call_id = "c1", justification = "why" })
    local r = assert(running:wait())
    assert.equal("ok", r.status)
    assert.equal("hello\n", r.stdout)
    assert.equal("x\n", r.stderr)
    assert.same({ verdict = "none", evidence = {}, failures = {}, watched = false, dropped = 0,
                  unread = 0 }, r.denial)
    assert.same({ "AWS_SECRET" }, r.env_dropped)
    assert.equal("c1", r.call_id)
    assert.equal("why", r.justification)
    assert.is_false(r.timed_out)
    assert.equal(r, (running:wait()))
    assert.is_nil(getmetatable(r))
  end)

  it("tells the callbacks in order", function()
    local heard = {}
    local running = new(HELLO, {
      on_output = function(name, text) heard[#heard + 1] = name .. ":" .. tostring(text) end,
      call_id = "c2",
    })
    running:wait()
    assert.same({ "stdout:hel", "stderr:x\n", "stdout:lo\n", "stdout:nil", "stderr:nil" }, heard)
  end)

  it("closes at an error in a callback, which goes on", function()
    local running, handle = new(HELLO, { on_output = function() error({ mine = true }) end })
    local ok, err = pcall(running.wait, running)
    assert.is_false(ok)
    assert.same({ mine = true }, err)
    assert.same({ "kill", "close" }, handle.calls)
    local r, cancelled, out = running:wait()
    assert.is_nil(r)
    assert.equal("cancelled", cancelled.kind)
    assert.equal(137, out.exit_code)
  end)

  it("calls on_exit once with what wait returns", function()
    local heard = {}
    local running = new(HELLO, nil, { ended_by = "signal", signal = 15, exit_code = 143 },
      function(...) heard[#heard + 1] = { ... } end)
    local _, err, out = running:wait()
    running:wait()
    assert.equal(1, #heard)
    assert.equal(err, heard[1][2])
    assert.equal(out, heard[1][3])
    assert.equal(15, err.signal)
    assert.equal(out, err.output)
    assert.equal("signal: died of signal 15 (SIGTERM)", tostring(err))
  end)

  it("tells the endings apart, time-out first", function()
    local endings = {
      timeout = { "timeout", "timeout" }, idle_timeout = { "limit", "limit" },
      cancelled = { "cancelled", "cancelled" }, supervisor = { "failed", "sandbox" },
      protect = { "failed", "sandbox" },
    }
    for ended_by, want in pairs(endings) do
      local _, err, out = new(HELLO, { timeout_ms = 5, idle_timeout_ms = 5 },
                              { ended_by = ended_by, exit_code = 124 }):wait()
      assert.same(want, { out.status, err.kind })
      assert.equal(ended_by == "timeout", out.timed_out)
    end
  end)

  it("asks the denial script only about failures", function()
    local said = { { "output", "stdout", "denied" }, { "end" } }
    assert.equal("ok", new(said):wait().status)
    local _, err, out = new(said, nil, { exit_code = 1 }):wait()
    assert.equal("denied", err.kind)
    assert.equal("likely", out.denial.verdict)
    assert.equal("k", out.denial.reason)
    assert.equal("failed", new(HELLO, nil, { exit_code = 1 }):wait().status)
  end)

  it("gives chunks without consuming, before and after a poll or the end", function()
    local function text_of(running)
      local text = {}
      for name, chunk in running:chunks() do
        if name == "stdout" then text[#text + 1] = chunk end
      end
      return table.concat(text)
    end
    local running = new(HELLO)
    assert.equal("hello\n", text_of(running))
    assert.equal("hello\n", running:wait().stdout)
    running = new(HELLO)
    running:poll(1)
    assert.equal("hello\n", text_of(running))
    running = new({ { "output", "stdout", "late" }, { "end" } })
    running:wait()
    assert.equal("late", text_of(running))
  end)

  it("gives lines", function()
    local lines = {}
    for name, line in new(HELLO):lines() do lines[#lines + 1] = name .. ":" .. line end
    assert.same({ "stderr:x", "stdout:hello" }, lines)
  end)

  it("refuses iterators beside callbacks", function()
    local running = new(HELLO, { on_line = function() end })
    assert.error_matches(function() running:lines() end, "exclude each other")
    assert.error_matches(function() running:chunks() end, "exclude each other")
  end)

  it("yields in a coroutine through the loop in use, and only there", function()
    local waits = 0
    loop.use(function(running, ms)
      waits = waits + 1
      assert.equal("number", type(ms))
      return coroutine.yield(running)
    end)
    local running, handle = new(HELLO)
    local thread = coroutine.wrap(function() return running:wait() end)
    assert.equal(running, thread())
    assert.equal("ok", thread().status)
    assert.equal(1, waits)
    assert.same({ "close" }, handle.calls)
    assert.equal("ok", new(HELLO):wait().status)
    assert.equal(1, waits)
    loop.use("poll")
    running = new(HELLO)
    assert.equal("ok", coroutine.wrap(function() return running:wait() end)().status)
    assert.equal(1, waits)
  end)

  it("lets two users of one host differ", function()
    local mine = 0
    local running = new(HELLO, { loop = function() mine = mine + 1 return true end })
    coroutine.wrap(function() running:wait() end)()
    assert.equal(1, mine)
  end)

  it("refuses loops that it doesn't know", function()
    assert.error_matches(function() loop.use("luv") end, "not in this version")
    assert.error_matches(function() loop.use("libevent") end, "unknown word")
  end)

  it("ends at kill, by signal or grace, and not after the end", function()
    local running, handle = new({ "wait", { "end" } })
    running:kill()
    assert.is_nil(handle.grace)
    running, handle = new({ "wait", { "end" } })
    running:kill("INT")
    assert.same({ "signal 2", "kill" }, handle.calls)
    assert.equal(2000, handle.grace)
    running, handle = new({ "wait", { "end" } })
    running:kill({ grace_ms = 50 })
    assert.equal(50, handle.grace)
    running, handle = new({ { "end" } })
    running:kill()
    assert.same({ "close" }, handle.calls)
    assert.equal("ok", running:wait().status)
    assert.error_matches(function() running:kill("TREM") end, 'did you mean "TERM"')
    assert.error_matches(function() running:kill({ grace = 5 }) end, "grace_ms")
  end)

  it("takes whole milliseconds and names what it doesn't take", function()
    local running, handle = new({ "wait", { "end" } })
    for _, wrong in ipairs({ 0 / 0, math.huge, -math.huge, 2 ^ 63, 2 ^ 31, -1 }) do
      assert.error_matches(function() running:poll(wrong) end, "ms of job:poll must be")
      assert.error_matches(function() running:kill({ grace_ms = wrong }) end, "grace_ms must be")
    end
    assert.error_matches(function() running:kill({ grace_ms = "5" }) end, "grace_ms must be a num")
    assert.error_matches(function() running:poll("5") end, "number of milliseconds")
    assert.same({}, handle.calls)
    assert.is_true(running:poll(50.5))
    assert.is_true(running:poll())
  end)

  it("is what its methods are called on", function()
    local running = new({ { "end" } })
    for _, method in ipairs({ "wait", "poll", "chunks", "lines", "write", "kill", "signal", "close",
                              "pollfd", "events", "timeout", "step", "resize" }) do
      for _, wrong in ipairs({ false, {}, "x" }) do
        local ok, message = pcall(function() running[method](wrong or nil) end)
        assert.is_false(ok)
        assert.matches("job_spec.lua:%d+: job:" .. method .. " is called on a job, not", message)
      end
    end
    assert.equal("ok", running:wait().status)
  end)

  it("can be waited for by two coroutines", function()
    loop.use(function() coroutine.yield() end)
    local running = new(HELLO)
    local first = coroutine.wrap(function() return running:wait() end)
    local second = coroutine.wrap(function() return running:wait() end)
    first()
    local r = second()
    assert.equal("ok", r.status)
    assert.equal(r, first())
    loop.use("poll")
  end)

  it("refuses to wait inside its own callback", function()
    local running
    running = new(HELLO, { on_output = function() running:wait() end })
    assert.error_matches(function() running:wait() end, "inside its own callback")
  end)

  it("steps for event loops", function()
    local running = new(HELLO)
    assert.equal(7, running:pollfd())
    assert.equal("r", running:events())
    assert.same({ "output", "stdout", "hel" }, { running:step() })
    assert.is_nil((running:step()))
    local last
    repeat last = running:step() until last == "end"
    assert.equal("ok", running:wait().status)
    assert.is_nil(running:pollfd())
  end)

  it("throws errors of a readable kind", function()
    assert.equal("sandbox: x", tostring(errors.adopt({ kind = "sandbox", message = "x" })))
  end)
end)
