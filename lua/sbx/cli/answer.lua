-- What came of a run as the one object of --json, and as an exit status.

local M = {}

-- Every field is always there, in this order.
M.FIELDS = {
  "v", "ok", "status", "call_id", "exit_code", "signal", "stdout", "stderr", "aggregated_output",
  "duration_ms", "setup_ms", "timed_out", "truncated", "usage", "sandbox", "denial", "leftover",
  "env_dropped", "error",
}

local FAILED, NOT_EXECUTABLE, NOT_FOUND = 125, 126, 127
local NOT_THERE = { ENOENT = true, ENOTDIR = true }
local SIGPIPE = 13

-- Where the command's own status is the program's too.
local HAS_STATUS = { denied = true, timeout = true, signal = true, cancelled = true, limit = true }

local function status_of_error(err, out)
  if err.kind == "spawn" and err.step == "execve" then
    return NOT_THERE[err.code] and NOT_FOUND or NOT_EXECUTABLE
  end
  if HAS_STATUS[err.kind] and out then return out.exit_code end
  return FAILED
end

---@class sbx.cli.Outcome
---@field err sbx.Error?
---@field out sbx.Result?     where the command had started
---@field signal integer?     that sbxlua itself got
---@field failure string?     why output could not be passed on

---@param outcome sbx.cli.Outcome
---@return integer
function M.status(outcome)
  if outcome.signal then return 128 + outcome.signal end
  if outcome.failure then return outcome.failure == "closed" and 128 + SIGPIPE or FAILED end
  if outcome.err then return status_of_error(outcome.err, outcome.out) end
  return outcome.out.exit_code
end

local TEXTS = { "stdout", "stderr", "aggregated_output" }

local function texts(out, object)
  local json = require("sbx.json")
  object.truncated = {}
  for _, name in ipairs(TEXTS) do
    object[name], object.truncated[name] = json.capped(out[name], out.truncated[name])
  end
end

local COPIED = {
  "status", "exit_code", "signal", "duration_ms", "setup_ms", "timed_out", "usage", "sandbox",
  "denial", "leftover", "env_dropped",
}

local ERROR_FIELDS = { "kind", "message", "code", "step", "limit" }

local function error_of(err)
  if not err then return nil end
  local null = require("sbx.json").null
  local fields = {}
  for _, name in ipairs(ERROR_FIELDS) do
    local value = err[name]
    fields[name] = value == nil and null or value
  end
  return fields
end

local function denial_of(denial)
  local copy = { suggest = require("sbx.json").null }
  for name, value in pairs(denial) do copy[name] = value end
  return copy
end

--- The object for an outcome; `call_id` as it was given, also where nothing ran.
---@param outcome sbx.cli.Outcome
function M.object(outcome, call_id)
  local out, err = outcome.out, outcome.err
  local object = { v = 1, status = "not_started", call_id = call_id, error = error_of(err) }
  if out then
    for _, name in ipairs(COPIED) do object[name] = out[name] end
    object.denial = denial_of(out.denial)
    texts(out, object)
    if outcome.signal then object.exit_code = 128 + outcome.signal end
  end
  object.ok = err == nil and object.exit_code == 0
  return object
end

return M
