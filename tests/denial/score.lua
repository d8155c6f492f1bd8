-- The labelled set: each line is run with and without the sandbox in a copy of the fixture of its
-- own, which tells the truth: the sandbox was why where it fails inside and passes outside. Then
-- the verdicts are held against that: watched, not watched, and the plain heuristic.
local denial = require "sbx.denial"
local sbx = require "sbx"
local support = require "tests.support"

local M = {}

local source = (os.getenv("SBX_SOURCE") or ".") .. "/tests/denial"

---------------------------------------------------------------------------------------------------
-- The place

local Place = {}
Place.__index = Place

-- Every run sees the same paths.
function Place:renew()
  support.shell("chmod -R u+rwX %s 2>/dev/null; rm -rf %s && cp -a %s %s", self.here, self.here,
                self.directory .. "/fixture", self.here)
end

local function is_installed(program)
  return support.output("command -v " .. program) ~= ""
end

local function start_server(place)
  if not is_installed("python3") then return end
  place.server = io.popen(("exec env -u LD_PRELOAD python3 %s/server.py %s"):format(
    source, place.directory), "w")
  local file = place.directory .. "/port"
  place.port = support.wait_until(function() return support.read(file) end, 10)
end

function M.place()
  local directory = support.directory()
  local place = setmetatable({ directory = directory, here = directory .. "/here" }, Place)
  support.shell("mkdir %s && cd %s && OUT=%s sh %s", directory .. "/fixture",
                directory .. "/fixture", place.here .. "/out", source .. "/fixture.sh")
  start_server(place)
  return place
end

function Place:close()
  if self.server then self.server:close() end
  support.remove(self.directory)
end

---------------------------------------------------------------------------------------------------
-- Runs

local function policy_of(case, place)
  local out = place.here .. "/out"
  local policies = {
    ro = "read-only", ww = "workspace-write", free = "danger-full-access",
    out = { extends = "workspace-write", writable_roots = { out } },
    net = { extends = "workspace-write", network = "full" },
    loop = { extends = "workspace-write", network = "loopback" },
    secret = { extends = "workspace-write", deny_read = { out .. "/app.conf" } },
  }
  return assert(policies[case])
end

local function run(place, line, policy, watch)
  place:renew()
  local r, err, out = sbx.run({
    command = { "sh", "-c", line }, cwd = place.here .. "/work", policy = policy_of(policy, place),
    watch = watch, timeout_ms = 30000, tier = policy ~= "free" and M.tier or nil,
    env = {
      HOME = place.here .. "/home", OUT = place.here .. "/out", TCP = place.port or "1",
      SOCK = place.directory .. "/sock", GIT_CONFIG_NOSYSTEM = "1", LC_ALL = "C.UTF-8",
      PYTHONDONTWRITEBYTECODE = false,
    },
  })
  return r or out or error(("%s: %s"):format(line, err), 0)
end

local function obstacle(place, case)
  for _, name in ipairs(case.needs) do
    if not is_installed(name) then return name .. " is not installed" end
  end
  if case.policy == "secret" and M.tier == "landlock" then return "deny_read needs mounts" end
  if case.line:find("TCP", 1, true) and not place.port then return "no server: python3" end
end

---------------------------------------------------------------------------------------------------
-- What is right

local function subject_of(place, text)
  if text == "TCP" then return "127.0.0.1:" .. place.port end
  if text == "SOCK" then return "unix:" .. place.directory .. "/sock" end
  return text
end

local function is_operation(case, operation)
  if operation == case.refused[1] then return true end
  for _, other in ipairs(case.other or {}) do
    if operation == other then return true end
  end
  return false
end

local function names(place, case, entry)
  local subject = entry.path or entry.address or entry.family or ""
  if is_operation(case, entry.operation) then
    local wanted = { case.refused[2], table.unpack(case.also or {}) }
    for _, text in ipairs(wanted) do
      if subject:find(subject_of(place, text), 1, true) then return true end
    end
  end
  return false
end

--- The refusal that the verdict rests on.
function M.cause_of(out)
  for _, entry in ipairs(out.denial.evidence) do
    if entry.cause then return entry end
  end
end

---@class tests.Row
---@field denied boolean     the truth
---@field watched string     verdict
---@field unwatched string
---@field heuristic boolean
---@field named boolean|nil  the cause is the expected one

-- Without a sandbox there is no tier: once for both.
local free_codes = {}

local function free_code(place, line)
  free_codes[line] = free_codes[line] or run(place, line, "free").exit_code
  return free_codes[line]
end

