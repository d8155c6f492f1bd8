-- The catalogue of escape attempts (catalogue.lua, catalogue/*.c): each works without a sandbox,
-- and in each tier it fails, or the result names what isn't enforced. Evidence is never an
-- attempt's own word.
-- Each tier is asked for by name: the suite's run for one alone has nothing to add.
if os.getenv("SBX_TIER") == "landlock" then return end

local sbx = require "sbx"
local catalogue = require "tests.sandbox.catalogue"
local support = require "tests.support"
local worlds = require "tests.sandbox.world"

local attempts = catalogue.attempts(worlds.names())

local function names_of(wanted)
  local list = {}
  for _, attempt in ipairs(attempts) do
    if wanted(attempt) then list[#list + 1] = attempt.name end
  end
  return list
end

local function runs_in(attempt, group)
  for _, one in ipairs(attempt.groups) do
    if one == group then return true end
  end
  return false
end

-- The engine closes descriptors, ends daemons and hides itself without a sandbox too.
local BY_SHELL = { inherited = true, left = true, supervisor = true }
local function needs_shell(attempt) return BY_SHELL[attempt.theme] or false end

local function by_shell()
  local world = worlds.make(names_of(needs_shell))
  local words = {}
  for i, word in ipairs(world:command()) do words[i] = support.quote(word) end
  return world:close(support.output(table.concat(words, " ")))
end

local function by_engine()
  local world = worlds.make(names_of(function(attempt) return not needs_shell(attempt) end))
  local r = assert(sbx.run({
    command = world:command(), sandbox = "none", policy = "danger-full-access",
    cwd = world.dir .. "/inside", timeout_ms = 60000,
  }))
  return world:close(r.stdout)
end

-- Run once, when the first test asks.
local results = {}
local function once(key, make)
  if not results[key] then results[key] = { pcall(make) } end
  assert(results[key][1], results[key][2])
  return table.unpack(results[key], 2)
end

local function control(attempt)
  local how = needs_shell(attempt) and by_shell or by_engine
  local evidence, answers = once(how, how)
  return evidence[attempt.name], answers[attempt.name]
end

local function sandboxed(tier, group)
  local world = worlds.make(names_of(function(attempt) return runs_in(attempt, group) end))
  local policy, allow_missing = catalogue.policy(group, world)
  local r, err, out = sbx.run({
    command = world:command(), tier = tier, policy = policy, cwd = world.dir .. "/inside",
    allow_missing = allow_missing, timeout_ms = 60000,
  })
  r = r or out or { stdout = "" }
  local evidence, answers = world:close(r.stdout)
  return { err = err, exit_code = r.exit_code, sandbox = r.sandbox, evidence = evidence,
           answers = answers }
end

local function group_of(tier, group)
  return once(tier .. " " .. group, function() return sandboxed(tier, group) end)
end

describe("the catalogue", function()
  it("is as long as it should be", function() assert.is_true(#attempts >= 70) end)
end)

describe("without a sandbox", function()
  for _, attempt in ipairs(attempts) do
    it(attempt.name .. " works", function()
      local evidence, answer = control(attempt)
      if not evidence and attempt.root and not support.is_root then pending("needs root") end
      if not evidence and attempt.optional then pending("not here: " .. tostring(answer)) end
      assert.is_truthy(evidence, attempt.name .. " left no trace: " .. tostring(answer))
    end)
  end
end)

local function check(attempt, tier, group)
  local run = group_of(tier, group)
  assert.is_truthy(run.answers[attempt.name], ("%s was not tried in %s: %s %s"):format(
    attempt.name, group, tostring(run.err), tostring(run.exit_code)))
  assert.equal(tier, run.sandbox.tier)
  local evidence = run.evidence[attempt.name]
  if not evidence then return end
  local property = catalogue.open(attempt.name, tier, group)
  assert.is_truthy(property, ("%s in %s: %s (%s)"):format(attempt.name, group, evidence,
                                                        run.answers[attempt.name]))
  assert.is_true(support.is_missing(run.sandbox, property),
                 property .. " is not said to be missing")
  assert.is_nil(run.sandbox.enforced[property])
end

for _, tier in ipairs({ "landlock", "contained" }) do
  describe("in the " .. tier .. " tier", function()
    local is_here = false
    for _, name in ipairs(sbx.probe().tiers) do is_here = is_here or name == tier end
    if not is_here then
      it("all attempts fail", function() pending("this machine has no tier " .. tier) end)
      return
    end
    for _, attempt in ipairs(attempts) do
      it(attempt.name .. " fails, or is declared", function()
        for _, group in ipairs(attempt.groups) do check(attempt, tier, group) end
      end)
    end
  end)
end
