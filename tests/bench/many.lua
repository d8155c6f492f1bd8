-- Many short commands, four in flight: commands a second, over `xargs -P4`.
local floor = require "floor"
local sbx = require "sbx"
local stats = require "tests.bench.stats"

local IN_FLIGHT = 4

local function seconds(run)
  local began = floor.now()
  run()
  return floor.now() - began
end

local function by_xargs(count)
  return function()
    assert(os.execute(("seq %d | xargs -n1 -P%d /bin/true"):format(count, IN_FLIGHT)))
  end
end

local function by_map(count, policy, tier)
  local options = {command = {"/bin/true"}, policy = policy, tier = tier, cwd = "/var/tmp"}
  return function()
    local left = count
    sbx.map(function()
      left = left - 1
      return left >= 0 and options or nil
    end, {jobs = IN_FLIGHT, each = function(_, _, err) assert(not err, tostring(err)) end})
  end
end

local GOALS = {
  {"no sandbox", "danger-full-access", nil, 1.2},
  {"contained", "workspace-write", "contained", 0.8},
}

return function(options)
  local rows = {}
  for _, goal in ipairs(GOALS) do
    local ways = {by_xargs(options.many), by_map(options.many, goal[2], goal[3])}
    for _, way in ipairs(ways) do way() end
    local rates = {{}, {}}
    for _ = 1, 5 do
      for i, way in ipairs(ways) do
        rates[i][#rates[i] + 1] = options.many / seconds(way)
      end
    end
    local xargs, map = stats.median(rates[1]), stats.median(rates[2])
    rows[#rows + 1] = {
      what = ("%d commands, %d in flight, a second: %s"):format(options.many, IN_FLIGHT, goal[1]),
      measured = ("%.0f, %.0f"):format(xargs, map), ratio = ("%.2f"):format(map / xargs),
      goal = (">= %.2f"):format(goal[4]), met = map / xargs >= goal[4],
    }
  end
  return rows
end