local function look(place, case)
  local free = free_code(place, case.line)
  local watched = run(place, case.line, case.policy, true)
  local unwatched = run(place, case.line, case.policy, false)
  local cause = M.cause_of(watched)
  local row = {
    case = case, denied = watched.exit_code ~= 0 and free == 0,
    codes = { free, watched.exit_code, unwatched.exit_code },
    watched = watched.denial.verdict, unwatched = unwatched.denial.verdict,
    heuristic = denial.is_likely_sandbox_denied(unwatched.sandbox.type, unwatched),
    is_watched = watched.denial.watched or watched.sandbox.type == "none", cause = cause,
    out = watched,
  }
  if row.denied and row.watched == "confirmed" and case.refused then
    row.named = cause ~= nil and names(place, case, cause)
  end
  return row
end

--- All rows, and the names of what was skipped.
---@param pattern string|nil  only lines with this in them
---@param cases table[]|nil   others than those of cases.lua
---@return tests.Row[] rows, string[] skipped
function M.rows(pattern, cases)
  local place, rows, skipped = M.place(), {}, {}
  local ok, problem = pcall(function()
    for _, case in ipairs(cases or require "tests.denial.cases") do
      local why = obstacle(place, case)
      if pattern and not case.line:find(pattern, 1, true) then why = "not asked for" end
      if why then skipped[#skipped + 1] = case.line .. ": " .. why
      else rows[#rows + 1] = look(place, case)
      end
    end
  end)
  place:close()
  if not ok then error(problem, 0) end
  return rows, skipped
end

---------------------------------------------------------------------------------------------------
-- Figures

--- Precision and recall of "not none".
---@param says fun(row: tests.Row): boolean
function M.figures(rows, says)
  local right, wrong, missed = 0, 0, 0
  for _, row in ipairs(rows) do
    local said = says(row)
    if said and row.denied then right = right + 1
    elseif said then wrong = wrong + 1
    elseif row.denied then missed = missed + 1
    end
  end
  return { precision = right / math.max(1, right + wrong),
           recall = right / math.max(1, right + missed),
           right = right, wrong = wrong, missed = missed }
end

function M.watched(row) return row.watched ~= "none" end
function M.unwatched(row) return row.unwatched ~= "none" end
function M.heuristic(row) return row.heuristic end

--- How many confirmed denials name the operation and the path that they should, of how many.
function M.evidence(rows)
  local right, all = 0, 0
  for _, row in ipairs(rows) do
    if row.named ~= nil then all = all + 1 end
    if row.named then right = right + 1 end
  end
  return right / math.max(1, all), right, all
end

local function figure_line(name, figures)
  return ("%-28s precision %.3f  recall %.3f  (%d right, %d wrong, %d missed)"):format(
    name, figures.precision, figures.recall, figures.right, figures.wrong, figures.missed)
end

local function complaint(row)
  local mark
  if M.watched(row) and not row.denied then mark = "WRONG "
  elseif row.denied and not M.watched(row) then mark = "MISSED"
  elseif row.named == false then mark = "NAMED "
  end
  if not mark then return nil end
  local cause = row.cause
  return ("%s [%s] %s\n         codes %s; %s%s"):format(mark, row.case.policy,
    row.case.line:gsub("\n", "\\n"), table.concat(row.codes, " "), tostring(row.out.denial.reason),
    cause and ("; cause %s %s"):format(cause.operation, tostring(cause.path or cause.address
      or cause.family)) or "")
end

--- Without the lines that are known to be beyond what can be told.
function M.main(rows)
  local list = {}
  for _, row in ipairs(rows) do
    if not row.case.beyond then list[#list + 1] = row end
  end
  return list
end

--- The table for people.
function M.report(all_rows, skipped)
  local lines, denied, rows = {}, 0, M.main(all_rows)
  for _, row in ipairs(rows) do
    if row.denied then denied = denied + 1 end
    lines[#lines + 1] = complaint(row)
  end
  local share, right, all = M.evidence(rows)
  lines[#lines + 1] = ("%d lines, %d skipped; in %d the sandbox was why"):format(#rows, #skipped,
                                                                                 denied)
  lines[#lines + 1] = figure_line("watched", M.figures(rows, M.watched))
  if #all_rows > #rows then
    lines[#lines + 1] = figure_line(("  with %d lines beyond it"):format(#all_rows - #rows),
                                    M.figures(all_rows, M.watched))
  end
  lines[#lines + 1] = figure_line("not watched", M.figures(rows, M.unwatched))
  lines[#lines + 1] = figure_line("the plain heuristic", M.figures(rows, M.heuristic))
  if all > 0 then
    lines[#lines + 1] = ("the cause named right        %.3f (%d of %d)"):format(share, right, all)
  end
  return table.concat(lines, "\n")
end

return M
