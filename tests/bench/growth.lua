-- Many runs in one script: descriptors, processes and memory before and after.
local processes = require "tests.processes"
local sbx = require "sbx"

local WARM_UP = 500
-- MiB: what an allocator may keep without there being a leak.
local MEMORY_SLACK = 1.0

local function measure()
  local now = processes.held()
  now.mib = (now.host_kib + now.engine_kib) / 1024
  return now
end

local function run(times)
  for _ = 1, times do
    assert(sbx.run({command = {"/bin/true"}, policy = "workspace-write"}))
  end
end

return function(options)
  run(WARM_UP)
  local before = measure()
  run(options.growth_runs)
  local after = measure()
  local function row(name, unit, form, slack)
    local grown = after[name] - before[name]
    return {
      what = ("%d runs: growth of %s, host and engine"):format(options.growth_runs, unit),
      measured = form:format(grown),
      goal = "<= " .. form:format(slack),
      met = grown <= slack,
    }
  end
  return {
    row("descriptors", "descriptors", "%d", 2 * processes.SPARES),
    row("processes", "processes", "%d", 0),
    row("mib", "memory", "%.2f MiB", MEMORY_SLACK),
  }
end
