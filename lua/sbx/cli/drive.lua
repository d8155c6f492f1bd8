-- A job to its end: output passed on as it comes, no faster than it is taken; signals end the tree.

local core = require("sbx.core")
local program = require("sbxlua.program")

local M = {}

local FDS = { stdout = 1, stderr = 2 }
local QUIET_MS = 2000 -- so long without output, and a person wants to know what runs
local JOINED = 65536 -- what a pipe takes at once
local PATIENCE_MS = 1000 -- after a signal: for a reader that has stopped taking output

---@class sbx.cli.Drive
---@field job sbx.Job
---@field pass boolean            output goes to stdout and stderr
---@field on_quiet function?      called once when nothing was printed for a while
---@field signal integer?         that ended it
---@field failure string?         why output could not be passed on: "closed", or words
---@field patience integer?       ms that a write may take
---@field fds table<string, integer>
---@field deaf boolean            nobody takes output any more
---@field quiet_at number?        when on_quiet is due
---@field stream string?          that `pieces` belong to
---@field pieces string[]         read and not passed on yet
---@field held integer            their bytes

-- The first signal ends the tree; one more, and what is still to be printed is left.
local function cancel(drive)
  local signal = program.pending_signal()
  if drive.signal then drive.deaf = true end
  drive.signal, drive.patience = drive.signal or signal, PATIENCE_MS
  drive.job:kill()
end

local function give_up(drive, why)
  drive.deaf = true
  if why == "timeout" then return end
  drive.failure = why
  drive.job:kill()
end

local function put(drive, stream, text)
  while not drive.deaf do
    local ok, why, done = program.write(drive.fds[stream], text, drive.patience)
    if ok then return end
    text = text:sub(done + 1)
    if why == "signal" then cancel(drive) else give_up(drive, why) end
  end
end

local function flush(drive)
  if drive.held == 0 then return end
  local text = table.concat(drive.pieces)
  drive.pieces, drive.held = {}, 0
  put(drive, drive.stream, text)
end

-- Pieces that wait already are joined: a reader is woken once for many.
local function pass_on(drive, stream, text)
  drive.quiet_at = nil
  if not drive.pass then return end
  if drive.stream ~= stream or drive.held >= JOINED then flush(drive) end
  drive.stream = stream
  drive.pieces[#drive.pieces + 1] = text
  drive.held = drive.held + #text
end

-- ms until something is due besides the job's own events; nil: nothing is.
local function due(drive)
  local own = drive.job:timeout()
  local ms = own and math.ceil(own * 1000)
  if not drive.quiet_at then return ms end
  local left = math.max(0, math.ceil(drive.quiet_at - core.now()))
  return ms and math.min(ms, left) or left
end

local function tell_when_quiet(drive)
  if drive.quiet_at and core.now() >= drive.quiet_at then
    drive.quiet_at = nil
    drive.on_quiet()
  end
end

local function wait(drive)
  flush(drive)
  local happened = program.wait(assert(drive.job:pollfd()), due(drive))
  if happened == "signal" then cancel(drive) end
  tell_when_quiet(drive)
end

-- Each piece is a string: at the usual pace (200) the collector takes a fifth of the time that a
-- gigabyte needs. Until the result is there the heap is small, and four times of it is little.
local SELDOM = 400

--- Until the command and its tree have ended.
---@param pass boolean
---@param on_quiet function?
---@param fds table<string, integer>?  where each stream goes; as it came
---@return integer|nil signal, string|nil failure
function M.run(job, pass, on_quiet, fds)
  local drive = {
    job = job, pass = pass, on_quiet = on_quiet, deaf = false, pieces = {}, held = 0,
    fds = fds or FDS,
  }
  local pace = collectgarbage("setpause", SELDOM)
  if on_quiet then drive.quiet_at = core.now() + QUIET_MS end
  while true do
    local event, stream, text = job:step()
    if event == "output" then pass_on(drive, stream, text)
    elseif event == "end" then break
    elseif not event then wait(drive)
    end
  end
  flush(drive)
  collectgarbage("setpause", pace)
  return drive.signal, drive.failure
end

return M
