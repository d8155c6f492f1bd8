-- A short command, again and again: what the sandbox adds to the least that a spawn costs.
local floor = require "floor"
local sbx = require "sbx"
local stats = require "tests.bench.stats"

local WARM_UP = 50
local COMMAND = {"/bin/true"}

local function bare()
  assert(floor.run(COMMAND) == 0)
end

local function unconfined()
  assert(sbx.run({command = COMMAND, policy = "danger-full-access"}))
end

local function confined()
  assert(sbx.run({command = COMMAND, policy = "workspace-write", tier = "landlock"}))
end

return function(options)
  local list = {bare, unconfined, confined}
  stats.interleave(list, WARM_UP, floor.now)
  local times = stats.interleave(list, options.runs, floor.now)
  local function row(i, what, goal)
    local ratio = stats.ratio(times[i], times[1])
    return {
      what = what,
      measured = ("%.0f us"):format(stats.median(times[i]) * 1e6),
      ratio = ("%.2f"):format(ratio),
      goal = goal and ("<= %.2f"):format(goal),
      met = goal and ratio <= goal,
    }
  end
  return {
    row(1, "/bin/true, bare posix_spawn with a captured pipe"),
    row(2, "/bin/true, sbx.run, no sandbox"),
    row(3, "/bin/true, sbx.run, workspace-write, landlock tier", 1.8),
  }
end
