-- From the time-out to an empty tree, by each way to end one: 300 processes with daemons and with
-- some that fork and exit for ever.
local stats = require "tests.bench.stats"

local PROCESSES = 300
-- The words of `enforced.kill_tree` that name it, and the milliseconds that it may take.
local WAYS = {
  { way = "pidns", named = "PID namespace", goal = 50 },
  { way = "cgroup", named = "cgroup", goal = 250 },
  { way = "subreaper", named = "subreaper", goal = 5000 },
}

local function output(line, ...)
  local pipe = assert(io.popen(line:format(...)))
  local text = pipe:read("a")
  pipe:close()
  return text
end

local function write(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

-- A configuration whose policy script leaves one way, in the landlock tier, which has all three.
local function configure(directory, way)
  local file = assert(io.open("tests/way.lua"))
  local text = file:read("a"):gsub('"WAY"', ('"%s"'):format(way)):gsub('"TIER"', '"landlock"')
  file:close()
  output("mkdir -p %s/sbxlua", directory)
  write(directory .. "/sbxlua/policy.lua", text)
end

local function measure(directory, tree, way, rounds)
  configure(directory, way)
  local text = output("XDG_CONFIG_HOME=%s lua5.4 tests/bench/kill_host.lua %s %d %d 2>&1",
                      directory, tree, PROCESSES, rounds)
  local times, least, left = {}, math.huge, 0
  for ms, up, survivors in text:gmatch("(%-?[%d.]+) (%d+) (%d+)\n") do
    times[#times + 1] = tonumber(ms)
    least, left = math.min(least, tonumber(up)), left + tonumber(survivors)
  end
  return times, least, left, text:match("([^\n]*)\n$") or "nothing"
end

local function row(one, times, least, left, named)
  local what = "time-out to an empty tree of 300, by "
  if #times == 0 then return { what = what .. one.way, measured = "not here: " .. named } end
  local median, worst = stats.median(times), math.max(table.unpack(times))
  local whole = left == 0 and least >= PROCESSES * 0.9 and named:find(one.named, 1, true) ~= nil
  return {
    what = what .. named:gsub(" %(.*", ""),
    measured = ("%.1f ms"):format(median),
    ratio = ("worst %.0f"):format(worst),
    goal = ("<= %d ms"):format(one.goal),
    met = whole and median <= one.goal,
  }
end

return function(options)
  local directory = output("d=$(mktemp -d) && realpath $d"):gsub("\n", "")
  local tree = directory .. "/tree"
  output("cc -O2 -o %s tests/bench/tree.c", tree)
  local rows = {}
  for i, one in ipairs(WAYS) do
    rows[i] = row(one, measure(directory, tree, one.way, options.kills))
  end
  output("rm -r %s", directory)
  return rows
end
