-- Refusals weighed by what was written: which of them, if any, is the reason. Pure. `work`: {words,
-- lines, command, exit_code, needed}, as causes.lua makes it.

local shellline = require "sbx.shellline"
local spoken = require "sbx.spoken"

local M = {}

-- A directory for a program's own settings (~/.terraform.d): made if it can be.
local function is_for_settings(entry)
  local name = (entry.path or ""):match("([^/]+)$") or ""
  return (entry.syscall or ""):find("^mkdir") ~= nil and name:find("^%.%w") ~= nil
end

local function is_optional(work, entry)
  if work.needed and work.needed[entry] then return false end
  if is_for_settings(entry) then return true end
  local what = entry.path or entry.address or "socket:" .. tostring(entry.family)
  for _, pattern in ipairs(work.words.optional) do
    if what:find(pattern) then return true end
  end
  return false
end

-- The refusal that a line names, the latest first.
local function told_in(words, line, evidence)
  for k = #evidence, 1, -1 do
    local entry = evidence[k]
    if spoken.names(line, entry) and spoken.speaks_of(words, line, entry) then return entry end
  end
end

-- One that a line speaks of without its name; what is optional only where there is nothing else.
local function spoken_in(work, line, evidence)
  local found
  for k = #evidence, 1, -1 do
    local entry = evidence[k]
    if spoken.speaks_of(work.words, line, entry) then
      if not is_optional(work, entry) then return entry end
      found = found or spoken.says_errno(line, entry) and entry or nil
    end
  end
  return found
end

--- The refusal that any line names, the last line first.
function M.told(work, evidence)
  for i = #work.lines, 1, -1 do
    local entry = told_in(work.words, work.lines[i], evidence)
    if entry then return entry end
  end
end

-- Lines of one message begin with the same words: `npm error code EACCES`, `npm error path /x`.
local MESSAGE_LINES = 6

local function head_of(line) return line:match("^(%a+ %a+) ") end

