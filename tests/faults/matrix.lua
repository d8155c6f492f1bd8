-- The matrix: every scene's cells, judged, counted and laid out as one table.
local cells = require "tests.faults.cells"
local verdict = require "tests.faults.verdict"

local M = {}

local SET_UP = { transform = true, spawn = true, supervisor = true, child = true, keeper = true }
local WHOLE = { run = true }
for phase in pairs(SET_UP) do WHOLE[phase] = true end

---@class faults.Tally
---@field scene table
---@field calls integer   in the recording
---@field forced integer  that really failed
---@field missed integer  whose call was not made this time: a loop that waited less
---@field leaks integer
---@field unknown string[]  calls that errnos.lua has no entry for
---@field bad {cell: table, wrong: string, word: string}[]
---@field unsteady integer  that passed only when tried again: the load of the machine, or a race
---@field rows table<string, table>

local function tally_of(scene, recording)
  return { scene = scene, calls = #recording.calls, forced = 0, missed = 0, leaks = 0, unsteady = 0,
           unknown = {}, bad = {}, rows = {} }
end

local function count_row(tally, cell, report, recording)
  local outcome = report.outcome or {}
  local step = outcome.kind ~= "ok" and outcome.step or ""
  if step == "" and cell.call.role:match("^child") then step = cell.call.step end
  local who = cell.call.role:gsub("%-%d+$", "")
  local word = verdict.word(report, recording)
  local key = table.concat({ who, step, cell.call.name, word }, "\t")
  local row = tally.rows[key] or { who = who, step = step ~= "" and step or "-",
                                   call = cell.call.name, word = word, count = 0, errnos = {} }
  tally.rows[key] = row
  row.count = row.count + 1
  row.errnos[cell.errno] = true
end

local function judge(tally, recording, again, cell, report)
  if not report.forced then
    tally.missed = tally.missed + 1
    return
  end
  local wrong, leaked = verdict.of(report, cell.call, recording, cell.errno)
  if wrong and not cell.tried then
    cell.tried = true
    again[#again + 1] = cell
    return
  end
  tally.forced = tally.forced + 1
  if cell.tried and not wrong then tally.unsteady = tally.unsteady + 1 end
  tally.leaks = tally.leaks + #leaked
  count_row(tally, cell, report, recording)
  if not wrong then return end
  tally.bad[#tally.bad + 1] = { cell = cell, wrong = wrong, word = verdict.word(report, recording) }
end

--- Runs the cells of a scene. What fails is tried once more, alone: a time-out of a loaded machine
--- is no finding.
---@param whole boolean  every call and every errno, also of the run after the start
---@return faults.Tally
function M.run(bench, scene, whole)
  local recording = cells.record(bench, scene)
  local tally, again = tally_of(scene, recording), {}
  local list, unknown = cells.of(recording, whole, whole and WHOLE or SET_UP)
  for name in pairs(unknown) do tally.unknown[#tally.unknown + 1] = name end
  cells.run(bench, scene, list, function(...) judge(tally, recording, again, ...) end)
  local slots = { bench.slots[1] }
  local alone = { directory = bench.directory, listener = bench.listener, slots = slots }
  cells.run(alone, scene, again, function(...) judge(tally, recording, again, ...) end)
  return tally
end

--- One cell, with everything that was said.
---@param words string  "force ROLE CALL N ERRNO"
function M.repeat_cell(bench, scene, words)
  local recording = cells.record(bench, scene)
  local role, name, nth, errno = words:match("^force (%S+) (%S+) (%d+) (%S+)$")
  local cell = { call = { role = role, name = name, nth = tonumber(nth) }, errno = errno }
  cells.run(bench, scene, { cell }, function(_, report)
    if not report.forced then error(words .. ": that call was not made this time", 0) end
    local wrong, leaked = verdict.of(report, report.forced, recording, words:match("%S+$"))
    print(("%s: %s\n%s\nsaid %s\nleaks %s\nverdict %s"):format(words,
      verdict.word(report, recording), report.outcome and report.outcome.text or "",
      table.concat(report.said, "\n"), table.concat(leaked, "\n"), wrong or "as it should be"))
  end)
end

---------------------------------------------------------------------------------------------------
-- The table

local ORDER = { host = 1, start = 2, spawner = 3, keeper = 4, supervisor = 5, child = 6 }

local function sorted_rows(rows)
  local list = {}
  for _, row in pairs(rows) do list[#list + 1] = row end
  table.sort(list, function(a, b)
    local one, other = ORDER[a.who] or 9, ORDER[b.who] or 9
    if one ~= other then return one < other end
    if a.step ~= b.step then return a.step < b.step end
    if a.call ~= b.call then return a.call < b.call end
    return a.word < b.word
  end)
  return list
end

local function names(set)
  local list = {}
  for name in pairs(set) do list[#list + 1] = name end
  table.sort(list)
  return table.concat(list, " ")
end

local FORM = "%-10s %-14s %-22s %5s  %-44s %s"

--- As lines; `bad` cells at the end with the words that repeat them.
function M.lines(tally)
  local scene = tally.scene
  local lines = { ("tier %s, %s: %d calls recorded"):format(scene.tier, scene.kind, tally.calls),
                  FORM:format("process", "step", "call", "cells", "errno", "outcome") }
  for _, row in ipairs(sorted_rows(tally.rows)) do
    lines[#lines + 1] = FORM:format(row.who, row.step, row.call, row.count, names(row.errnos),
                                    row.word)
  end
  for _, one in ipairs(tally.bad) do
    lines[#lines + 1] = ("WRONG  %s %s %s: %s: %s"):format(scene.tier, scene.kind,
      cells.words(one.cell), one.word, one.wrong)
  end
  lines[#lines + 1] = ("%d forced failures, %d wrong, %d leaks, %d not reached, %d passed when "
    .. "tried again"):format(tally.forced, #tally.bad, tally.leaks, tally.missed, tally.unsteady)
  return lines
end

return M
