-- Which refusal, if any, made a command fail: first by the chain of processes that ended with a
-- failure, then by what was written. Pure; the words that it looks for are the denial script's.

local M = {}

---@class sbx.Failure  a process of the command's tree that exited with another status than 0
---@field pid integer
---@field ppid integer
---@field program string
---@field code integer
---@field seq integer   place in the order of all failures and refusals

---------------------------------------------------------------------------------------------------
-- Text

local STRERROR = {
  EROFS = "read-only file system", EACCES = "permission denied", EPERM = "operation not permitted",
  EXDEV = "cross-device link", EBUSY = "device or resource busy", ENOSYS = "not implemented",
  ENETUNREACH = "network is unreachable", ESRCH = "no such process",
  EAFNOSUPPORT = "address family not supported", EOPNOTSUPP = "operation not supported",
  ENOENT = "no such file or directory",
}

M.STRERROR = STRERROR

--- What was written, as lines in lower case: of stderr, or of all where that is one stream.
---@return string[]
function M.lines(output)
  local text, lines = output.stderr or "", {}
  if text == "" then text = output.aggregated_output or "" end
  if text == "" then text = output.stdout or "" end
  for line in text:gmatch("[^\r\n]+") do lines[#lines + 1] = line:lower() end
  return lines
end

-- As a word of its own: "out" is not in "output".
local function has_word(line, word)
  local from = 1
  while true do
    local first, last = line:find(word, from, true)
    if not first then return false end
    local before, after = line:sub(first - 1, first - 1), line:sub(last + 1, last + 1)
    if not before:find("[%w_]") and not after:find("[%w_]") then return true end
    from = first + 1
  end
end

local function has_any(line, phrases)
  for _, phrase in ipairs(phrases or {}) do
    if line:find(phrase, 1, true) then return phrase end
  end
end

-- A name of one or two letters stands in too many lines.
local SHORTEST = 3

local function names(line, entry)
  for _, what in ipairs({ entry.path or false, entry.target or false, entry.address or false }) do
    local text = what and what:lower():gsub("^unix:", "")
    if text and line:find(text, 1, true) then return true end
    local last = text and text:match("([^/]+)/*$")
    if last and #last >= SHORTEST and has_word(line, last) then return true end
  end
  local host = entry.address and entry.address:match("^(.*):%d+$")
  return host ~= nil and has_word(line, host:lower())
end

local function says_errno(line, entry)
  local code = entry.errno
  if not code then return false end
  local words = STRERROR[code]
  return words and line:find(words, 1, true) ~= nil or has_word(line, code:lower())
end

-- The kinds of errors a line may speak of when it speaks of this refusal.
local function speaks_of(words, line, entry)
  return says_errno(line, entry) or has_any(line, words.phrases[entry.operation]) ~= nil
    or has_any(line, words.phrases.all) ~= nil
end

local GONE = { "no such file", "not found", "does not exist", "doesn't exist", "enoent", "missing",
               "cannot stat", "can't open", "cannot open", "not a directory", "nonexistent" }

-- The path itself, or one below it.
local function below(line, entry)
  local _, last = line:find((entry.path or "\0"):lower(), 1, true)
  return last ~= nil and not line:sub(last + 1, last + 1):find("[%w_%-%.]")
end

local function speaks_of_any(words, line, evidence)
  for _, entry in ipairs(evidence) do
    if speaks_of(words, line, entry) then return true end
  end
  return false
end

-- The last line that gives a reason, and whether it is another than a refusal. Lines that only pass
-- on that something below failed give none.
local function last_word(words, lines, evidence)
  for i = #lines, 1, -1 do
    local line = lines[i]
    if not has_any(line, words.passing_on) then
      if speaks_of_any(words, line, evidence) then return line, false end
      if has_any(line, words.own_reasons) then return line, true end
    end
  end
end

---------------------------------------------------------------------------------------------------
-- Processes

local function by_order(a, b) return (a.seq or 0) < (b.seq or 0) end

local function sorted(list)
  local copy = {}
  for i, entry in ipairs(list or {}) do copy[i] = entry end
  table.sort(copy, by_order)
  return copy
end

local function did(entry, pid)
  if entry.pid == pid then return true end
  for _, other in ipairs(entry.pids or {}) do
    if other == pid then return true end
  end
  return false
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

-- The child whose failure came last before the parent's own.
local function last_child(failures, parent)
  local found
  for _, failure in ipairs(failures) do
    if failure.ppid == parent.pid and failure.pid ~= parent.pid and failure.seq < parent.seq then
      found = failure
    end
  end
  return found
end

local function refusals_of(evidence, process)
  local list = {}
  for _, entry in ipairs(evidence) do
    if did(entry, process.pid) and (entry.seq or 0) <= process.seq then list[#list + 1] = entry end
  end
  return list
end

---------------------------------------------------------------------------------------------------
-- Weighing

local function is_optional(words, entry)
  local what = entry.path or entry.address or "socket:" .. tostring(entry.family)
  for _, pattern in ipairs(words.optional) do
    if what:find(pattern) then return true end
  end
  return false
end

-- The refusal that a line names, the latest first.
local function told_in(words, line, evidence)
  for k = #evidence, 1, -1 do
    local entry = evidence[k]
    if names(line, entry) and speaks_of(words, line, entry) then return entry end
  end
end

-- One that a line speaks of without its name; what is optional only where there is nothing else.
local function spoken_in(words, line, evidence)
  local found
  for k = #evidence, 1, -1 do
    local entry = evidence[k]
    if speaks_of(words, line, entry) then
      if not is_optional(words, entry) then return entry end
      found = found or says_errno(line, entry) and entry or nil
    end
  end
  return found
end

local function told(words, lines, evidence)
  for i = #lines, 1, -1 do
    local entry = told_in(words, lines[i], evidence)
    if entry then return entry end
  end
end

-- A later step misses what a refused one was to make.
local function missed(lines, evidence)
  for i = #lines, 1, -1 do
    for k = #evidence, 1, -1 do
      local entry = evidence[k]
      local same = entry.operation ~= "read" and below(lines[i], entry)
      if same and has_any(lines[i], GONE) and not says_errno(lines[i], entry) then return entry end
    end
  end
end

local function last_needed(words, evidence)
  for k = #evidence, 1, -1 do
    if not is_optional(words, evidence[k]) then return evidence[k] end
  end
end

local function reason_of(entry, why)
  local what = entry.path or entry.address or entry.family
  return string.format("%s%s was refused%s, %s", entry.operation or "an access",
                       what and " " .. what or "", entry.program and " to " .. entry.program or "",
                       why)
end

-- What the text says of these refusals: the one it gives as the reason, or that it gives another.
local function by_text(words, lines, evidence)
  local line, is_other = last_word(words, lines, evidence)
  if not line then return nil, nil end
  local entry = missed(lines, evidence)
  if entry then return entry, reason_of(entry, "and its output misses it") end
  if is_other then return nil, "it says another reason: " .. line end
  entry = told_in(words, line, evidence) or told(words, lines, evidence)
  if entry then return entry, reason_of(entry, "and its output names it") end
  entry = spoken_in(words, line, evidence)
  if entry then return entry, reason_of(entry, "and its output speaks of a refusal") end
  return nil, nil
end

-- One process with refusals of its own, which failed after them.
local function weigh(words, lines, evidence)
  local entry, reason = by_text(words, lines, evidence)
  if entry or reason then return entry, reason end
  entry = last_needed(words, evidence)
  if not entry then return nil, "only something optional was refused" end
  return entry, reason_of(entry, "and it says nothing else")
end

---------------------------------------------------------------------------------------------------
-- The command line itself

local SHELLS = { sh = true, bash = true, dash = true, zsh = true, ksh = true, ash = true }

-- The line of a shell's -c; it says what follows a refused step.
local function script_of(command)
  if type(command) ~= "table" then return nil end
  local name = tostring(command[1] or ""):match("([^/]+)$")
  if not SHELLS[name or ""] then return nil end
  for i = 2, #command - 1 do
    if command[i]:find("^%-%a*c%a*$") then return command[i + 1] end
  end
end

-- The last statement, where nothing decides whether it is reached.
local function last_statement(script)
  local text = script:gsub("%s+$", ""):gsub(";$", "")
  local last = text:match("^.*[;\n]%s*(.-)$")
  if not last or last:find("[|&{}()]") then return nil end
  return last
end

local DECIDES = { test = true, ["["] = true, ["[["] = true, ["false"] = true }

local function mentions_any(statement, evidence)
  for _, entry in ipairs(evidence) do
    local last = (entry.path or ""):match("([^/]+)$")
    if last and statement:find(last, 1, true) then return true end
  end
  return false
end

-- A line that ends in `exit 3`, `false` or a test of something else fails so whatever came before:
-- these need no process, and so are not in the chain.
local function fails_anyway(work, exit_code)
  local script = script_of(work.command)
  local last = script and last_statement(script)
  if not last then return false end
  local code = last:match("^exit%s+(%d+)$")
  if code then return tonumber(code) == exit_code end
  return exit_code == 1 and DECIDES[last:match("^%S+")] ~= nil
    and not mentions_any(last, work.evidence)
end

-- `|| exit 3` makes another status of a step's.
local function may_translate(work, exit_code)
  local script = script_of(work.command)
  return not script or script:find("exit%s+" .. exit_code .. "%f[%D]") ~= nil
end

---------------------------------------------------------------------------------------------------

local function is_shell(process) return SHELLS[process.program or ""] or false end

-- Whether a parent's failure is its child's: other programs have statuses of their own.
local function passes_on(work, child, parent)
  return child.code == parent.code or not is_shell(parent) or may_translate(work, parent.code)
end

-- Down the chain of failures to the process that failed first, then its refusals.
local function follow(work, process, depth)
  local own = refusals_of(work.evidence, process)
  local child = depth < 64 and last_child(work.failures, process)
  local last = own[#own]
  if child and not (last and (last.seq or 0) > child.seq) then
    local entry, reason = follow(work, child, depth + 1)
    if entry and (passes_on(work, child, process) or told(work.words, work.lines, { entry })) then
      return entry, reason
    end
    if entry and #own == 0 then return nil, "it failed in a later step" end
    if not entry and reason then return nil, reason end
  end
  if #own > 0 then return weigh(work.words, work.lines, own) end
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

--- The refusal that explains the failure, and the words for it; nil and why none does.
---@param words table  {phrases, optional, own_reasons, passing_on}
---@param output table
---@param evidence table[]  refusals; `failures`: of processes; `command`: argv
---@return table|nil entry, string reason
function M.find(words, output, evidence)
  local work = {
    words = words, lines = M.lines(output), evidence = sorted(evidence),
    failures = sorted(evidence.failures), command = evidence.command,
  }
  local gone = missed(work.lines, work.evidence)
  if gone then return gone, reason_of(gone, "and its output misses it") end
  if fails_anyway(work, output.exit_code) then
    return nil, "its last step fails whatever was refused"
  end
  local root = root_of(work.failures, output.exit_code)
  if not root then return weigh(words, work.lines, work.evidence) end
  local entry, reason = follow(work, root, 1)
  if entry then return entry, reason end
  local other, why = by_text(words, work.lines, outside_chain(work))
  if other then return other, why end
  return nil, reason or why or "the processes that failed were refused nothing"
end

return M
