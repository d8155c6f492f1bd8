-- Every step of starting a command, made to fail, ends in a typed error and a command that never
-- ran, or in a sandbox that is whole all the same; and nothing is left. What the steps are comes
-- from a recording. In the environment:
--   SBX_FAULTS=all                  every call, every errno, cold and warm; prints the table
--   SBX_FAULTS_CELL="TIER KIND force ROLE CALL N ERRNO"   one cell, with all that was said
--   SBX_FAULTS_JOBS                 how many at a time (2)
local cells = require "tests.faults.cells"
local matrix = require "tests.faults.matrix"
local sbx = require "sbx"

local whole = os.getenv("SBX_FAULTS") == "all"
local only = os.getenv("SBX_FAULTS_CELL")
local jobs = tonumber(os.getenv("SBX_FAULTS_JOBS")) or 2

local function tiers()
  local list = { "none" }
  for _, tier in ipairs(sbx.probe().tiers) do table.insert(list, 1, tier) end
  return list
end

-- In a part of the cells cold only, and with the policy that uses more only where that has most.
local function scenes()
  local list = {}
  for _, tier in ipairs(tiers()) do
    for _, kind in ipairs(whole and { "cold", "ahead", "warm" } or { "cold" }) do
      list[#list + 1] = { tier = tier, kind = kind }
      if tier == "contained" or tier == "landlock" and whole then
        list[#list + 1] = { tier = tier .. "+", kind = kind }
      end
      if tier == "contained" and whole then
        list[#list + 1] = { tier = "contained@", kind = kind }
      end
    end
  end
  if whole then list[#list + 1] = { tier = "auto", kind = "cold" } end
  return list
end

-- A recording of less than this is none: the tracer lost the tree, or the host its marks.
local LEAST = { none = 60, landlock = 80, contained = 150, auto = 150 }

local bench

local function check(scene)
  local tally = matrix.run(bench, scene, whole)
  local lines = matrix.lines(tally)
  if whole then print("\n" .. table.concat(lines, "\n")) end
  table.sort(tally.unknown)
  assert.same({}, tally.unknown, "calls without an entry in tests/faults/errnos.lua")
  assert.equal(0, #tally.bad, table.concat(lines, "\n", #lines - #tally.bad))
  assert.equal(0, tally.leaks)
  local least = scene.kind == "cold" and LEAST[scene.tier:match("%a+")] or 30
  assert.is_true(tally.forced >= least, tally.forced)
end

if only then
  describe("one cell", function()
    it(only, function()
      local tier, kind, words = only:match("^(%S+) (%S+) (.+)$")
      bench = cells.bench(1)
      local ok, err = pcall(matrix.repeat_cell, bench, { tier = tier, kind = kind }, words)
      cells.close(bench)
      assert(ok, err)
    end)
  end)
else
  describe("starting a command, each call made to fail,", function()
    setup(function() bench = cells.bench(jobs) end)
    teardown(function() cells.close(bench) end)

    for _, scene in ipairs(scenes()) do
      it(("fails closed and leaves nothing: tier %s, %s"):format(scene.tier, scene.kind), function()
        check(scene)
      end)
    end
  end)
end
