-- Many runs in one script: descriptors, processes and memory before and after.
local floor = require "floor"
local sbx = require "sbx"

local WARM_UP = 500
local MEMORY_SLACK = 1.0 -- MiB: what an allocator may keep without there being a leak

local function resident_mib(pid)
  local file = io.open("/proc/" .. pid .. "/status")
  if not file then return 0 end
  local kib = file:read("a"):match("VmRSS:%s*(%d+)")
  file:close()
  return (tonumber(kib) or 0) / 1024
end

local function parent_of(pid)
  local file = io.open("/proc/" .. pid .. "/stat")
  if not file then return nil end
  local parent = file:read("a"):match("%) %S+ (%d+)")
  file:close()
  return parent
end

---This process and all that descend from it.
local function family()
  local children = {}
  for _, pid in ipairs(floor.list("/proc")) do
    local parent = pid:match("^%d+$") and parent_of(pid)
    if parent then
      children[parent] = children[parent] or {}
      table.insert(children[parent], pid)
    end
  end
  local all = {io.open("/proc/self/stat"):read("n")}
  for i = 1, math.huge do
    if not all[i] then return all end
    table.move(children[tostring(all[i])] or {}, 1, 1000, #all + 1, all)
  end
end

local function measure()
  collectgarbage()
  collectgarbage()
  local now = {descriptors = 0, processes = 0, mib = 0}
  for _, pid in ipairs(family()) do
    now.processes = now.processes + 1
    now.descriptors = now.descriptors + #floor.list("/proc/" .. pid .. "/fd")
    now.mib = now.mib + resident_mib(pid)
  end
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
      what = ("%d runs: growth of %s, host and spawner"):format(options.growth_runs, unit),
      measured = form:format(grown),
      goal = slack == 0 and "0" or ("<= %.1f MiB"):format(slack),
      met = grown <= slack,
    }
  end
  return {
    row("descriptors", "descriptors", "%d", 0),
    row("processes", "processes", "%d", 0),
    row("mib", "memory", "%.2f MiB", MEMORY_SLACK),
  }
end
