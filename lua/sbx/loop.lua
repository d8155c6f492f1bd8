-- Who waits while a command runs: poll(2) in C, or a function of the host's event loop that may
-- yield.

local errors = require "sbx.errors"
local kinds = require "sbx.kinds"

local M = {}

-- Long enough not to matter, short enough that a loop which loses a wake-up comes back by itself.
local LONGEST_WAIT_MS = 60000

local default_wait = nil

--- `sbx.use`: how to wait from now on. "poll" (or nil) is poll(2).
function M.use(way)
  if way == nil then way = "poll" end
  local wait, _, later = kinds.loop(way, "sbx.use")
  if later then errors.throw(tostring(later)) end
  default_wait = wait ~= "poll" and wait or nil
end

-- Lua 5.1 has no isyieldable; its main thread is the one for which running() gives nil.
local yieldable = coroutine.isyieldable or function()
  local thread, main = coroutine.running()
  return thread ~= nil and not main
end

--- The wait function for here and now, or nil for blocking: outside a coroutine the loop must not
--- be entered a second time from inside one of its own callbacks.
---@param chosen function|"poll"|nil  the option `loop`
---@return (fun(job: sbx.Job, ms: number): boolean)|nil
function M.waiter(chosen)
  local wait = default_wait
  if chosen ~= nil then wait = chosen ~= "poll" and chosen or nil end
  if wait and yieldable() then return wait end
end

--- Waits once. `ms` is given to the host's function as a number always.
function M.wait(wait, job, ms)
  if not ms or ms > LONGEST_WAIT_MS then ms = LONGEST_WAIT_MS end
  return wait(job, ms)
end

return M
