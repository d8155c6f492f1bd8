-- Every step of starting a command, made to fail, ends in a typed error and a command that never
-- ran, or in a sandbox that is whole all the same; and nothing is left. What the steps are comes
-- from a recording. In the environment:
--   SBX_FAULTS=all                  every call, every errno, cold and warm; prints the table
--   SBX_FAULTS_SCENE="TIER KIND"    one scene of those
--   SBX_FAULTS_CELL="TIER KIND force ROLE CALL N ERRNO"   one cell, with all that was said
--   SBX_FAULTS_JOBS                 how many at a time (3)
local cells = require "tests.faults.cells"
local matrix = require "tests.faults.matrix"
local sbx = require "sbx"

local whole = os.getenv("SBX_FAULTS") == "all"
local only = os.getenv("SBX_FAULTS_CELL")
local jobs = tonumber(os.getenv("SBX_FAULTS_JOBS")) or 3

local function tiers()
  local list = { "none" }
  for _, tier in ipairs(sbx.probe().tiers) do table.insert(list, 1, tier) end
  return list
end

-- A "+" uses more layers and a "~" is watched: both stand for the plain one where only a part of
-- the cells runs.
local PART = { contained = { "contained+~ cold" }, landlock = { "landlock cold" },
               none = { "none cold" } }
local WHOLE = {
  contained = { "contained cold", "contained ahead", "contained warm", "contained+ cold",
                "contained+ warm", "contained@ cold", "contained~ cold", "contained~ warm",
                "contained+~ cold", "auto cold" },
  landlock = { "landlock cold", "landlock ahead", "landlock warm", "landlock+ cold",
               "landlock+ warm", "landlock~ cold" },
  none = { "none cold", "none ahead", "none warm" },
}

local function scenes()
  local list, wanted = {}, os.getenv("SBX_FAULTS_SCENE")
  for _, tier in ipairs(tiers()) do
    for _, name in ipairs((whole and WHOLE or PART)[tier]) do
      local own, kind = name:match("^(%S+) (%S+)$")
      if not wanted or wanted == name then list[#list + 1] = { tier = own, kind = kind } end
    end
  end
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
