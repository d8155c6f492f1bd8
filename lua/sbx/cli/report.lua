-- What a person at a terminal wants to know of a run, in as few lines as it takes.

local lists = require("sbx.lists")
local refusals = require("sbx.cli.refusals")
local text = require("sbx.text")

local M = {}

-- What stands before the reason of what is no property.
local ENTRIES = { writable_root = "left out: ", policy_entry = "" }

-- Properties come as one line of names, since they are the same at each run (doctor gives the
-- reasons); an entry that does less than it says comes with its path.
local function not_held(sandbox)
  local names, entries, seen = {}, {}, {}
  for _, entry in ipairs(sandbox.missing) do
    local prefix = ENTRIES[entry.property]
    if prefix then
      entries[#entries + 1] = prefix .. entry.reason
    elseif not seen[entry.property] then
      seen[entry.property] = true
      names[#names + 1] = entry.property
    end
  end
  return names, entries
end

--- Before the run: what this tier doesn't hold.
---@param say sbx.cli.Reporter
function M.before(sandbox, say)
  local names, entries = not_held(sandbox)
  for _, line in ipairs(entries) do say.warn(line) end
  if #names == 0 then return end
  table.sort(names) -- the same line whatever was found missing first
  say.note(string.format("not held by the %s tier: %s (sbxlua explain says why)",
    sandbox.tier, table.concat(names, ", ")))
end

--- When it takes long and prints nothing.
function M.quiet(words, say)
  say.note("running: " .. text.command(words))
end

-- ---- denials ----

-- "/a, /b (policies/mine.lua:4), /c (option)": each rule once, behind what it allows.
local function paths_of(entries)
  local words = {}
  for i, entry in ipairs(entries) do
    local last = not entries[i + 1] or entries[i + 1].source ~= entry.source
    words[i] = last and entry.source and entry.path .. " (" .. entry.source .. ")" or entry.path
  end
  return #words == 0 and "nothing" or table.concat(words, ", ")
end

local function policy_file(name)
  local policy = lists.find(require("sbx").policies(), "name", name)
  return policy and policy.path
end

-- The protected names, each once: no option lifts them.
local function but_not(list)
  local names, seen = {}, {}
  for _, entry in ipairs(list or {}) do
    local name = entry.path:match("([^/]+)$") or entry.path
    if not seen[name] then names[#names + 1] = name end
    seen[name] = true
  end
  return #names > 0 and ", but not " .. table.concat(names, ", ") .. " in it" or ""
end

local function unreadable(plan)
  local words = ""
  if plan.readable then words = "; may read only what readable lists" end
  if #(plan.deny_read or {}) > 0 then
    words = words .. "; may not read " .. paths_of(plan.deny_read)
  end
  return words
end

local function policy_line(plan, enforced)
  local name = tostring(plan.policy)
  local file = policy_file(name)
  return string.format("policy %s%s: may write %s%s%s; network %s", name,
    file and " (" .. file .. ")" or "", paths_of(plan.writable),
    but_not(enforced.protect and plan.protect),
    unreadable(plan), tostring(plan.network))
end

-- The options that would widen this very policy.
local function widening(plan)
  local options = { "-w DIR (DIR can be written)" }
  if plan.mode == "read-only" then
    options[#options + 1] = "-p workspace-write (this directory and /tmp can be)"
  end
  if plan.network ~= "full" then options[#options + 1] = "--network full" end
  return "to allow more: " .. table.concat(options, ", ")
end

-- Nothing was watched, so nothing was seen: what stands here is a guess, and says so.
local function guess(out, plan, say, opts)
  local guesses = require("sbx.cli.guesses")
  local reason = out.denial.reason and ": " .. tostring(out.denial.reason) or ""
  say.warn("the sandbox is the likely cause, judged by the output alone (no refusal was seen;"
    .. " --watch looks)" .. reason)
  local line = guesses.line(out)
  if line then say.note("it says: " .. line) end
  say.note(policy_line(plan, out.sandbox.enforced))
  say.note(line and guesses.advice(line, plan, opts) or widening(plan))
end

local function denial(out, plan, say, opts)
  if out.denial.verdict ~= "confirmed" then return guess(out, plan, say, opts) end
  refusals.tell(out.denial, say)
end

-- ---- other endings ----

local function seconds(ms)
  return string.format("%.3g s", ms / 1000)
end

local ENDINGS = {}

function ENDINGS.denied(outcome, plan, say, opts)
  denial(outcome.out, plan, say, opts)
end

-- Something that was refused may be what it waited for.
function ENDINGS.timeout(outcome, _, say)
  say.warn("timed out after " .. seconds(outcome.out.duration_ms) .. ", the whole tree was killed")
  refusals.tell(outcome.out.denial, say)
end

function ENDINGS.signal(outcome, _, say)
  say.warn("the command " .. outcome.err.message)
end

function ENDINGS.limit(outcome, _, say)
  say.warn("limit " .. tostring(outcome.err.limit) .. ": " .. outcome.err.message)
end

local function leftover(out, say)
  if out.status == "timeout" or out.status == "cancelled" or out.leftover == 0 then return end
  local many = out.leftover > 1
  say.note(string.format("%d process%s still alive at the end of the command %s killed",
    out.leftover, many and "es" or "", many and "were" or "was"))
end

--- After the run.
---@param outcome sbx.cli.Outcome
---@param plan table  what the policy came to
---@param say sbx.cli.Reporter
---@param opts table|nil  of sbx.spawn
function M.after(outcome, plan, say, opts)
  local out, err = outcome.out, outcome.err
  if outcome.signal then
    say.note("ended by signal " .. outcome.signal .. ", the whole tree was killed")
    return
  end
  local ending = err and ENDINGS[err.kind]
  if ending then ending(outcome, plan, say, opts or {}) end
  leftover(out, say)
end

return M
