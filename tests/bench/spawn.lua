-- A short command, again and again: what the sandbox adds to the least that a spawn costs.
local floor = require "floor"
local sbx = require "sbx"
local stats = require "tests.bench.stats"

local WARM_UP = 50
-- What is made for the next policy is made once a command has ended.
local PAUSE = 0.002
local COMMAND = {"/bin/true"}
local RULES = 100
-- More than a host has supervisors made ahead for: what is ready is only what policies share.
local KINDS = 8

local function shell(line, ...)
  assert(os.execute(line:format(...)))
end

-- A workspace with a directory for each rule.
local function workspace()
  local pipe = assert(io.popen("mktemp -d"))
  local directory = pipe:read("l")
  pipe:close()
  for i = 1, RULES do shell("mkdir %s/d%d", directory, i) end
  return directory
end

local function bare()
  assert(floor.run(COMMAND) == 0)
end

local function unconfined()
  assert(sbx.run({command = COMMAND, policy = "danger-full-access"}))
end

local function confined(directory, tier, policy)
  return function()
    assert(sbx.run({command = COMMAND, policy = policy or "workspace-write", tier = tier,
                    cwd = directory}))
  end
end

local function with_rules(directory, first, last)
  local list = {}
  for i = first, last do list[#list + 1] = directory .. "/d" .. i end
  return {extends = "workspace-write", read_only = list}
end

-- Each time another policy than the last few.
local function unprepared(directory)
  local turn, kinds = 0, {}
  for i = 1, KINDS do kinds[i] = confined(directory, "contained", with_rules(directory, i, i)) end
  return function()
    turn = turn % KINDS + 1
    kinds[turn]()
  end
end

local function row(what, times, base, goal)
  local ratio = stats.ratio(times, base)
  return {
    what = what,
    measured = ("%.0f us"):format(stats.median(times) * 1e6),
    ratio = ("%.2f"):format(ratio),
    goal = goal and ("<= %.2f"):format(goal),
    met = goal and ratio <= goal,
    value = ratio, most = goal,
  }
end

-- Against the floor, in one run of its own for each: what is made ahead is for few policies.
local function measure(list, runs, pause)
  stats.interleave(list, WARM_UP, floor.now, pause)
  return stats.interleave(list, runs, floor.now, pause)
end

-- In the picture, by these names.
local BARS = { "sbx.run, no sandbox", "sbx.run, landlock tier", "sbx.run, contained tier",
               "sbx.run, contained, another policy each time" }

return function(options, picture)
  local directory = workspace()
  local times = measure({bare, unconfined, confined(directory, "landlock")}, options.runs)
  local rows = {
    row("/bin/true, bare posix_spawn with a captured pipe", times[1], times[1]),
    row("/bin/true, sbx.run, no sandbox", times[2], times[1], 1.10),
    row("/bin/true, sbx.run, workspace-write, landlock tier", times[3], times[1], 1.25),
  }
  times = measure({bare, confined(directory, "contained")}, options.runs)
  rows[4] = row("the same, contained tier", times[2], times[1], 1.25)
  times = measure({bare, unprepared(directory)}, options.runs, PAUSE)
  rows[5] = row("the same, each time another policy", times[2], times[1], 1.8)
  local one = confined(directory, "contained", with_rules(directory, 1, 1))
  local many = confined(directory, "contained", with_rules(directory, 1, RULES))
  times = measure({one, many}, options.runs)
  rows[6] = row("the same, 100 rules against 1", times[2], times[1], 1.5)
  shell("rm -r %s", directory)
  local wake, call = floor.wake(5000) * 1e6, floor.call(100000) * 1e6
  rows[7] = {what = "one process wakes another", measured = ("%.1f us"):format(wake)}
  rows[8] = {what = "the least system call", measured = ("%.2f us"):format(call)}
  for i, name in ipairs(BARS) do picture:bar(name, rows[i + 1].value, "own", rows[i + 1].most) end
  return rows
end
