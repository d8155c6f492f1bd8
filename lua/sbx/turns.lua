-- How a job goes forward: one turn after another, each told to whoever listens, up to the one end.
-- An error on the way goes on to the caller, but no process outlives it.

local core = require "sbx.core"
local errors = require "sbx.errors"
local evidence = require "sbx.evidence"
local loop = require "sbx.loop"
local result = require "sbx.result"
local stream = require "sbx.stream"

local unpack = table.unpack or unpack

local M = {}

-- Events in one turn: a command that writes without end must not keep the host's loop waiting.
local TURN = 64
-- A killed tree is gone within milliseconds; a process stuck in the kernel must not hang us.
local CLOSE_MS = 2000

---@class sbx.JobState
---@field handle userdata      the core's job
---@field spec table           what was run: options, sandbox, denial script
---@field sink sbx.Sink|nil    callbacks
---@field on_refused (fun(raw: table))|nil  tells of a refusal that was seen
---@field on_exit function|nil
---@field outcome table|nil    {result, err, output} once it has ended
---@field pending table|nil    pieces that a poll has read and `chunks` will give
---@field given table          bytes of each stream that an iterator gave
---@field live boolean         the core gives output as events
---@field busy boolean         inside a callback of its own
---@field asked boolean|nil     `kill` has sent a signal of its own before the order to end

---@return sbx.JobState
function M.new(handle, spec, on_exit)
  return {
    handle = handle, spec = spec, on_exit = on_exit, sink = stream.sink(spec.o),
    on_refused = evidence.teller(spec),
    given = { stdout = 0, stderr = 0 }, live = false, busy = false,
  }
end

function M.set_live(state, live)
  if state.live ~= live then
    state.handle:live(live)
    state.live = live
  end
end

---------------------------------------------------------------------------------------------------
-- The end

-- The command may have died of what `kill` sent first before the order came: the ending that was
-- asked for wins.
local function raw_of(state)
  local raw = state.handle:result()
  if state.asked and (raw.ended_by == "signal" or raw.ended_by == "exit") then
    raw.ended_by, raw.exit_code, raw.signal = "cancelled", 137, nil
  end
  return raw
end

-- The one end: it stands before the audit is told of it, which may fail.
local function conclude(state, ...)
  state.outcome = { ... }
  state.handle:close()
  if not state.spec.o.audit then return end
  state.outcome = { require("sbx.audit").finish(state.spec, ...) }
end

local function finish(state)
  if state.outcome then return end
  conclude(state, result.make(raw_of(state), state.spec))
  local r, err, out = unpack(state.outcome, 1, 3)
  core.expect()
  state.busy = true
  if state.sink then state.sink:finish() end
  local on_exit = state.on_exit
  state.on_exit = nil
  if on_exit then on_exit(r, err, out) end
  state.busy = false
end

--- What `job:wait()` returns.
function M.outcome(state)
  return unpack(state.outcome, 1, 3)
end

--- Ends the tree without telling anybody: callbacks may be what failed.
function M.close(state)
  if state.outcome then return end
  local handle, ended = state.handle
  handle:live(false)
  handle:kill()
  local stop = core.now() + CLOSE_MS
  repeat
    while state.spec.on_connect and handle:question() do end -- nobody decides any more
    ended = handle:pump(math.ceil(math.max(0, stop - core.now())))
  until ended or core.now() >= stop
  if ended then
    conclude(state, result.make(raw_of(state), state.spec))
  else
    conclude(state, result.closed(state.spec))
  end
end

-- What failed first is what the caller hears of.
local function settle(state, ok, ...)
  if ok then return ... end
  state.busy = false
  pcall(M.close, state)
  error((...), 0)
end

--- Runs fn(state, …). An error in it (a callback's, or lua's "interrupted!") closes the job.
function M.guarded(state, fn, ...)
  if state.busy then errors.throw("a job can't be waited for inside its own callback") end
  return settle(state, pcall(fn, state, ...))
end

---------------------------------------------------------------------------------------------------
-- Turns

local function tell(state, event, name, text)
  local sink = state.sink
  if not sink then return end
  state.busy = true
  if event == "output" then sink:output(name, text) else sink:eof(name) end
  state.busy = false
end

local function tell_refused(state, raw)
  if not state.on_refused then return end
  state.busy = true
  state.on_refused(raw)
  state.busy = false
end

local function next_event(state)
  local event, name, text = state.handle:step()
  while event == "seen" do
    tell_refused(state, name)
    event, name, text = state.handle:step()
  end
  return event, name, text
end

local function listens(state)
  return state.on_refused ~= nil or state.sink ~= nil and state.sink:listens()
end

