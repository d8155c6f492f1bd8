-- Which refusal, if any, made a command fail: first by the chain of processes that ended with a
-- failure, then by what was written. Pure; the words that it looks for are the denial script's.

local shellline = require "sbx.shellline"
local spoken = require "sbx.spoken"
local weighing = require "sbx.weighing"

local M = {}

---------------------------------------------------------------------------------------------------
-- Processes

local function by_order(a, b) return (a.seq or 0) < (b.seq or 0) end

-- The last ones, in their order: what made a command fail came late, and the host waits.
local MOST = 64

local function sorted(list)
  local copy, last = {}, {}
  for i, entry in ipairs(list or {}) do copy[i] = entry end
  table.sort(copy, by_order)
  for i = math.max(1, #copy - MOST + 1), #copy do last[#last + 1] = copy[i] end
  return last
end

-- The engine keeps the first that did it and the latest seven.
local MOST_PIDS = 8

-- It did it, or it may have: one of more than are listed, which calls itself as the first did.
local function did(entry, process)
  if entry.pid == process.pid then return true end
  local pids = entry.pids or {}
  for _, other in ipairs(pids) do
    if other == process.pid then return true end
  end
  return #pids >= MOST_PIDS and (entry.count or 0) > #pids and entry.program == process.program
end

-- The command's own end: the last failure with its status whose parent is none of its processes.
local function root_of(failures, exit_code)
  local known, found = {}, nil
  for _, failure in ipairs(failures) do known[failure.pid] = true end
  for _, failure in ipairs(failures) do
    if failure.code == exit_code and (not found or not known[failure.ppid]) then found = failure end
  end
  return found
end

local function is_shell(process) return shellline.SHELLS[process.program or ""] or false end

local function refusals_of(evidence, process)
  local list = {}
  for _, entry in ipairs(evidence) do
    if did(entry, process) and (entry.seq or 0) <= process.seq then list[#list + 1] = entry end
  end
  return list
end

-- Whether it began as the shell of the command's line.
local function began_as_shell(work, process)
  if is_shell(process) then return false end
  return process == work.root
    or shellline.is_nested(work) and work.root ~= nil and process.ppid == work.root.pid
end

-- A shell becomes its last step (`touch a; grep b` ends as grep): what came before is not the
-- step's, but the shell's, which went on.
local function came_before(work, process, child)
  if (work.words.answers or {})[process.program] then return true end
  return began_as_shell(work, process) and child.program ~= process.program
    and shellline.is_earlier_step(work, child.program, refusals_of(work.evidence, child))
end

-- Without those of the shell that became it.
local function own_refusals(work, process)
  local list = {}
  for _, entry in ipairs(refusals_of(work.evidence, process)) do
    local of_shell = is_shell(entry) and began_as_shell(work, process)
    if not of_shell or not shellline.is_earlier_step(work, entry.program, { entry }) then
      list[#list + 1] = entry
    end
  end
  return list
end

-- The child whose failure came last before the parent's own.
local function last_child(work, parent)
  local found
  for _, failure in ipairs(work.failures) do
    if failure.ppid == parent.pid and failure.pid ~= parent.pid and failure.seq < parent.seq
      and not came_before(work, parent, failure) then
      found = failure
    end
  end
  return found
end

---------------------------------------------------------------------------------------------------

-- Whether a parent's failure is its child's: other programs have statuses of their own.
local function passes_on(work, child, parent)
  return child.code == parent.code or not is_shell(parent) or parent ~= work.root
    or shellline.may_translate(work, parent.code)
end

local follow

-- The writer's end of a pipe whose reader failed last.
local function from_pipe(work, process, child, depth)
  for k = #work.failures, 1, -1 do
    local writer = work.failures[k]
    local earlier = writer.ppid == process.pid and writer.seq < child.seq
    if earlier and shellline.reads_from(work, child, writer) then
      return follow(work, writer, depth + 1)
    end
  end
end

-- A shell went on after its own refusal, to a step by whose status it ended. (Many a step ends with
-- 1; those that only answer mean it.)
local function ended_by(work, shell, child)
  return is_shell(shell) and child.code == shell.code
    and (child.code ~= 1 or (work.words.answers or {})[child.program] == true)
end

local function from_child(work, process, child, own, depth)
  local entry, reason = follow(work, child, depth + 1)
  if not entry then
    local before, why = from_pipe(work, process, child, depth)
    if before then return before, why end
  end
  local is_why = entry and (passes_on(work, child, process)
                            or weighing.told(work, { entry }))
  if is_why then return entry, reason end
  if entry then return nil, "a later step failed" end
  if reason then return nil, reason end
  if #own > 0 and not ended_by(work, process, child) then
    entry, reason = weighing.by_text(work, own)
    return entry, reason or "a process that was refused nothing failed"
  end
  return nil, nil
end

-- What timeout(1) gives for a child that it ended.
local TIMED_OUT = 124
local NETWORK = { connect = true, send = true, socket = true }

-- A child that was ended while it tried again and again to reach somebody.
local function ended(work, process)
  local list = {}
  for _, entry in ipairs(work.evidence) do
    if entry.ppid == process.pid and NETWORK[entry.operation] then list[#list + 1] = entry end
  end
  if #list > 0 then return weighing.weigh(work, list) end
  return nil, nil
end

-- Down the chain of failures to the process that failed first, then its refusals.
function follow(work, process, depth)
  local own = own_refusals(work, process)
  local child = depth < 64 and last_child(work, process)
  local last = own[#own]
  if child and not (last and (last.seq or 0) > child.seq) then
    return from_child(work, process, child, own, depth)
  end
  if #own > 0 then return weighing.weigh(work, own) end
  if process.code == TIMED_OUT then return ended(work, process) end
  return nil, nil
end

-- Refusals of processes that are in no failure: they died of a signal, or went on.
local function outside_chain(work)
  local failed, list = {}, {}
  for _, failure in ipairs(work.failures) do failed[failure.pid] = true end
  for _, entry in ipairs(work.evidence) do
    if not failed[entry.pid] then list[#list + 1] = entry end
  end
  return list
end

-- How git ends where it can't go on; after a refresh that it was refused it ends with what it was
-- asked for.
local GIVEN_UP = 128

local function gave_up(work, entry)
  for _, failure in ipairs(work.failures) do
    if failure.code == GIVEN_UP and did(entry, failure) then return true end
  end
  return false
end

-- Whether every process at the end of a chain of failures was refused something: then what is said
-- of failures in general is said of those.
local function only_refused(work)
  local has_child = {}
  for _, failure in ipairs(work.failures) do has_child[failure.ppid] = true end
  for _, failure in ipairs(work.failures) do
    local is_first = not has_child[failure.pid]
    if is_first and #refusals_of(work.evidence, failure) == 0 then return false end
  end
  return #work.failures > 0
end

-- What is optional to most and not to this command.
local function needed_of(work)
  local needed, writes = {}, nil
  for _, entry in ipairs(work.evidence) do
    if (entry.path or ""):find("/index%.lock$") then
      if writes == nil then writes = shellline.writes_index(work) end
      needed[entry] = writes or gave_up(work, entry)
    end
  end
  return needed
end

local function work_of(words, output, evidence)
  local work = {
    words = words, evidence = sorted(evidence), failures = sorted(evidence.failures),
    command = evidence.command, read = evidence.read, exit_code = output.exit_code,
  }
  work.only_refused = only_refused(work)
  work.needed = needed_of(work)
  work.lines = spoken.lines(words, output, work.evidence)
  work.root = root_of(work.failures, output.exit_code)
  return work
end

-- How a shell says that a file is not executable: that is nobody's power.
local NOT_EXECUTABLE = 126

--- The line by which the process that failed first says that it lacks a power: its own last word,
--- in its own name. What a shell says may be anybody's, `echo` is one of its words.
---@return string|nil
function M.powerless(words, output, evidence)
  local work = work_of(words, output, evidence)
  if shellline.last_step(work, output.exit_code) then return nil end
  local process, child = nil, work.root
  while child do
    process, child = child, last_child(work, child)
  end
  if not process or is_shell(process) or process.code == NOT_EXECUTABLE
    or #refusals_of(work.evidence, process) > 0 then
    return nil
  end
  return spoken.lacks_power(words, work.lines, process.program or "?")
end

--- The refusal that explains the failure, and the words for it; nil and why none does.
---@param words table  the denial script: {phrases, optional, own_reasons, passing_on, …}
---@param output table
---@param evidence table[]  refusals; `failures`: of processes; `command`: argv
---@return table|nil entry, string reason
function M.find(words, output, evidence)
  local work = work_of(words, output, evidence)
  local gone = weighing.missed(work, work.evidence)
  if gone then return gone, weighing.reason_of(gone, "and its output misses it") end
  local decides, tested = shellline.last_step(work, output.exit_code)
  if tested then return tested, weighing.reason_of(tested, "and its last step asks for it") end
  if decides then return nil, "its last step fails whatever was refused" end
  if not work.root then return weighing.weigh(work, work.evidence) end
  local entry, reason = follow(work, work.root, 1)
  if entry then return entry, reason end
  -- the engine keeps the last failures: those before may have been the reason
  local weighed = #work.failures >= MOST and weighing.weigh or weighing.by_text
  local other, why = weighed(work, outside_chain(work))
  if other then return other, why end
  local asked = not reason and not why and shellline.asked_for(work)
  if asked then return asked, weighing.reason_of(asked, "and its last step asks for it") end
  return nil, reason or why or "the processes that failed were refused nothing"
end

return M
