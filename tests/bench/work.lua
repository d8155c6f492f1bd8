-- What the sandbox costs real work, with the watch off: the same command inside and outside,
-- interleaved.
local real = require "tests.bench.real"
local stats = require "tests.bench.stats"

local GOAL = 1.03
local WORK = {
  { "make -j2 of a C project", real.WORK.make },
  { "git clone of 2000 files", real.WORK.clone },
  { "tar of 5000 files", real.WORK.tar },
  { "python tests", real.WORK.python },
}

local function measure(directory, what, rounds)
  local name, work = table.unpack(what)
  local times = real.interleave(directory, work, {
    real.outside(directory, work), real.sandboxed(directory, work, { watch = false }),
  }, rounds)
  local ratio = stats.ratio(times[2], times[1])
  return {
    what = name .. ", inside over outside",
    measured = ("%.0f ms"):format(stats.median(times[2]) * 1e3), ratio = ("%.3f"):format(ratio),
    goal = ("<= %.2f"):format(GOAL), met = ratio <= GOAL,
  }
end

return function(options)
  local directory = real.prepare()
  local rows = {}
  for i, what in ipairs(WORK) do rows[i] = measure(directory, what, options.rounds) end
  real.shell("rm -rf %s", directory)
  return rows
end
