-- Whether what came of a cell will do.
local M = {}

-- A run that goes on as if nothing had been must be in the same sandbox as one where nothing was.
local function is_whole(outcome, wanted)
  return outcome.ran and outcome.kind == "ok" and outcome.code == "0"
    and outcome.step == wanted.step and outcome.text == wanted.text
end

-- What differs, word by word.
local function difference(text, wanted)
  local have, list = {}, {}
  for word in wanted:gmatch("%S+") do have[word] = true end
  for word in text:gmatch("%S+") do
    if not have[word] then list[#list + 1] = word end
  end
  return list
end

-- The plan lists sets of layers that hold the same: without the user namespace that root doesn't
-- need, or with a way to end the tree that needs no PID namespace. Each refusal stands in all.
local UNREACHED = { EACCES = true, ELOOP = true } -- a path to what may not be looked at

-- The command itself hears of it: nobody could make its connect, or nobody read its input.
local function is_told(word, call, errno)
  local in_run = call.role:find("^supervisor") ~= nil and call.phase == "run"
  if word == "unix=EACCES" and call.name == "openat2" and in_run then
    return UNREACHED[errno] or false
  end
  return word == "unix=EAGAIN" and call.name == "clone" and call.role:find("^supervisor") ~= nil
    or word == "input=0" and call.name == "write" and errno == "EPIPE"
end

-- Where no listener can be had the host goes on without a watch.
local function is_unwatched(word, call)
  return word == "watched=false" and call.role:find("^child") ~= nil and call.name == "seccomp"
end

local function is_next_set(words, call, errno)
  for _, word in ipairs(words) do
    local of_tree = word:match("^%l+:%l+$") or word:match("^CapBnd:") or word:match("^kill_tree=")
      or word:match("^child_of_init=")
    if not (of_tree or is_told(word, call, errno) or is_unwatched(word, call)) then
      return false
    end
  end
  return true
end

local function is_as_good(outcome, wanted, call, errno)
  return outcome.ran and outcome.kind == "ok" and outcome.code == "0"
    and outcome.step == wanted.step
    and is_next_set(difference(outcome.text, wanted.text), call, errno)
end

-- Kinds for what the plan is made from: a script, a policy or a directory that can't be read.
local OF_PLAN = { policy = true, invalid_input = true }

-- The supervisor may be lost, or its word, in the moment after execve, what is protected during the
-- run (interface.md, "sandbox"); and input that can't be given ends a command that has started.
local function refusal_of(outcome, call)
  if outcome.kind == "sandbox" or outcome.kind == "spawn" then
    if outcome.step == "" then return "no step" end
    local in_run = outcome.step == "supervisor" or outcome.step == "stdin"
      or outcome.step == "protect" and call.phase == "run"
    if outcome.ran and not in_run then return "the command ran" end
    return nil
  end
  if OF_PLAN[outcome.kind] and call.phase == "transform" then return nil end
  if outcome.kind == "invalid_input" and outcome.step == "chdir" then return nil end
  return "kind " .. outcome.kind
end

local function of_outcome(outcome, call, recording, errno)
  if not outcome then return "the host did not say what came of it" end
  if outcome.kind == "thrown" then return "thrown: " .. outcome.text end
  if outcome.kind ~= "ok" then return refusal_of(outcome, call) end
  if is_as_good(outcome, recording.outcome, call, errno) then return nil end
  return ("another sandbox, %s: %s"):format(outcome.step,
    table.concat(difference(outcome.text, recording.outcome.text), " "))
end

local function count_words(text)
  local counts = {}
  for word in (text or ""):gmatch("%S+") do counts[word] = (counts[word] or 0) + 1 end
  return counts
end

-- More of something than in a run where nothing failed. One that went on to the next set of layers
-- has compiled two, and the plan keeps both; fewer is no leak.
local function holds_more(report, recording)
  local outcome, wanted = report.outcome, count_words(recording.descriptors)
  local went_on = outcome and outcome.kind == "ok" and not is_whole(outcome, recording.outcome)
  for word, count in pairs(count_words(report.descriptors)) do
    if count > (wanted[word] or 0) * (went_on and 2 or 1) then return true end
  end
  return report.descriptors == nil
end

-- What a command that was killed on its way leaves in its roots is its own.
local function state_of(report, other)
  local state, outcome = tostring((other or report).state), report.outcome
  -- and a cgroup that could not be removed because that was what failed stays
  if report.forced and report.forced.name == "unlinkat" then
    state = state:gsub("/sys/fs/cgroup[^\n]*\n", "")
  end
  if not (outcome and outcome.ran and outcome.kind ~= "ok") then return state end
  return (state:gsub("%f[^\n\0]work/[^\n]*\n", ""):gsub("%f[^\n\0]second/[^\n]*\n", ""))
end

local function leaks(report, recording)
  local list = {}
  if holds_more(report, recording) then
    list[#list + 1] = ("descriptors %s, not %s"):format(report.descriptors, recording.descriptors)
  end
  if report.children ~= recording.children then
    list[#list + 1] = "children " .. tostring(report.children)
  end
  if state_of(report) ~= state_of(report, recording) then
    list[#list + 1] = "left: " .. tostring(report.state)
  end
  for _, line in ipairs(report.trouble) do
    if line:match("^left") then list[#list + 1] = line end
  end
  return list
end

-- What dies before it has a name dies in the loader of the C library, which may crash.
local function others(report)
  local list = {}
  for _, line in ipairs(report.trouble) do
    if not line:match("^left") and not line:match("^died %S+ .* $") then list[#list + 1] = line end
  end
  return list[1] and table.concat(list, "; ")
end

--- What is wrong with it, or nil; and the leaks.
---@param errno string|nil  that was forced
---@return string|nil, string[]
function M.of(report, call, recording, errno)
  if not report.forced then return nil, {} end
  local leaked = leaks(report, recording)
  local wrong = others(report) or of_outcome(report.outcome, call, recording, errno)
  local next = report.next
  if not wrong and not (next and is_as_good(next, recording.next, call, errno)) then
    wrong = "the next command: " .. (next and next.kind .. " " .. next.text or "none")
  end
  if not wrong and #leaked > 0 then wrong = table.concat(leaked, "; ") end
  return wrong, leaked
end

--- In a word, for the table.
function M.word(report, recording)
  local outcome = report.outcome
  if not outcome then return "none" end
  if outcome.kind == "ok" then
    return is_whole(outcome, recording.outcome) and "whole" or "whole, by the next set of layers"
  end
  return outcome.kind .. "/" .. outcome.step
end

return M
