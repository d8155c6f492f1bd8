-- What a cost grows with: each a line of the picture, none worse than linear, most flat.
local ask = require "tests.bench.ask"
local floor = require "floor"
local sbx = require "sbx"
local scratch = require "tests.bench.scratch"
local stats = require "tests.bench.stats"

local TRUE = { "/bin/true" }
local US = 1e6

local function shell(line, ...) assert(os.execute(line:format(...))) end

local function median_of(rounds, run)
  local times = {}
  for i = 1, rounds do
    local began = floor.now()
    run()
    times[i] = floor.now() - began
  end
  return stats.median(times) * US
end

local function contained(directory, policy)
  return function()
    assert(sbx.run({ command = TRUE, policy = policy or "workspace-write", tier = "contained",
                     cwd = directory }))
  end
end

---------------------------------------------------------------------------------------------------

local function rules(options, directory)
  local points, list = {}, {}
  for _, count in ipairs({ 1, 10, 100, 1000 }) do
    for i = #list + 1, count do
      list[i] = ("%s/d%d"):format(directory, i)
      shell("mkdir %s", list[i])
    end
    local policy = { extends = "workspace-write", read_only = table.move(list, 1, count, 1, {}) }
    local run = contained(directory, policy)
    median_of(10, run)
    points[#points + 1] = { count, median_of(options.points, run) }
  end
  return points
end

local function in_flight(options, directory)
  local points, jobs = {}, {}
  local run = contained(directory)
  for _, count in ipairs({ 1, 10, 100, 1000, 2000 }) do
    while #jobs < count do
      jobs[#jobs + 1] = assert(sbx.spawn({ command = { "sleep", "600" }, cwd = directory,
                                           policy = "danger-full-access" }))
    end
    median_of(10, run)
    points[#points + 1] = { count, median_of(options.points, run) }
  end
  for _, job in ipairs(jobs) do job:kill() end
  return points
end

local function so_far(options, directory)
  local points, done = {}, 0
  local run = contained(directory)
  local count = 10
  while count <= options.growth_runs do
    local rounds = math.min(count - done, options.points)
    for _ = done + 1, count - rounds do run() end
    points[#points + 1] = { count, median_of(rounds, run) }
    done, count = count, count * 10
  end
  return points
end

local function host_size(options, directory)
  local sizes, ways, closers = { 10, 100, 1024 }, {}, {}
  for i, mib in ipairs(sizes) do
    local line = ("lua5.4 tests/bench/big_host.lua %d %s"):format(mib, directory)
    ways[i], closers[i] = ask.start(line, directory)
    for _ = 1, 20 do ways[i]() end
  end
  local times = {}
  for i in ipairs(ways) do times[i] = {} end
  for round = 1, options.points do
    for i, way in ipairs(ways) do times[i][round] = tonumber(way()) end
  end
  local points = {}
  for i, mib in ipairs(sizes) do
    closers[i]()
    points[i] = { mib, stats.median(times[i]) * US }
  end
  return points, stats.ratio(times[#sizes], times[1])
end

local TREE = "i=1; while [ $i -lt %d ]; do sleep 600 & i=$((i+1)); done; echo up; exec sleep 600"

local function killed(options, directory)
  local points = {}
  for _, count in ipairs({ 1, 10, 100, 1000, 2000 }) do
    local times = {}
    for i = 1, options.kills do
      local job = assert(sbx.spawn({ command = { "sh", "-c", TREE:format(count) }, cwd = directory,
                                     policy = "workspace-write", tier = "contained" }))
      assert(select(2, job:lines()()) == "up")
      local began = floor.now()
      job:kill()
      job:wait()
      times[i] = floor.now() - began
    end
    points[#points + 1] = { count, stats.median(times) * US }
  end
  return points
end

---------------------------------------------------------------------------------------------------

-- How often the first the last may be: what isn't flat is linear, no step steeper than what grows.
local LINES = {
  { "rules", "rules of the policy (a mount each)", rules, "linear" },
  { "jobs in flight", "jobs in flight meanwhile", in_flight, 1.5 },
  { "runs so far", "runs of this host so far", so_far, 1.3 },
  { "size of the host", "MiB of the host", host_size, 1.05 },
  { "end of a tree", "processes that are killed", killed, "linear" },
}

local STEEP = 1.1

local function is_linear(points)
  for i = 2, #points do
    local grown, cost = points[i][1] / points[i - 1][1], points[i][2] / points[i - 1][2]
    if cost > grown * STEEP then return false end
  end
  return true
end

local function row_of(line, points, ratio)
  local _, grows, _, most = table.unpack(line)
  local first, last = points[1], points[#points]
  local linear = most == "linear"
  ratio = ratio or last[2] / first[2]
  local met
  if linear then met = is_linear(points) else met = ratio <= most end
  return {
    what = ("growth with %s, %g to %g"):format(grows, first[1], last[1]),
    measured = ("%.0f, %.0f us"):format(first[2], last[2]), ratio = ("%.2f"):format(ratio),
    goal = linear and "linear" or ("<= %.2f"):format(most), met = met,
  }
end

return function(options, picture)
  local directory = scratch()
  local rows = {}
  for i, line in ipairs(LINES) do
    local points, ratio = line[3](options, directory)
    picture:line(line[1], line[2], points)
    rows[i] = row_of(line, points, ratio)
  end
  shell("rm -r %s", directory)
  return rows
end