-- Addresses that a command wants and nobody listed: only `true` is a yes, and an error is a no. Who
-- asked waits for a second; a later answer finds nobody.
local function decide(state)
  local ask = state.spec.on_connect
  local asked = ask and state.handle:question()
  while asked do
    local id = asked.id
    asked.id = nil
    state.busy = true
    local ok, answer = pcall(ask, asked)
    state.busy = false
    state.handle:answer(id, ok and answer == true)
    if not ok then state.spec.callback_error = state.spec.callback_error or tostring(answer) end
    asked = state.handle:question()
  end
end

--- Takes one event; callbacks hear of it.
function M.take(state)
  if state.outcome then return "end" end
  local event, name, text = next_event(state)
  decide(state)
  if event == "end" then
    finish(state)
  elseif event then
    tell(state, event, name, text)
  end
  return event, name, text
end

-- One turn without waiting; true once the job has ended.
local function turn(state)
  if state.outcome then return true end
  local live = listens(state)
  M.set_live(state, live)
  if not live then
    local ended = state.handle:pump(0)
    decide(state)
    if not ended then return false end
    finish(state)
    return true
  end
  for _ = 1, TURN do
    local event = M.take(state)
    if event == "end" then return true end
    if not event then return false end
  end
  return false
end

-- Waits at most ms for something to do.
local function pause(state, job, wait, ms)
  if not wait then
    state.handle:poll(ms)
    return
  end
  local due = state.handle:timeout()
  if due and (not ms or due < ms) then ms = due end
  loop.wait(wait, job, ms)
end

local function run_blocking(state)
  -- pump comes back at a signal, so that lua's hook can raise "interrupted!" here
  while not state.handle:pump() do decide(state) end
  finish(state)
end

--- Goes on until it has ended.
function M.run_to_end(state, job, wait)
  while not state.outcome do
    if not wait and not listens(state) then
      M.set_live(state, false)
      run_blocking(state)
    elseif not turn(state) then
      pause(state, job, wait)
    end
  end
end

---------------------------------------------------------------------------------------------------
-- Polling

-- Pieces read by a poll are kept for `chunks`, as many as the capture itself would keep.
local function keep_pending(state, name, text)
  local pending = state.pending or { first = 1, last = 0, bytes = 0 }
  state.pending = pending
  pending.last = pending.last + 1
  pending[pending.last] = { name, text }
  pending.bytes = pending.bytes + #text
end

local function has_room(state)
  local most = state.spec.o.max_output_bytes
  return not state.pending or not most or state.pending.bytes < most
end

-- A turn of a job that nobody listens to: what it prints may still be asked for.
local function quiet_turn(state)
  if state.sink then return turn(state) end
  for _ = 1, TURN do
    M.set_live(state, has_room(state))
    if not state.live then return turn(state) end
    local event, name, text = M.take(state)
    if event == "end" then return true end
    if not event then return false end
    if event == "output" then keep_pending(state, name, text) end
  end
  return false
end

--- Goes on until it has ended (true) or the clock says `stop`.
function M.poll_until(state, job, stop, wait)
  while not quiet_turn(state) do
    local left = stop - core.now()
    if left <= 0 then return false end
    pause(state, job, wait, math.ceil(left))
  end
  return true
end

---------------------------------------------------------------------------------------------------
-- Pieces

--- Counts what an iterator gives.
function M.give(state, name, text)
  state.given[name] = state.given[name] + #text
  return name, text
end

--- A piece that a poll had to read, and nobody was given yet.
function M.next_pending(state)
  local pending = state.pending
  if not pending then return nil end
  local piece = pending[pending.first]
  pending[pending.first] = nil
  pending.first = pending.first + 1
  pending.bytes = pending.bytes - #piece[2]
  if pending.first > pending.last then state.pending = nil end
  return piece[1], piece[2]
end

-- After the end: what the result kept and nobody was given yet. Where something was left out of the
-- middle, a place in the stream is no place in what was kept.
local function next_captured(state)
  local out = state.outcome[1] or state.outcome[3]
  for _, name in ipairs({ "stdout", "stderr" }) do
    local from = state.given[name] + 1
    if from == 1 or out.truncated[name] == 0 or state.rereading then
      local text = out[name]:sub(from, from + 8191)
      state.rereading = out.truncated[name] > 0 and #text > 0
      if #text > 0 then return name, text end
    end
  end
end

local function next_live(state, job, wait)
  M.set_live(state, true)
  while true do
    local event, name, text = M.take(state)
    if event == "output" then return name, text end
    if event == "end" then return nil end
    if not event then pause(state, job, wait) end
  end
end

--- The next piece for an iterator; nil at the end.
function M.next_piece(state, job)
  local name, text = M.next_pending(state)
  if not name and not state.outcome then
    name, text = M.guarded(state, next_live, job, loop.waiter(state.spec.o.loop))
  end
  if not name then name, text = next_captured(state) end
  if name then return M.give(state, name, text) end
end

return M