-- Whether the message that a line is part of has the errno.
local function message_says(work, i, entry)
  local lines, head = work.lines, head_of(work.lines[i])
  for k = math.max(1, i - MESSAGE_LINES), head and math.min(#lines, i + MESSAGE_LINES) or 0 do
    if head_of(lines[k]) == head and spoken.says_errno(lines[k], entry) then return true end
  end
  return false
end

-- The refusal that a message of several lines gives as its error.
local function told_in_message(work, evidence)
  for i = #work.lines, 1, -1 do
    local is_error = work.lines[i]:find("error", 1, true) or work.lines[i]:find("err!", 1, true)
    for k = is_error and #evidence or 0, 1, -1 do
      local entry = evidence[k]
      if spoken.names(work.lines[i], entry) and message_says(work, i, entry) then return entry end
    end
  end
end

local MAKES = { create = true, write = true, rename = true, link = true }

local function misses(work, line, entry)
  if not MAKES[entry.operation] or spoken.says_errno(line, entry) then return false end
  if spoken.has_any(line, spoken.GONE) and spoken.below(line, entry) then return true end
  -- what was only to be written was there; and one that the line has elsewhere is another
  local name = entry.operation ~= "write" and spoken.has_any(line, spoken.NO_FILE)
    and spoken.relative(line, entry)
  return name and not shellline.is_elsewhere(work, name)
end

--- The refusal of what a later step misses, where nothing else is said after that.
function M.missed(work, evidence)
  for i = #work.lines, 1, -1 do
    for k = #evidence, 1, -1 do
      if misses(work, work.lines[i], evidence[k]) then return evidence[k] end
    end
    if spoken.gives_another(work.words, work.lines[i]) then return nil end
  end
end

local function is_warning(work, line) return spoken.has_any(line, work.words.warnings) ~= nil end

-- Whether something is said later that is no warning, and nothing about having to give up.
local function says_more(work, i, entry)
  for k = i + 1, #work.lines do
    local line = work.lines[k]
    if not is_warning(work, line) and not spoken.has_any(line, work.words.passing_on)
      and not spoken.has_any(line, work.words.giving_up)
      and not spoken.speaks_of(work.words, line, entry) then
      return true
    end
  end
  return false
end

-- A program that warns of a refusal has gone on without.
local function is_warned_of(work, entry)
  for i, line in ipairs(work.lines) do
    local speaks = is_warning(work, line) and (spoken.names(line, entry)
      or spoken.says_errno(line, entry) and says_more(work, i, entry))
    if speaks then return true end
  end
  return false
end

-- The refusal warned of where nothing else is said at all: then it was no mere warning.
local function only_warned(work, evidence)
  local found
  for _, line in ipairs(work.lines) do
    local entry = is_warning(work, line) and told_in(work.words, line, evidence)
    local is_it = entry and not is_optional(work, entry) and spoken.says_errno(line, entry)
    if not is_it then return nil end
    found = entry
  end
  return found
end

-- What a shell gives for a step that it could not do.
local SHELLS_OWN = { [1] = true, [2] = true }

-- A script whose shell said that it could not write something optional, which then said something
-- else and ended with a status of its own.
local function went_on(work, entry)
  if SHELLS_OWN[work.exit_code] or not is_optional(work, entry) then return false end
  for i = 1, #work.lines - 1 do
    if spoken.is_shells(work.lines[i]) and spoken.names(work.lines[i], entry) then return true end
  end
  return false
end

local function without_those(work, evidence)
  local list = {}
  for _, entry in ipairs(evidence) do
    if not went_on(work, entry) then list[#list + 1] = entry end
  end
  return list
end

-- Who is kept from the network says so, or says nothing at all: a look for updates or for an
-- address family is given up in silence by programs that then speak of something else.
local PROBES = { bind = true, send = true, socket = true }

-- A server that asks for a port of its own looks for nothing.
local function is_servers(entry)
  local port = entry.operation == "bind" and (entry.address or ""):match(":(%d+)$")
  return port and port ~= "0" or false
end

local function is_needed(work, entry)
  if PROBES[entry.operation] and #work.lines > 0 and not is_servers(entry) then return false end
  return not is_optional(work, entry) and not is_warned_of(work, entry)
end

local function bare_name(entry)
  return entry.operation == "create" and (entry.path or ""):match("/%.?([^/]+)$") or nil
end

-- The first of several places in which one process tried to make the same: what it wanted.
local function first_place(evidence, k)
  local name = bare_name(evidence[k])
  for i = 1, name and k - 1 or 0 do
    if evidence[i].pid == evidence[k].pid and bare_name(evidence[i]) == name then
      return evidence[i]
    end
  end
  return evidence[k]
end

local function last_needed(work, evidence)
  for k = #evidence, 1, -1 do
    if is_needed(work, evidence[k]) then return first_place(evidence, k) end
  end
end

--- The words for a verdict.
function M.reason_of(entry, why)
  local what = entry.path or entry.address or entry.family
  return string.format("%s%s was refused%s, %s", entry.operation or "an access",
                       what and " " .. what or "", entry.program and " to " .. entry.program or "",
                       why)
end

local function as_named(entry)
  if entry then return entry, M.reason_of(entry, "and its output names it") end
  return nil, nil
end

--- What the text says of these refusals: the one it gives as the reason, or that it gives another.
function M.by_text(work, all)
  local evidence = without_those(work, all)
  local line, is_other = spoken.last_word(work.words, work.lines, evidence)
  if not line then return as_named(told_in_message(work, evidence)) end
  local entry
  if is_other and work.only_refused and spoken.has_any(line, work.words.summaries) then
    entry = M.told(work, evidence)
    if entry then return as_named(entry) end
  end
  entry = M.missed(work, evidence)
  if entry then return entry, M.reason_of(entry, "and its output misses it") end
  if is_other then return nil, "it says another reason: " .. line end
  entry = told_in(work.words, line, evidence) or M.told(work, evidence)
  if entry then return as_named(entry) end
  entry = spoken_in(work, line, evidence)
  if entry then return entry, M.reason_of(entry, "and its output speaks of a refusal") end
  return nil, nil
end

--- One process with refusals of its own, which failed after them.
function M.weigh(work, evidence)
  local entry, reason = M.by_text(work, evidence)
  if entry or reason then return entry, reason end
  entry = only_warned(work, evidence)
  if entry then return entry, M.reason_of(entry, "and its output speaks of nothing else") end
  entry = last_needed(work, evidence)
  if not entry then return nil, "only something optional was refused" end
  return entry, M.reason_of(entry, "and it says nothing else")
end

return M
