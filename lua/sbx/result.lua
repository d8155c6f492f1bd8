-- The raw end of a job as the interface tells it: one plain result, and the error that goes with
-- it. The order is settled: time-out, limit, signal, denial, success.

local core = require "sbx.core"
local errors = require "sbx.errors"
local evidence = require "sbx.evidence"
local limits = require "sbx.limits"
local paths = require "sbx.paths"
local scripts = require "sbx.scripts"
local shellline = require "sbx.shellline"
local suggesting = require "sbx.suggesting"

local M = {}

---@class sbx.Denial
---@field verdict "none"|"likely"|"confirmed"  whether a refusal is why the command failed
---@field evidence sbx.Evidence[]  refused accesses that were seen; empty without a watch
---@field failures sbx.Failure[]   processes that exited with another status than 0, the last 64
---@field watched boolean          whether somebody looked
---@field dropped integer          refusals beyond those that are kept
---@field unread integer           calls that could not be looked at: of programs whose memory can't
---  be read, or on file systems whose server might never answer
---@field command integer?          the command's pid as evidence and failures number it
---@field reason string?    why the denial script judges so
---@field callback_error string?  what on_connect threw first: an error is a no
---@field suggest table?    a policy that would allow what was refused; nil where nothing should

---@class sbx.Sandbox
---@field type "linux-seccomp"|"none"|"macos-seatbelt"|"windows-restricted-token"
---@field tier string    "contained", "landlock", "none", "seatbelt"
---@field policy string  its name
---@field enforced table<string, string>  by property (as in `require`): the layers that hold it
---@field missing {property: string, reason: string}[]  what is not held, and why

---@class sbx.Usage  of the whole tree, with all that was orphaned or killed (getrusage(2)); not of
---  children whose parent ignores SIGCHLD
---@field user_ms number
---@field system_ms number
---@field max_rss_bytes integer  what `memory_by` says: "waited": of the largest single process;
---  "sampled": of all at a time, shared memory counted once where that matters; "cgroup": of all at
---  a time, with the files that they have cached
---@field memory_by "waited"|"sampled"|"cgroup"
---@field processes integer  that were started; what `processes_by` says: "pid_namespace": all,
---  threads too; "waited": the command and its orphans, those waited for by another are not seen
---@field processes_by "pid_namespace"|"waited"
---@field voluntary_switches integer
---@field involuntary_switches integer
---@field read_bytes integer?  by calls, from whatever; nil where the kernel doesn't count (io)
---@field written_bytes integer?  likewise
---@field storage_read_bytes integer  from block devices
---@field storage_written_bytes integer

---@class sbx.Result
---@field status "ok"|"failed"|"denied"|"timeout"|"signal"|"limit"|"cancelled"
---@field exit_code integer  128 + n for a signal n, 124 for a time-out, 137 where it was cancelled;
---  of a limit 137, or 128 + the signal, or the command's own where it failed after a refusal
---@field signal integer?    that the command died of by itself
---@field stdout string      the bytes as they came; head and tail where `truncated` says so
---@field stderr string      empty with merge_stderr
---@field aggregated_output string  both streams in the order in which they were read
---@field duration_ms number  from execve to the end of the command
---@field setup_ms number     from the call to execve
---@field timed_out boolean   at timeout_ms
---@field truncated {stdout: integer, stderr: integer, aggregated_output: integer}  bytes left out
---@field usage sbx.Usage|{}  empty where a job was closed
---@field sandbox sbx.Sandbox
---@field denial sbx.Denial
---@field env_dropped string[]  names of the host's variables that the command did not get, sorted
---@field leftover integer      processes that outlived the command and were killed
---@field call_id string?       this and the next two as they were given
---@field justification string?
---@field with_escalated_permissions boolean?

local VERDICTS = { none = true, likely = true, confirmed = true }

local signal_names = {}
for name, number in pairs(core.signals) do
  -- IOT and POLL are second names of ABRT and IO: the shorter word order keeps the answer stable
  if not signal_names[number] or name < signal_names[number] then signal_names[number] = name end
end

local function signal_words(number)
  local name = signal_names[number]
  return name and string.format("signal %d (SIG%s)", number, name)
    or string.format("signal %d", number)
end

-- A result belongs to its receiver: nothing in it may be shared with the next one.
local function copy_list(list)
  local copy = {}
  for i, entry in ipairs(list) do copy[i] = entry end
  return copy
end

local function copy_map(map)
  local copy = {}
  for key, value in pairs(map) do copy[key] = value end
  return copy
end

--- `{type, tier, policy, enforced, missing}` for a result or an exec.
function M.sandbox(held)
  local missing = {}
  for i, entry in ipairs(held.missing) do
    missing[i] = { property = entry.property, reason = entry.reason }
  end
  return {
    type = held.type, tier = held.tier, policy = held.policy,
    enforced = copy_map(held.enforced), missing = missing,
  }
end

---------------------------------------------------------------------------------------------------
-- How it ended: each gives the status and the error's kind, message and fields.

local ENDINGS = {}

function ENDINGS.timeout(_, spec)
  return "timeout", "timeout", string.format("killed after %d ms", spec.o.timeout_ms or 0), {}
end

function ENDINGS.idle_timeout(_, spec)
  return "limit", "limit",
    string.format("killed after %d ms without output", spec.o.idle_timeout_ms or 0),
    { limit = "idle_timeout_ms" }
end

local function limit_of(raw, spec)
  local held = spec.held and spec.held.enforced.limits
  return limits.of_end(raw, (spec.plan or {}).limits or {}, core.signals, held)
