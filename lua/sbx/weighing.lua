-- Refusals weighed by what was written: which of them, if any, is the reason. Pure.

local spoken = require "sbx.spoken"

local M = {}

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
    if spoken.names(line, entry) and spoken.speaks_of(words, line, entry) then return entry end
  end
end

-- One that a line speaks of without its name; what is optional only where there is nothing else.
local function spoken_in(words, line, evidence)
  local found
  for k = #evidence, 1, -1 do
    local entry = evidence[k]
    if spoken.speaks_of(words, line, entry) then
      if not is_optional(words, entry) then return entry end
      found = found or spoken.says_errno(line, entry) and entry or nil
    end
  end
  return found
end

--- The refusal that any line names, the last line first.
function M.told(words, lines, evidence)
  for i = #lines, 1, -1 do
    local entry = told_in(words, lines[i], evidence)
    if entry then return entry end
  end
end

local MAKES = { create = true, write = true, rename = true, link = true }

--- The refusal of what a later step misses.
function M.missed(lines, evidence)
  for i = #lines, 1, -1 do
    for k = #evidence, 1, -1 do
      local entry = evidence[k]
      local same = MAKES[entry.operation] and spoken.below(lines[i], entry)
      if same and spoken.has_any(lines[i], spoken.GONE)
        and not spoken.says_errno(lines[i], entry) then
        return entry
      end
    end
  end
end

-- A program that warns of a refusal has gone on without.
local function is_warned_of(words, lines, entry)
  for _, line in ipairs(lines) do
    if spoken.has_any(line, words.warnings) and spoken.names(line, entry) then return true end
  end
  return false
end

-- Who is kept from the network says so, or says nothing at all: a look for updates or for an
-- address family is given up in silence by programs that then speak of something else.
local PROBES = { bind = true, send = true, socket = true }

local function is_needed(words, lines, entry)
  if PROBES[entry.operation] and #lines > 0 then return false end
  return not is_optional(words, entry) and not is_warned_of(words, lines, entry)
end

local function last_needed(words, lines, evidence)
  for k = #evidence, 1, -1 do
    if is_needed(words, lines, evidence[k]) then return evidence[k] end
  end
end

--- The words for a verdict.
function M.reason_of(entry, why)
  local what = entry.path or entry.address or entry.family
  return string.format("%s%s was refused%s, %s", entry.operation or "an access",
                       what and " " .. what or "", entry.program and " to " .. entry.program or "",
                       why)
end

--- What the text says of these refusals: the one it gives as the reason, or that it gives another.
function M.by_text(words, lines, evidence)
  local line, is_other = spoken.last_word(words, lines, evidence)
  if not line then return nil, nil end
  local entry = M.missed(lines, evidence)
  if entry then return entry, M.reason_of(entry, "and its output misses it") end
  if is_other then return nil, "it says another reason: " .. line end
  entry = told_in(words, line, evidence) or M.told(words, lines, evidence)
  if entry then return entry, M.reason_of(entry, "and its output names it") end
  entry = spoken_in(words, line, evidence)
  if entry then return entry, M.reason_of(entry, "and its output speaks of a refusal") end
  return nil, nil
end

--- One process with refusals of its own, which failed after them.
function M.weigh(words, lines, evidence)
  local entry, reason = M.by_text(words, lines, evidence)
  if entry or reason then return entry, reason end
  entry = last_needed(words, lines, evidence)
  if not entry then return nil, "only something optional was refused" end
  return entry, M.reason_of(entry, "and it says nothing else")
end

return M
