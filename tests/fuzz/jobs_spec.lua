-- Jobs that are written to, waited for, signalled, killed, closed and dropped in any order: each
-- has one result that fits what was done, and leaves no descriptor and no process.
local errors = require "sbx.errors"
local models = require "tests.fuzz.jobs_model"
local random = require "tests.fuzz.random"
local sbx = require "sbx"
local support = require "tests.support"

local marker = support.marker()

local function shell(line) return { "/bin/sh", "-c", line } end

-- Each gives the model of a command and its options.
local COMMANDS = {
  function()
    return { name = "cat", out = "", err = "", code = 0, reads = true },
      { command = { "cat" }, stdin = true }
  end,
  function()
    local code, out, err = random.pick({ 0, 1, 3, 7 }), ("o"):rep(random.int(0, 9)),
      ("e"):rep(random.int(0, 9))
    return { name = "exit", out = out, err = err, code = code },
      { command = shell(("printf '%s'; printf '%s' >&2; exit %d"):format(out, err, code)) }
  end,
  function()
    return { name = "sleep", out = "", err = "" }, { command = { "sleep", marker } }
  end,
  function()
    local number = random.pick({ 9, 15, 10, 13 })
    return { name = "dies", out = "", err = "", dies = number },
      { command = shell(("kill -%d $$; exec sleep %s"):format(number, marker)) }
  end,
  function()
    local lines = {}
    for i = 1, random.int(1, 20000) do lines[i] = i .. "\n" end
    return { name = "seq", out = table.concat(lines), err = "", code = 0 },
      { command = { "seq", tostring(#lines) } }
  end,
  function()
    return { name = "leaves", out = "x", err = "", code = 0, leftover = 1 },
      { command = shell("sleep " .. marker .. " & printf x") }
  end,
  function()
    return { name = "stubborn", out = "up", err = "" },
      { command = shell("trap '' TERM INT; printf up; while :; do sleep 0.02; done"), stdin = true }
  end,
}

local function add_options(model, opts)
  if random.once_in(6) then
    opts.timeout_ms = random.int(1, 300)
    model:allow("timeout")
  end
  if random.once_in(8) then
    opts.idle_timeout_ms = random.int(20, 200)
    model:allow("limit")
  end
  if random.once_in(4) then
    opts.max_output_bytes = random.pick({ 1, 2, 7, 100, 5000 })
    model.cap = opts.max_output_bytes
  end
  if random.once_in(5) then opts.merge_stderr, model.merged = true, true end
  if random.once_in(4) then opts.kill_grace_ms = random.int(1, 40) end
  if random.once_in(4) then opts.drain_ms = random.int(1, 60) end
  opts.policy = random.pick({ "read-only", "read-only", "danger-full-access" })
  opts.cwd = "/"
end

local function listen(one, opts)
  one.heard = { stdout = {}, stderr = {} }
  opts.on_output = function(name, text)
    if text then table.insert(one.heard[name], text) else one.heard[name].ended = true end
  end
end

---------------------------------------------------------------------------------------------------
-- What can be done to a job. Each gives a word for the trail.

local DO = {}

local function taken(ok, err, code)
  if ok then return true end
  assert.same({ "spawn", code }, { err.kind, err.code })
  return false
end

local function misuse(...)
  local ok, message = pcall(...)
  assert.is_false(ok)
  assert.is_true(errors.is_misuse(message), tostring(message))
end

function DO.write(one)
  local data = random.once_in(3) and ("w"):rep(random.int(0, 100000)) or random.text(20)
  if not one.stdin then return misuse(one.job.write, one.job, data) end
  local ok, err = one.job:write(data)
  if taken(ok, err, "EPIPE") and one.model.reads then one.model.out = one.model.out .. data end
end

function DO.close_stdin(one)
  if not one.stdin then return misuse(one.job.write, one.job, nil) end
  local ok, err = one.job:write(nil)
  taken(ok, err, "EPIPE")
  one.model.closed_stdin = true
end

function DO.kill(one)
  local how = random.pick({ false, "TERM", "KILL", "SIGKILL", "INT", 9, 15,
                            { grace_ms = random.int(0, 40) }, {} })
  one.model:allow("cancelled")
  assert.is_true(one.job:kill(how or nil))
  one.killed = true
end

function DO.bad_kill(one)
  misuse(one.job.kill, one.job, random.pick({ "NOPE", 0, 65, 1.5, true, { grace_ms = "x" },
                                              { bad = 1 }, 0 / 0 }))
end

function DO.signal(one)
  local number = random.pick({ 15, 9, 10, 18, 19 })
  local ok, err = one.job:signal(number)
  if not taken(ok, err, "ESRCH") then return end
  if number == 19 then one.model.stopped = true end
  if number == 18 then one.model.stopped = nil end
  if number < 18 then one.model:allow_signal(number) end
end

function DO.poll(one)
  local ended = one.job:poll(random.int(0, 15))
  assert.is_true(ended or not one.ended)
  one.ended = one.ended or ended
end

function DO.step(one)
  if one.reader and one.reader ~= "step" or one.heard then return end
  one.reader = "step"
  local event, name, text = one.job:step()
  if event == "output" then table.insert(one.pieces[name], text) end
  one.ended = one.ended or event == "end"
end

function DO.chunk(one)
  if one.heard then return misuse(one.job.chunks, one.job) end
  if one.reader and one.reader ~= "chunks" or not (one.model:ends() or one.killed) then return end
  one.reader = "chunks"
  one.next = one.next or one.job:chunks()
  local name, text = one.next()
  if name then table.insert(one.pieces[name], text) else one.all = true end
end

function DO.look(one)
  local fd, seconds = one.job:pollfd(), one.job:timeout()
  assert.equal("r", one.job:events())
  assert.is_true(fd == nil or one.fd == nil or fd == one.fd)
  assert.is_true(seconds == nil or seconds >= 0)
  one.fd = fd or one.fd
end

function DO.wait(one)
  if one.model:ends() or one.killed or one.model.dies then one.waited = { one.job:wait() } end
end

function DO.close(one)
  one.model:allow("cancelled")
  one.job:close()
  one.closed = true
end

local OFTEN = { "write", "write", "close_stdin", "kill", "bad_kill", "signal", "poll", "poll",
                "poll", "step", "step", "chunk", "chunk", "look", "wait", "close" }

---------------------------------------------------------------------------------------------------

local function start()
  local fields, opts = random.pick(COMMANDS)()
  local model = models.new(fields)
  local one = { model = model, pieces = { stdout = {}, stderr = {} }, exits = 0, trail = {},
                stdin = opts.stdin == true }
  add_options(model, opts)
  if model.dies then model:allow_signal(model.dies) end
  if random.once_in(4) then listen(one, opts) end
  local job, err = sbx.spawn(opts, function() one.exits = one.exits + 1 end)
  one.job = assert(job, tostring(err))
  return one
end

-- Whatever was done, it ends now; the second answer is the first.
local function finish(one)
  local model = one.model
  if random.once_in(4) and one.stdin then DO.close_stdin(one) end
  if not (model:ends() or one.killed) or random.once_in(8) then
    model:allow("cancelled")
    one.job:kill()
  end
  local result, err, out = one.job:wait()
  local again, same, output = one.job:wait()
  assert.is_true(rawequal(result, again) and rawequal(err, same) and rawequal(out, output))
  if one.waited then assert.is_true(rawequal(one.waited[1], result)) end
  model:check(result, err, out)
  local whole = (result or out).status == "ok" or (result or out).status == "failed"
  local cut = (result or out).truncated
  -- after the end an iterator gives what was kept: no stream where the middle is left out
  if cut.stdout + cut.stderr == 0 then model:check_pieces(one.pieces, one.all and whole) end
  if one.heard then model:check_pieces(one.heard, whole and not one.closed) end
  assert.equal(one.closed and one.exits or 1, one.exits)
  assert.is_true(one.job:poll(0))
  assert.is_nil(one.job:pollfd())
  assert.is_true(one.job:kill())
end

local function play(jobs)
  for _ = 1, random.int(1, 4) do
    local one = start()
    if random.once_in(10) then
      one.job = nil -- dropped: the collector ends it
    else
      jobs[#jobs + 1] = one
    end
  end
  for _ = 1, #jobs > 0 and random.int(0, 30) or 0 do
    local one, name = random.pick(jobs), random.pick(OFTEN)
    if not (name == "close" and not random.once_in(4)) then
      one.trail[#one.trail + 1] = name
      DO[name](one)
    end
  end
  for _, one in ipairs(jobs) do finish(one) end
end

-- Pipes, timers and such are a job's own; sockets and pidfds may be those of a spare.
local function open_files()
  local text = support.output("ls -l /proc/" .. support.own_pid .. "/fd")
  local count = { all = select(2, text:gsub("->", "")) }
  for _, kind in ipairs({ "pipe:", "eventpoll", "timerfd" }) do
    count[kind] = select(2, text:gsub(kind, ""))
  end
  return count
end

-- Asked again where it differs: popen's own pipe may still have its other end here.
local function check_files(before)
  local now
  support.wait_until(function()
    now = open_files()
    return now["pipe:"] <= before["pipe:"]
  end, 1)
  for _, kind in ipairs({ "pipe:", "eventpoll", "timerfd" }) do
    assert.is_true(now[kind] <= before[kind], kind .. " stays")
  end
  assert.is_true(now.all <= before.all + 24, now.all .. " descriptors, before " .. before.all)
end

local function collect()
  collectgarbage()
  collectgarbage()
end

describe("random operations on jobs", function()
  it("end in one result each, and leave nothing", function()
    assert(sbx.run({ "true" }))
    assert(sbx.run({ "true", policy = "danger-full-access" }))
    collect()
    local before = open_files()
    random.cases("jobs", function()
      local jobs = {}
      local ok, problem = xpcall(play, debug.traceback, jobs)
      if not ok then
        for i, one in ipairs(jobs) do
          problem = ("%s\njob %d (%s): %s"):format(problem, i, one.model.name,
                                                  table.concat(one.trail, " "))
          pcall(one.job.close, one.job)
        end
        error(problem, 0)
      end
      jobs = nil -- luacheck: ignore
      collect()
      check_files(before)
    end)
    assert.is_true(support.gone(marker))
  end)
end)
