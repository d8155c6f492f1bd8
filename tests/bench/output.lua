-- A command that prints much, under the default cap: speed against a C loop that reads and forgets,
-- and peak memory.
local ask = require "tests.bench.ask"
local floor = require "floor"
local sbx = require "sbx"
local scratch = require "tests.bench.scratch"
local stats = require "tests.bench.stats"

local MIB = 1024 * 1024
local SPEED_GOAL = 0.9
local WHOLE_GOAL, KEPT_GOAL = 1.0, 2.1 -- over Python's time; peak over the bytes that are kept
local MEMORY_GOAL, JSON_MEMORY_GOAL = 64, 128 -- MiB
local PEAK_SCRIPT = [[
  local floor = require "floor"
  local status, peak = floor.peak(arg)
  assert(status == 0, "the program failed")
  print(peak)
]]
local function writer(mib)
  return {"dd", "if=/dev/zero", "bs=64k", "count=" .. mib * 16, "status=none"}
end

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

---Peak resident bytes of a program, started from a process of its own that is small.
local function peak_of(argv)
  local words = {"lua5.4", "-e", PEAK_SCRIPT, "/dev/null"}
  for i, word in ipairs(argv) do words[4 + i] = word end
  for i, word in ipairs(words) do words[i] = quote(word) end
  local pipe = assert(io.popen(table.concat(words, " ")))
  local bytes = tonumber(pipe:read("l"))
  pipe:close()
  return assert(bytes, "no peak measured")
end

local function memory_row(what, argv, goal)
  local peak = peak_of(argv) / MIB
  return {
    what = what,
    measured = ("%.1f MiB"):format(peak),
    goal = ("<= %d MiB"):format(goal),
    met = peak <= goal,
  }
end

local function with(head, command)
  return table.move(command, 1, #command, #head + 1, head)
end

-- A Python that captures the same, each time it is told to.
local PYTHON = [[
import subprocess, sys
for line in sys.stdin:
    print(len(subprocess.run(sys.argv[1:], capture_output=True).stdout), flush=True)]]

local function python(command, size)
  local directory = scratch()
  local tell, stop = ask.python(PYTHON, table.concat(command, " "), directory)
  return function() assert(tonumber(tell()) == size) end, function()
    stop()
    os.execute("rm -r " .. directory)
  end
end

local function whole(command, size)
  return function()
    local result = assert(sbx.run({
      command = command, policy = "workspace-write", timeout_ms = false, max_output_bytes = false,
    }))
    assert(#result.stdout == size)
    result = nil -- luacheck: ignore
    collectgarbage() -- as Python frees what it no longer refers to
  end
end

-- Both keep all of it, and no more than one copy from run to run.
local function whole_rows(command, size, repeats)
  local by_python, close = python(command, size)
  local times = stats.interleave({by_python, whole(command, size)}, repeats, floor.now)
  close()
  local ratio, rate = stats.ratio(times[2], times[1]), size / stats.median(times[2])
  local script = {"lua5.4", "tests/bench/capture.lua", "whole"}
  local peak = peak_of(with(script, command)) / size
  return {
    what = ("%d MiB captured whole, over Python's subprocess.run"):format(size // MIB),
    measured = ("%.2f GB/s"):format(rate / 1e9), ratio = ("%.2f"):format(ratio),
    goal = ("<= %.2f"):format(WHOLE_GOAL), met = ratio <= WHOLE_GOAL,
  }, {
    what = "peak memory of that, over the bytes kept",
    measured = ("%.0f MiB"):format(peak * size / MIB), ratio = ("%.2f"):format(peak),
    goal = ("<= %.2f"):format(KEPT_GOAL), met = peak <= KEPT_GOAL,
  }
end

return function(options)
  local command = writer(options.mib)
  local size = options.mib * MIB
  local function bare()
    local status, bytes = floor.run(command)
    assert(status == 0 and bytes == size)
  end
  local function captured()
    local result = assert(sbx.run({
      command = command, policy = "workspace-write", timeout_ms = false,
    }))
    assert(#result.stdout + result.truncated.stdout == size)
  end
  local times = stats.interleave({bare, captured}, options.repeats, floor.now)
  local speed = stats.ratio(times[1], times[2])
  local function rate(i)
    return ("%.2f GB/s"):format(size / stats.median(times[i]) / 1e9)
  end
  local program = os.getenv("SBX_PREFIX") .. "/bin/sbxlua"
  local run = {program, "run", "-q", "-p", "workspace-write", "--"}
  local json = {program, "run", "-q", "--json", "-p", "workspace-write", "--"}
  local script = {program, "tests/bench/capture.lua"}
  local much = options.mib .. " MiB of output"
  local whole_time, whole_peak = whole_rows(command, size, options.repeats)
  return {
    {what = much .. ", C loop that reads and forgets", measured = rate(1), ratio = "1.00"},
    {
      what = much .. ", sbx.run, default cap",
      measured = rate(2),
      ratio = ("%.2f"):format(speed),
      goal = (">= %.2f"):format(SPEED_GOAL),
      met = speed >= SPEED_GOAL,
    },
    whole_time, whole_peak,
    memory_row("peak memory, script that captures it", with(script, command), MEMORY_GOAL),
    memory_row("peak memory, sbxlua run", with(run, command), MEMORY_GOAL),
    memory_row("peak memory, sbxlua run --json", with(json, command), JSON_MEMORY_GOAL),
  }
end
