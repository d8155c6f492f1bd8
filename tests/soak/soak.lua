-- Mixed load for a while, and whether anything grows: lua5.4 soak.lua MINUTES [AT_ONCE]
-- Every command's outcome is checked. Prints a table of figures; exit status 1 where something
-- grew or an outcome was another. `bin/test --soak` runs it against the build.
local floor = require "floor"
local sbx = require "sbx"
local processes = require "tests.processes"
local load = require "tests.soak.load"
local state = require "tests.soak.state"

local MINUTES = tonumber(arg[1]) or 2
local AT_ONCE = tonumber(arg[2]) or 200
local SAMPLES = 12
-- What an allocator may keep for itself without there being a leak, and supervisors that wait.
local SLACK = { host_kib = 4096, engine_kib = 512, descriptors = 2 * processes.SPARES }

local wrong, counts, flying = {}, {}, {}

local function note_wrong(name, what)
  wrong[#wrong + 1] = name .. ": " .. what
end

local function ended(one)
  if not one.job:poll(0) then return false end
  local r, err, out = one.job:wait()
  local what = one.kind.check(r, err, out)
  if what then note_wrong(one.kind.name, what) end
  return true
end

local function start(place, n)
  local kind = load.kinds[n % #load.kinds + 1]
  counts[kind.name] = (counts[kind.name] or 0) + 1
  local job, err = sbx.spawn(kind.options(place, n))
  if kind.refused then
    if job or err.kind ~= kind.refused then note_wrong(kind.name, "it ran") end
  elseif not job then
    note_wrong(kind.name, tostring(err))
  elseif kind.abandoned then
    return -- collected some time, and ended by that
  else
    flying[#flying + 1] = { job = job, kind = kind, kill_at = kind.kills and floor.now() + 0.05 }
  end
end

local function sweep()
  local now = floor.now()
  for i = #flying, 1, -1 do
    local one = flying[i]
    if one.kill_at and now >= one.kill_at then
      one.job:kill()
      one.kill_at = nil
    end
    if ended(one) then
      flying[i] = flying[#flying]
      flying[#flying] = nil
    end
  end
end

-- Up to the limit, then less, so that both a crowd and an idle engine are seen.
local function wave(place, n)
  local crowd = n % 3 == 0 and AT_ONCE or 8
  local started = 0
  while started < crowd do
    start(place, started + n)
    started = started + 1
    if #flying >= crowd then sweep() end
  end
  while #flying > 0 do
    flying[1].job:poll(2)
    sweep()
  end
  return started
end

local function run_for(place, seconds, n)
  local stop = floor.now() + seconds
  local commands = 0
  while floor.now() < stop do
    commands = commands + wave(place, n)
    n = n + 1
  end
  return commands, n
end

local function print_row(label, commands, now)
  print(("%-8s %9s %9s %11s %12s %10s %7s %8s %5s"):format(label, commands, now.host_kib,
    now.engine_kib, now.descriptors, now.processes, now.mounts, now.cgroups, now.left))
end

local function grown(before, after)
  local list = {}
  for name, value in pairs(after) do
    local by = value - before[name]
    if by > (SLACK[name] or 0) then list[#list + 1] = ("%s grew by %d"):format(name, by) end
  end
  table.sort(list)
  return list
end

local place = load.place()
print(("soak: %g minutes, up to %d at once"):format(MINUTES, AT_ONCE))
print_row("minute", "commands", { host_kib = "host KiB", engine_kib = "engine KiB",
  descriptors = "descriptors", processes = "processes", mounts = "mounts", cgroups = "cgroups",
  left = "left" })

local total, n, first, last = 0, 0, nil, nil
for sample = 0, SAMPLES do
  local commands
  commands, n = run_for(place, MINUTES * 60 / (SAMPLES + 1), n)
  total = total + commands
  last = state.settled(place)
  -- the first stretch fills caches: what counts is what comes after
  first = first or last
  print_row(("%.1f"):format((sample + 1) * MINUTES / (SAMPLES + 1)), total, last)
end

local names = {}
for name, count in pairs(counts) do names[#names + 1] = name .. " " .. count end
table.sort(names)
print("commands: " .. table.concat(names, ", "))
load.remove(place)
local bad = grown(first, last)
for i = 1, math.min(#wrong, 20) do print("WRONG   " .. wrong[i]) end
for _, what in ipairs(bad) do print("GREW    " .. what) end
print(("%d commands, %d wrong outcomes, %d figures grew"):format(total, #wrong, #bad))
os.exit(#wrong == 0 and #bad == 0 and 0 or 1, true)