end

local function limited(raw, spec)
  local limit, message = limit_of(raw, spec)
  if limit then return "limit", "limit", message, { limit = limit, signal = raw.signal } end
end

ENDINGS.bound = limited

function ENDINGS.cancelled()
  return "cancelled", "cancelled", "the job was ended by its host", {}
end

function ENDINGS.signal(raw)
  return "signal", "signal", "died of " .. signal_words(raw.signal), { signal = raw.signal }
end

function ENDINGS.protect(raw)
  return "failed", "sandbox", (raw.detail or "a protected name") .. " was replaced from outside"
    .. " during the run: what stands there now was not protected, so the run was ended",
    { step = "protect" }
end

function ENDINGS.supervisor(raw)
  return "failed", "sandbox", raw.message or "the supervisor was lost during the run",
    { step = "supervisor" }
end

---------------------------------------------------------------------------------------------------

-- Throws for what is no verdict.
local function verdict_of(denial, sandbox_type, output, seen, watched)
  local verdict, reason, cause
  if denial.judge then
    verdict, reason, cause = denial.judge(sandbox_type, output, seen, watched)
  else
    verdict, reason = denial.is_likely_sandbox_denied(sandbox_type, output)
    if type(verdict) ~= "boolean" then
      error("is_likely_sandbox_denied must give a boolean, not " .. type(verdict), 0)
    end
    verdict = verdict and "likely" or "none"
  end
  if not VERDICTS[verdict] then
    error("judge gave the verdict " .. tostring(verdict) .. ", not none, likely or confirmed", 0)
  end
  return verdict, reason ~= nil and tostring(reason) or nil, cause
end

--- The denial script's verdict; what it throws or talks nonsense about is a `policy` error.
---@return string|nil verdict, string|sbx.Error|nil reason, table|nil cause  of the evidence
function M.judge(denial, ...)
  local verdict, reason, cause = scripts.call(denial, verdict_of, denial, ...)
  if not verdict then return nil, errors.adopt(reason) end
  return verdict, reason, cause
end

-- Read from its end, so that its length costs nothing: the command decides how much it writes.
local function last_line(text)
  local line = text:sub(-4096):reverse():match("^\n*([^\n]+)")
  return line and line:reverse()
end

local function denied(out, reason)
  local said = last_line(out.stderr) or last_line(out.stdout)
  local sure = out.denial.verdict == "confirmed" and "" or "likely "
  local message = string.format("the sandbox is %swhy the command exited with %d", sure,
                                out.exit_code)
  if reason then message = message .. " (" .. reason .. ")" end
  if said then message = message .. ": " .. said:sub(1, 512) end
  return errors.new("denied", message, { output = out })
end

-- What a judge gets to see of a run: the refusals, and beside them how its processes ended.
local function seen_of(out, spec)
  local seen = evidence.for_judge(out.denial)
  seen.command = spec.o.argv
  seen.read = function(path)
    return (core.fs_read(paths.join(spec.cwd, path), shellline.MOST_BYTES))
  end
  return seen
end

local function judge_exit(out, spec)
  if out.exit_code == 0 then
    out.status = "ok"
    return out
  end
  local verdict, reason, cause = M.judge(spec.denial, spec.held.type, out, seen_of(out, spec),
                                         out.denial.watched or false)
  if not verdict then
    out.status, reason.output = "failed", out
    return nil, reason, out
  end
  out.denial.verdict, out.denial.reason = verdict, reason
  if type(cause) == "table" then cause.cause = true end
  if verdict == "none" then
    out.status = "failed"
    return out
  end
  out.status = "denied"
  return nil, denied(out, reason), out
end

local function base(raw, spec)
  local o = spec.o
  return {
    exit_code = raw.exit_code,
    signal = raw.ended_by == "signal" and raw.signal or nil,
    stdout = raw.stdout, stderr = raw.stderr, aggregated_output = raw.aggregated_output,
    duration_ms = raw.duration_ms, setup_ms = raw.setup_ms,
    timed_out = raw.ended_by == "timeout",
    truncated = raw.truncated, usage = raw.usage, leftover = raw.leftover,
    sandbox = spec.sandbox,
    denial = evidence.denial(raw, spec),
    env_dropped = copy_list(spec.env_dropped),
    call_id = o.call_id, justification = o.justification,
    with_escalated_permissions = o.with_escalated_permissions,
  }
end

-- What would help depends on which refusal was why.
local function with_grants(out, spec, ...)
  suggesting.note(out.denial, spec)
  return ...
end

--- What `job:wait()` returns: the result, or nil, the error, and the result.
---@return sbx.Result|nil, sbx.Error?, sbx.Result?
function M.make(raw, spec)
  local out = base(raw, spec)
  local ending = limit_of(raw, spec) and limited or ENDINGS[raw.ended_by]
  if not ending then return with_grants(out, spec, judge_exit(out, spec)) end
  local status, kind, message, fields = ending(raw, spec)
  out.status, fields.output = status, out
  return with_grants(out, spec, nil, errors.new(kind, message, fields), out)
end

-- For a job whose raw result was lost when it had to be closed.
local CLOSED = {
  ended_by = "cancelled", exit_code = 137, stdout = "", stderr = "", aggregated_output = "",
  duration_ms = 0, setup_ms = 0, leftover = 0,
}

function M.closed(spec)
  local raw = copy_map(CLOSED)
  raw.truncated = { stdout = 0, stderr = 0, aggregated_output = 0 }
  raw.usage = {}
  return M.make(raw, spec)
end

return M
