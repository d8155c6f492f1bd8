-- Learning the smallest policy that lets a command pass: run, look at what was refused, grant the
-- narrowest, run again. Pure but for `run`.

local paths = require "sbx.paths"
local suggest = require "sbx.suggest"
local widen = require "sbx.widen"

local M = {}

M.MOST_RUNS = 10

---@class sbx.Lesson  one refusal with its grant
---@field entry table
---@field grant sbx.Grant

---@class sbx.Learnt
---@field passed boolean
---@field runs integer
---@field policy string|table   the base, widened
---@field fields table|nil      what was added to it
---@field lessons sbx.Lesson[]  granted
---@field left sbx.Lesson[]     refused and not granted: sensitive, protected, or no policy gives it
---@field looked table<string, sbx.Below>  what was found below directories
---@field out sbx.Result|nil    of the last run
---@field err sbx.Error|nil

local function key_of(grant)
  local value = type(grant.value) == "table" and grant.value.allow[1] or grant.value
  return grant.field .. " " .. tostring(value)
end

local function is_given(state, grant)
  if state.given[key_of(grant)] then return true end
  local roots = grant.field == "writable_roots" and state.fields
    and state.fields.writable_roots or {}
  for _, root in ipairs(roots) do
    if paths.covers(root, grant.value) then return true end
  end
  return false
end

local function may_give(state, grant)
  return grant.field ~= nil and (not grant.sensitive or state.sensitive_too)
end

local function cause_of(evidence)
  for _, entry in ipairs(evidence) do
    if entry.cause then return entry end
  end
end

-- What the process was refused that failed because of one refusal; where none is known to be the
-- cause, all.
local function relevant(state, evidence)
  local cause, list = cause_of(evidence), {}
  for _, entry in ipairs(evidence) do
    local same = cause and (entry == cause or entry.pid == cause.pid)
    local needed = entry == cause or not state.is_optional(entry)
    if (same or not cause) and needed then list[#list + 1] = entry end
  end
  return list
end

local function name_of(entry)
  return entry.operation .. " " .. tostring(entry.path or entry.address or entry.syscall)
end

local function note_left(state, entry, grant)
  local key = name_of(entry)
  if state.noted[key] then return end
  state.noted[key] = true
  state.left[#state.left + 1] = { entry = entry, grant = grant }
end

-- The new grants of one run: those that other refusals stand for only when nothing else is new.
local function take(state, evidence, tries_too)
  local new = {}
  for _, entry in ipairs(relevant(state, evidence)) do
    local grant = entry.grant or { never = "no policy gives it" }
    local counts = tries_too or not grant.instead
    if counts and not may_give(state, grant) then
      note_left(state, entry, grant)
    elseif counts and not is_given(state, grant) then
      new[#new + 1] = { entry = entry, grant = grant }
    end
  end
  if #new == 0 and not tries_too then return take(state, evidence, true) end
  return new
end

local function grants_of(lessons)
  local list = {}
  for i, lesson in ipairs(lessons) do list[i] = lesson.grant end
  return list
end

-- What could not be given in one run may be in another.
local function forget_left(state, entry)
  local kept = {}
  for _, lesson in ipairs(state.left) do
    if name_of(lesson.entry) ~= name_of(entry) then kept[#kept + 1] = lesson end
  end
  state.left = kept
end

local function grow(state, new)
  for _, lesson in ipairs(new) do
    state.given[key_of(lesson.grant)] = true
    state.lessons[#state.lessons + 1] = lesson
    forget_left(state, lesson.entry)
  end
  state.fields = suggest.fields(state.ctx, grants_of(state.lessons), state.sensitive_too)
  state.policy = state.fields and widen.policy(state.base, state.fields) or state.base
end

-- What was tried without a known cause and didn't help is not part of the policy.
local function take_back(state, count)
  local kept = {}
  for i = 1, #state.lessons - count do kept[i] = state.lessons[i] end
  state.lessons, state.given = {}, {}
  grow(state, kept)
end

local function has_passed(out, err)
  return out ~= nil and err == nil and out.exit_code == 0
end

---@param base string|table  the policy to start from
---@param run fun(policy: string|table): sbx.Result|nil, sbx.Error|nil, sbx.SuggestContext|nil
---  the result also where there is an error
---@param choice {sensitive_too: boolean?, is_optional: fun(entry: table): boolean}
---@return sbx.Learnt
function M.learn(base, run, choice)
  local state = {
    base = base, policy = base, lessons = {}, left = {}, given = {}, noted = {}, looked = {},
    runs = 0,
    sensitive_too = choice.sensitive_too, is_optional = choice.is_optional, passed = false,
  }
  local guessed = 0
  while state.runs < M.MOST_RUNS do
    local out, err, ctx = run(state.policy)
    state.runs, state.out, state.err, state.ctx = state.runs + 1, out, err, ctx
    -- looked at once, before it is granted: what the command makes there then is its own
    if ctx then ctx.looked = state.looked end
    state.passed = has_passed(out, err)
    if state.passed or not out or out.status == "cancelled" then break end
    local evidence = out.denial.evidence
    -- what the last run learns nobody would try
    if state.runs == M.MOST_RUNS then break end
    local new = take(state, evidence)
    state.nothing_new = #new == 0
    if state.nothing_new then break end
    if cause_of(evidence) then guessed = 0 else guessed = guessed + #new end
    grow(state, new)
  end
  if not state.passed and guessed > 0 then take_back(state, guessed) end
  return state
end

return M
