-- A running command as the host sees it: the methods of the interface.

local core = require "sbx.core"
local errors = require "sbx.errors"
local kinds = require "sbx.kinds"
local lists = require "sbx.lists"
local loop = require "sbx.loop"
local result = require "sbx.result"
local stream = require "sbx.stream"
local turns = require "sbx.turns"

local M = {}

-- Methods called without a job throw; so does anything but what their `@param` say.

---@class sbx.Job
---@field pid integer          as the host sees it (in its own PID namespace)
---@field sandbox sbx.Sandbox  what is in force: the same table as `result.sandbox`
---@field plan sbx.Plan        what the policy came to, as `exec.plan`; not to be written to
---@field state sbx.JobState   private
local Job = { __name = "sbx.Job" }
Job.__index = Job

-- `kill("TERM")` without a grace of its own would be SIGKILL at once.
local TERM_GRACE_MS = 2000

---@param handle userdata  the core's job
---@param spec table       what is run: `o`, `held`, `plan`, `denial`, `env_dropped`
---@param on_exit function?
---@return sbx.Job
function M.new(handle, spec, on_exit)
  spec.sandbox = result.sandbox(spec.held)
  return setmetatable({
    pid = handle:pid(), sandbox = spec.sandbox, plan = spec.plan,
    state = turns.new(handle, spec, on_exit),
  }, Job)
end

---------------------------------------------------------------------------------------------------
-- Waiting

--- Until the command and its tree have ended. Yields where a loop is in use (`sbx.use`). A second
--- call gives the same. An error thrown in a callback closes the job and goes on to the caller.
---@return sbx.Result|nil result   nil with an error, also where there is a result
---@return sbx.Error? err  kind "denied", "timeout", "signal", "limit", "cancelled"; "sandbox" (step
---  "supervisor" or "protect": lost during the run); "policy" (the denial script failed)
---@return sbx.Result? output      the result that belongs to the error
function Job:wait()
  local state = self.state
  if not state.outcome then
    turns.guarded(state, turns.run_to_end, self, loop.waiter(state.spec.o.loop))
  end
  return turns.outcome(state)
end

-- As for an option, but thrown: a loop on `nil, err` of poll would never end. A part of one counts
-- as one.
local function milliseconds(value, name)
  local ms, problem = kinds.number(math.ceil(value), name, { low = 0 })
  if problem then errors.throw(problem) end
  return ms
end

--- Whether it has ended; callbacks are told of what came meanwhile.
---@param ms number?  milliseconds to wait for it, 0
---@return boolean ended
function Job:poll(ms)
  local state = self.state
  if ms ~= nil and type(ms) ~= "number" then
    errors.throw("job:poll takes a number of milliseconds, not " .. type(ms))
  end
  ms = milliseconds(ms or 0, "ms of job:poll")
  if state.outcome then return true end
  local stop = core.now() + ms
  return turns.guarded(state, turns.poll_until, self, stop, loop.waiter(state.spec.o.loop))
end

---------------------------------------------------------------------------------------------------
-- Iterators

local function refuse_with_callbacks(job, method)
  if job.state.sink then
    errors.throw("job:" .. method .. "() and on_output or on_line exclude each other: use one")
  end
end

--- `for stream, chunk in job:chunks()`: pieces as they come, at most 8192 bytes each; the result
--- still has all. Throws beside on_output or on_line.
---@return fun(): "stdout"|"stderr"|nil, string?
function Job:chunks()
  refuse_with_callbacks(self, "chunks")
  return function() return turns.next_piece(self.state, self) end
end

