-- What the supervisor of a watched run has seen, as evidence. Two sources must agree: the kernel's
-- facts at the time of the call, which the engine has looked at, and the verdict of the plan, which
-- names the rule.

local core = require "sbx.core"
local listeners = require "sbx.listeners"
local surroundings = require "sbx.surroundings"
local verdict = require "sbx.verdict"

local M = {}

---@class sbx.Evidence  a refused access; equal ones are counted
---@field operation string  one of verdict.OPERATIONS
---@field path string?      absolute, links in its parents resolved; for a rename or link the side
---  that was refused
---@field target string?    the other side
---@field address string?   "127.0.0.1:80", "[::1]:80", "unix:/path", "unix:@name"
---@field family string?    of a refused socket: "inet", "netlink", …
---@field kind string?      likewise: "stream", "dgram", "raw", "seqpacket"
---@field errno string      that the command got
---@field rule string       where the deciding entry was written, and its text
---@field layer string      what refused: "read-only mount", "landlock", "seccomp", …
---@field syscall string
---@field pid integer       this, `ppid` and `pids` as the command's own namespace numbers them
---@field ppid integer
---@field pids integer[]    the first that did it and the latest seven
---@field program string    as the first of them calls itself: it may call itself anything
---@field count integer
---@field seq integer       place of the first in the order of all refusals and failures
---@field last integer      place of the last

---@class sbx.Failure  a process of a watched tree that exited with another status than 0
---@field pid integer
---@field ppid integer
---@field program string
---@field code integer
---@field seq integer

local LAYERS = {
  mount = "read-only mount", pin = "mount point", hiding = "hiding mount", landlock = "landlock",
  capabilities = "capabilities", filter = "seccomp", supervisor = "supervisor",
  network = "network namespace",
}

-- What an ordinary user may not do anyway.
local FOR_ROOT = {}
for _, call in ipairs({
  "mount", "umount2", "pivot_root", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount",
  "fspick", "mount_setattr", "open_tree_attr", "467", "setns", "open_by_handle_at", "kexec_load",
  "kexec_file_load", "init_module", "finit_module", "delete_module", "acct", "swapon", "swapoff",
  "reboot", "settimeofday", "clock_settime", "iopl", "ioperm",
}) do
  FOR_ROOT[call] = true
end

-- unshare(2), clone(2): a namespace of the user's own is anybody's, and with it the others.
local NEW_USER = 0x10000000
local RESTRICTED = "/proc/sys/kernel/dmesg_restrict"

-- Whether the kernel would have refused it to this user without a sandbox.
local function is_for_root(work, raw)
  if work.uid == 0 then return false end
  if raw.syscall == "syslog" then
    return (core.fs_read(RESTRICTED) or "0"):find("^1") ~= nil
  end
  local flags = (raw.path or ""):match("^flags:(%x+)$")
  if flags then return math.floor(tonumber(flags, 16) / NEW_USER) % 2 == 0 end
  return FOR_ROOT[raw.syscall] or false
end

-- What the engine has refused by itself needs no second witness.
local SURE = { filter = true, supervisor = true, capabilities = true }

local FAMILIES = {
  [0] = "unspec", "unix", "inet", "ax25", "ipx", "appletalk", "netrom", "bridge", "atmpvc", "x25",
  "inet6", [16] = "netlink", [17] = "packet", [29] = "can", [31] = "bluetooth", [38] = "alg",
  [40] = "vsock", [44] = "xdp",
}
local KINDS = { "stream", "dgram", "raw", "rdm", "seqpacket" }

local ADDRESSED = { connect = true, bind = true, send = true }

---------------------------------------------------------------------------------------------------
-- The rule

local function question(work, operation, subject)
  return {
    plan = work.plan, alternative = work.alternative, policy = work.policy, operation = operation,
    subject = subject, fs = work.fs, cwd = work.cwd,
  }
end

-- What is asked of the plan, and about what.
local function ask(work, entry)
  if entry.operation == "socket" then
    local operation = entry.kind == "dgram" and "send" or "socket"
    local family = entry.family == "unix" and "unix:@x" or entry.family
    return verdict.judge(question(work, operation, family))
  end
  if ADDRESSED[entry.operation] and not entry.address then -- listen
    return verdict.judge(question(work, "socket", "inet"))
  end
  local subject = entry.address or entry.path
  if not subject or entry.layer == "seccomp" and not ADDRESSED[entry.operation] then
    return verdict.judge(question(work, "other", entry.syscall))
  end
  return verdict.judge(question(work, entry.operation, subject))
end

local DROPPED = "default: root's power is dropped"

