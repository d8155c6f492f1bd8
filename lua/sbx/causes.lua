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
               "cannot stat", "can't open", "cannot open" }

local function below(line, entry)
  return entry.path and line:find(entry.path:lower(), 1, true) ~= nil
end

-- The last line that says why, without those that only pass on that something below failed.
local function last_word(words, lines)
  for i = #lines, 1, -1 do
    if not has_any(lines[i], words.passing_on) and lines[i]:find("%w") then return lines[i] end
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
  local what = entry.path or entry.address or ""
  for _, pattern in ipairs(words.optional) do
    if what:find(pattern) then return true end
  end
  return false
end

-- The refusal that the text speaks of, the last line first.
local function told(words, lines, evidence)
  for i = #lines, 1, -1 do
    for k = #evidence, 1, -1 do
      local entry = evidence[k]
      local line = lines[i]
      if names(line, entry) and speaks_of(words, line, entry) then return entry, line end
    end
  end
end

local function spoken(words, lines, evidence)
  for i = #lines, 1, -1 do
    for k = #evidence, 1, -1 do
      if not is_optional(words, evidence[k]) and speaks_of(words, lines[i], evidence[k]) then
        return evidence[k], lines[i]
      end
    end
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

local function own_reason(words, lines)
  local line = last_word(words, lines)
  return line and has_any(line, words.own_reasons) and line
end

local function reason_of(entry, why)
  local what = entry.path or entry.address
  return string.format("%s%s was refused%s, %s", entry.operation or "an access",
                       what and " " .. what or "", entry.program and " to " .. entry.program or "",
                       why)
end

-- One process with refusals of its own, which failed after them.
local function weigh(words, lines, evidence)
  local last = last_word(words, lines)
  local entry, line = told(words, lines, evidence)
  if entry and (line == last or not own_reason(words, lines)) then
    return entry, reason_of(entry, "and its output names it")
  end
  entry = missed(lines, evidence)
  if entry then return entry, reason_of(entry, "and its output misses it") end
  local own = own_reason(words, lines)
  if own then return nil, "it says another reason: " .. own end
  entry = spoken(words, lines, evidence)
  if entry then return entry, reason_of(entry, "and its output speaks of a refusal") end
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

-- A line that ends in `exit 3` or `false` fails so whatever came before.
local function fails_anyway(command, exit_code)
  local script = script_of(command)
  local last = script and last_statement(script)
  if not last then return false end
  local code = last:match("^exit%s+(%d+)$")
  return tonumber(code) == exit_code or last == "false" and exit_code == 1
end

---------------------------------------------------------------------------------------------------

local function is_shell(process) return SHELLS[process.program or ""] or false end

-- Down the chain of failures to the process that failed first, then its refusals.
local function follow(work, process, depth)
  local own = refusals_of(work.evidence, process)
  local child = depth < 64 and last_child(work.failures, process)
  local last = own[#own]
  if child and not (last and (last.seq or 0) > child.seq) then
    local entry, reason = follow(work, child, depth + 1)
    local passed_on = child.code == process.code or not is_shell(process)
    if entry and passed_on then return entry, reason end
    if entry and told(work.words, work.lines, { entry }) then return entry, reason end
    if not passed_on and #own == 0 then return nil, "it failed in a later step" end
    if not entry and reason then return nil, reason end
  end
  if #own > 0 then return weigh(work.words, work.lines, own) end
  return nil, nil
end

-- Without the chain (too many processes, one that died of a signal): by the text, or by silence.
local function without_chain(work)
  return weigh(work.words, work.lines, work.evidence)
end

--- The refusal that explains the failure, and the words for it; nil and why none does.
---@param words table  {phrases, optional, own_reasons, passing_on}
---@param output table
---@param evidence table[]  refusals; `failures`: of processes; `command`: argv
---@return table|nil entry, string reason
function M.find(words, output, evidence)
  local work = {
    words = words, lines = M.lines(output), evidence = sorted(evidence),
    failures = sorted(evidence.failures),
  }
  if fails_anyway(evidence.command, output.exit_code) then
    local entry = missed(work.lines, work.evidence)
    if not entry then return nil, "its last step fails whatever was refused" end
  end
  local root = root_of(work.failures, output.exit_code)
  if not root then return without_chain(work) end
  local entry, reason = follow(work, root, 1)
  if entry then return entry, reason end
  entry = missed(work.lines, work.evidence)
  if entry then return entry, reason_of(entry, "and its output misses it") end
  return nil, reason or "the processes that failed were refused nothing"
end

return M