local function last_lines(splitters, lines)
  for _, name in ipairs({ "stdout", "stderr" }) do
    local rest = splitters[name]:rest()
    if rest then lines[#lines + 1] = { name, rest } end
  end
end

--- `for stream, line in job:lines()`: whole lines without their newline, and the last partial one;
--- one of more than `max_output_bytes` comes in parts. Throws beside on_output or on_line.
---@return fun(): "stdout"|"stderr"|nil, string?
function Job:lines()
  refuse_with_callbacks(self, "lines")
  local longest = self.state.spec.o.max_output_bytes
  local splitters = { stdout = stream.splitter(longest), stderr = stream.splitter(longest) }
  local lines, first, ended = {}, 1, false
  return function()
    while first > #lines and not ended do
      lines, first = {}, 1
      local name, text = turns.next_piece(self.state, self)
      if not name then
        ended = true
        last_lines(splitters, lines)
      else
        for _, line in ipairs(splitters[name]:feed(text, {})) do
          lines[#lines + 1] = { name, line }
        end
      end
    end
    local line = lines[first]
    if not line then return nil end
    first = first + 1
    return line[1], line[2]
  end
end

---------------------------------------------------------------------------------------------------
-- Input and signals

local TAKES_NO_MORE = { EPIPE = "stdin is closed", ESRCH = "the command has ended" }

--- What the command didn't take: kind "spawn", with errno as `code`.
---@param step "stdin"|"signal"
---@param raw {code: string, message: string?}
---@return nil, sbx.Error
function M.not_taken(step, raw)
  return errors.fail("spawn", TAKES_NO_MORE[raw.code] or raw.message or raw.code,
                     { code = raw.code, step = step })
end

--- Queues input and never blocks; nil closes stdin once all that is queued is written. Throws
--- without stdin = true.
---@param data string|nil
---@return true|nil ok
---@return sbx.Error? err  kind "spawn", step "stdin"; code EPIPE: closed, or the command has ended
function Job:write(data)
  local state = self.state
  if state.spec.o.stdin ~= true then
    errors.throw("job:write needs stdin = true in the options")
  end
  if data ~= nil and type(data) ~= "string" then
    errors.throw("job:write takes a string, or nil to close stdin, not " .. type(data))
  end
  if state.outcome then return M.not_taken("stdin", { code = "EPIPE" }) end
  if data == nil then
    state.handle:close_stdin()
    return true
  end
  local ok, raw = state.handle:write(data)
  if ok then return true end
  return M.not_taken("stdin", raw)
end

local function signal_number(signal)
  if type(signal) == "string" then
    local number = core.signals[signal] or core.signals[signal:match("^SIG(.+)$") or ""]
    if number then return number end
    errors.throw(errors.unknown("signal", signal, lists.names(core.signals)))
  end
  if type(signal) ~= "number" then
    errors.throw("a signal is a name or a number, not " .. type(signal))
  end
  if signal ~= math.floor(signal) or signal < 1 or signal > 64 then
    errors.throw("there is no signal " .. tostring(signal))
  end
  return math.floor(signal)
end

local function grace_of(options)
  for key, value in pairs(options) do
    if key ~= "grace_ms" then
      errors.throw(errors.unknown("option of kill", key, { "grace_ms" }))
    end
    if type(value) ~= "number" then
      errors.throw("grace_ms must be a number of milliseconds, not " .. type(value))
    end
  end
  return milliseconds(options.grace_ms or 0, "grace_ms")
end

-- What to send first, and the grace: a named signal is given time to work before KILL.
local function kill_plan(state, how)
  if how == nil then return nil, state.spec.o.kill_grace_ms end
  if type(how) == "table" then return nil, grace_of(how) end
  local number = signal_number(how)
  if number == core.signals.KILL then return nil, 0 end
  local grace = state.spec.o.kill_grace_ms
  if grace == 0 then grace = TERM_GRACE_MS end
  return number ~= core.signals.TERM and number or nil, grace
end

-- A command that is over, but was not looked at since, is not to be called cancelled.
local function over(state, job)
  if state.outcome then return true end
  return not state.busy and turns.guarded(state, turns.poll_until, job, core.now())
end

--- Ends the whole tree; after the end it does nothing. What is sent:
---   kill()                SIGKILL to every process; with the option kill_grace_ms as the next
---   kill({grace_ms = n})  SIGTERM and SIGCONT to every process, SIGKILL n ms later to what is left
---   kill("TERM")          the same with kill_grace_ms, or 2000 ms where that is 0
---   kill("INT")           SIGINT to the command alone, then at once all of kill("TERM")
---   kill("KILL")          SIGKILL to every process
---@param how string|integer|{grace_ms: number}|nil  a signal's name ("TERM", "SIGTERM") or number
---@return true
function Job:kill(how)
  local state = self.state
  local first, grace = kill_plan(state, how)
  if over(state, self) then return true end
  if first and state.handle:signal(first) then state.asked = true end
  if grace > 0 then state.handle:kill(grace) else state.handle:kill() end
  return true
end

--- Delivers a signal to the command alone (kill(2)) and decides nothing.
---@param signal string|integer
---@return true|nil ok
---@return sbx.Error? err  kind "spawn", step "signal"; code ESRCH: it has ended
function Job:signal(signal)
  local number = signal_number(signal)
  if self.state.outcome then return M.not_taken("signal", { code = "ESRCH" }) end
  local ok, raw = self.state.handle:signal(number)
  if ok then return true end
  return M.not_taken("signal", raw)
end

--- Not in this version: there is no pty.
---@return nil, sbx.Error  kind "unsupported"
function Job.resize()
  return nil, errors.later("job:resize (a pty)")
end

--- Kills what is left of the tree and tells no callback. A closed job's wait gives the error
--- "cancelled". `<close>` and the collector do the same.
function Job:close()
  turns.close(self.state)
end

Job.__close = Job.close

---------------------------------------------------------------------------------------------------
-- For event loops: `pollfd`, `events`, `timeout` are what cqueues asks of an object that it polls
-- (its manual, "cqueues.poll")

--- One descriptor to poll for reading, the same during all of the run; nil once it has ended.
---@return integer|nil
function Job:pollfd()
  if self.state.outcome then return nil end
  return self.state.handle:pollfd()
end

--- What to poll for: reading.
---@return "r"
function Job.events()
  return "r"
end

--- Seconds (not milliseconds: it is cqueues' protocol) until `step` is due although nothing can be
--- read; 0 once it has ended, nil where nothing is due.
---@return number|nil
function Job:timeout()
  if self.state.outcome then return 0 end
  local ms = self.state.handle:timeout()
  return ms and ms / 1000 or nil
end

local function step(state)
  if not state.sink then turns.set_live(state, true) end
  return turns.take(state)
end

--- One turn without waiting; callbacks are told of it. nil: nothing to do now.
---@return "output"|"eof"|"end"|nil event
---@return "stdout"|"stderr"|nil stream  of "output" and "eof"
---@return string? text                  of "output"
function Job:step()
  local state = self.state
  local name, text = turns.next_pending(state)
  if name then
    turns.give(state, name, text)
    return "output", name, text
  end
  if state.outcome then return "end" end
  local event
  event, name, text = turns.guarded(state, step)
  if event == "output" then turns.give(state, name, text) end
  return event, name, text
end

-- `job.wait()` for `job:wait()` is an easy slip, and its error would name our fields.
local function checked(name, method)
  return function(self, ...)
    if getmetatable(self) ~= Job then
      errors.throw(string.format("job:%s is called on a job, not %s (write it with a colon)", name,
                                 type(self)))
    end
    return method(self, ...)
  end
end

for _, name in ipairs({
  "wait", "poll", "chunks", "lines", "write", "kill", "signal", "resize", "close", "pollfd",
  "events", "timeout", "step",
}) do
  Job[name] = checked(name, Job[name])
end

M.Job = Job

return M