-- nil where the plan allows what was seen.
local function rule_of(work, entry, by)
  if by == "capabilities" then return DROPPED end
  local found = ask(work, entry)
  if not found or found.allowed and not SURE[by] then return nil end
  return found.rule
end

---------------------------------------------------------------------------------------------------
-- One entry

local function name_socket(entry, text)
  local family, kind = text:match("^socket:(%-?%d+):(%d+):")
  entry.family = FAMILIES[tonumber(family)] or family
  entry.kind = KINDS[tonumber(kind)] or kind
end

local function name_subject(entry, raw)
  if entry.operation == "socket" then
    name_socket(entry, raw.path or "")
  elseif ADDRESSED[entry.operation] then
    entry.address = raw.path
  elseif not (raw.path or ""):find("^flags:") then
    entry.path, entry.target = raw.path, raw.target
  end
end

-- Inside a user namespace with one id every other owner is shown as this one (overflowuid), which
-- may be the caller's own number: then only the host knows who may change a file's metadata.
local OVERFLOW_UID = 65534

local function is_anothers(work, raw)
  if raw.operation ~= "metadata" or work.uid ~= OVERFLOW_UID or not raw.path then return false end
  local found = work.fs.stat(raw.path)
  return found ~= nil and found.uid ~= work.uid
end

local function entry_of(work, raw)
  if is_for_root(work, raw) or is_anothers(work, raw) then return nil end
  local entry = {
    operation = raw.operation, errno = raw.errno, layer = LAYERS[raw.by], syscall = raw.syscall,
    pid = raw.pid, ppid = raw.ppid, pids = raw.pids, program = raw.program, count = raw.count,
    seq = raw.seq, last = raw.last,
  }
  name_subject(entry, raw)
  entry.rule = rule_of(work, entry, raw.by)
  return entry.rule and entry or nil
end

local function work_of(spec)
  local held = spec.kept
  local ctx = held.ctx
  -- a world of its own: what is asked here decides nothing about using the sandbox again
  return {
    plan = held.plan, alternative = held.plan.alternatives[spec.index], policy = held.policy,
    cwd = spec.cwd, uid = ctx.uid,
    fs = surroundings.context(ctx.cwd, held.environ, core.world()).fs,
  }
end

---------------------------------------------------------------------------------------------------

--- Tells the callback of what was seen for the first time; nil where nobody listens.
---@return (fun(raw: table))|nil
function M.teller(spec)
  local callback, work = spec.o.on_refused, nil
  if not callback or not spec.watched then return nil end
  return function(raw)
    work = work or work_of(spec)
    local entry = entry_of(work, raw)
    if entry then callback(entry) end
  end
end

local KINDS_OF_SEEN = {}

function KINDS_OF_SEEN.refused(denial, raw, work)
  denial.evidence[#denial.evidence + 1] = entry_of(work, raw)
end

function KINDS_OF_SEEN.failed(denial, raw)
  denial.failures[#denial.failures + 1] = {
    pid = raw.pid, ppid = raw.ppid, program = raw.program, code = raw.code, seq = raw.seq,
  }
end

function KINDS_OF_SEEN.dropped(denial, raw) denial.dropped = raw.count end

function KINDS_OF_SEEN.unread(denial, raw) denial.unread = raw.count end

--- `result.denial` before it is judged.
---@param raw table  the core's result
---@param spec table
---@return sbx.Denial
function M.denial(raw, spec)
  local seen = raw.seen or {}
  local denial = {
    verdict = "none", evidence = {}, failures = {}, watched = spec.watched or false,
    dropped = 0, unread = 0, command = spec.watched and raw.inner_pid or nil,
    callback_error = spec.callback_error,
  }
  local work = #seen > 0 and work_of(spec)
  for _, one in ipairs(seen) do KINDS_OF_SEEN[one.kind](denial, one, work) end
  local function in_order(a, b) return a.seq < b.seq end
  table.sort(denial.evidence, in_order)
  table.sort(denial.failures, in_order)
  return denial
end

--- The evidence as denial scripts get it: with `failures`, `dropped`, `unread`, `command`, and
--- without what would have failed outside, too (`unheard`: an address at which nobody listens).
function M.for_judge(denial)
  local list = {}
  local is_unheard = listeners.asker(denial.evidence)
  for _, entry in ipairs(denial.evidence) do
    if is_unheard(entry) then list.unheard = entry.address else list[#list + 1] = entry end
  end
  list.failures, list.dropped, list.command = denial.failures, denial.dropped, denial.command
  list.unread = denial.unread
  return list
end

return M
