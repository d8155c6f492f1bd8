-- The audit of a run: its policy, what was refused, how it ended, as lines of JSON. Each names the
-- digest (SHA-256, of the line without its newline) of the one before, so that a line that was
-- changed or taken out shows.

local core = require "sbx.core"
local errors = require "sbx.errors"
local json = require "sbx.json"
local paths = require "sbx.paths"

local M = {}

local FIRST = ("0"):rep(64)

-- The chain of a function: the digest of the last line that it was given.
local last_of = setmetatable({}, { __mode = "k" })

---------------------------------------------------------------------------------------------------
-- Lines

local NAMES = {
  "event", "run", "time", "command", "cwd", "call_id", "justification",
  "with_escalated_permissions", "policy", "policy_sha256", "plan_sha256", "sandbox", "evidence",
  "status", "exit_code", "signal", "duration_ms", "usage", "verdict", "reason", "leftover", "error",
}

-- What stands behind `{"v":1,"prev":"…"`: the fields that are there, in order.
local function body_of(event)
  local names = {}
  for _, name in ipairs(NAMES) do
    if event[name] ~= nil then names[#names + 1] = name end
  end
  return "\"," .. json.encode(event, names):sub(2)
end

local HEAD = "{\"v\":1,\"prev\":\""

local function to_function(audit, event)
  local prev = last_of[audit] or FIRST
  local line = HEAD .. prev .. body_of(event)
  event.v, event.prev, event.line, event.hash = 1, prev, line, core.sha256(line)
  local hash = event.hash
  audit(event)
  last_of[audit] = hash -- one that failed has not taken the line
  return true
end

local function to_file(path, event)
  local ok, raw = core.log_append(path, HEAD, body_of(event))
  if ok then return true end
  return errors.fail("sandbox", "audit: " .. tostring(raw.message),
                     { step = "audit", code = raw.code })
end

local function write(audit, event)
  if type(audit) == "function" then return to_function(audit, event) end
  return to_file(audit, event)
end

---------------------------------------------------------------------------------------------------
-- Events

-- A function of a policy (on_connect) has no text: that there is one stands in the digest.
local function plain(value)
  if type(value) == "function" then return "function" end
  if type(value) ~= "table" then return value end
  local copy = {}
  for name, one in pairs(value) do copy[name] = plain(one) end
  return copy
end

local function digest_of(value) return core.sha256(json.encode(plain(value))) end

local count = 0

local function run_id()
  count = count + 1
  return core.sha256(table.concat({ core.environ().HOME or "", tostring(core.now()), count,
                                    tostring({}) }, "|")):sub(1, 16)
end

-- What a command may write it may rewrite.
local function check_place(path, plan)
  if plan.type == "none" then return true end
  for _, root in ipairs(plan.writable or {}) do
    if paths.covers(root.path, path) then
      return errors.fail("invalid_input", string.format("audit %s lies in %s, which the command may"
                         .. " write: it could change what was noted of it", path, root.path))
    end
  end
  return true
end

local function absolute(path)
  if path:sub(1, 1) == "/" then return path end
  local own = core.cwd()
  return own and paths.join(own, path) or path
end

local function place_of(path)
  local parent, name = paths.split(paths.clean(absolute(path)))
  if not parent then return nil end
  local real = core.world():realpath(parent)
  return paths.join(real or parent, name)
end

--- Notes the start of a run, before it; nil, err where that can't be: then nothing is to run.
---@param spec table  of run.lua
---@return true|nil, sbx.Error?
function M.start(spec)
  local o, kept = spec.o, spec.kept
  if not o.audit then return true end
  spec.audit = o.audit
  if type(o.audit) == "string" then
    spec.audit = place_of(o.audit) or o.audit -- the host may go elsewhere before the end
    local ok, err = check_place(spec.audit, kept.plan)
    if not ok then return nil, err end
  end
  spec.run_id = run_id()
  return write(spec.audit, {
    event = "start", run = spec.run_id, time = core.time(), command = o.argv, cwd = spec.cwd,
    call_id = o.call_id, justification = o.justification,
    with_escalated_permissions = o.with_escalated_permissions, policy = kept.plan.policy,
    policy_sha256 = digest_of(kept.policy), plan_sha256 = digest_of(kept.plan),
  })
end

local function note_evidence(spec, out)
  for _, entry in ipairs(out.denial.evidence) do
    local ok, err = write(spec.audit, {
      event = "refused", run = spec.run_id, time = core.time(), evidence = entry,
    })
    if not ok then return nil, err end
  end
  return true
end

local function error_of(err)
  return err and { kind = err.kind, message = err.message, code = err.code, step = err.step } or nil
end

local function end_of(spec, out, err)
  local event = { event = "end", run = spec.run_id, time = core.time(), error = error_of(err),
                  status = "not_started" }
  if not out then return event end
  event.status, event.exit_code, event.signal = out.status, out.exit_code, out.signal
  event.duration_ms, event.usage, event.leftover = out.duration_ms, out.usage, out.leftover
  event.verdict, event.reason = out.denial.verdict, out.denial.reason
  event.sandbox = { type = out.sandbox.type, tier = out.sandbox.tier }
  return event
end

--- Notes what was refused and the end; gives what `job:wait()` is to return.
---@return sbx.Result|nil, sbx.Error?, sbx.Result?
function M.finish(spec, result, err, output)
  if not spec.o.audit or not spec.run_id then return result, err, output end
  local out = result or output
  local ok, why = true, nil
  if out then ok, why = note_evidence(spec, out) end
  if ok then ok, why = write(spec.audit, end_of(spec, out, err)) end
  if ok then return result, err, output end
  why.output = out
  return nil, why, out
end

return M
