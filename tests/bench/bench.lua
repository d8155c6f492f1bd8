-- bin/bench: ratios of interleaved runs in one process, against the floor (a bare posix_spawn with
-- a captured pipe, a bare C read loop). Exit status 1 when a goal is missed.
local argparse = require "argparse"
local machine = require "tests.bench.machine"
local picture = require "tests.bench.picture"
local parts = {
  spawn = require "tests.bench.spawn",
  output = require "tests.bench.output",
  growth = require "tests.bench.growth",
  kill = require "tests.bench.kill",
  watch = require "tests.bench.watch",
  work = require "tests.bench.work",
  lines = require "tests.bench.lines",
  many = require "tests.bench.many",
  peers = require "tests.bench.peers",
}
-- Growth before output: after strings of 10 MiB the collector of Lua 5.4 lets some 60 MB of garbage
-- pile up before its next cycle, which would be taken for a leak.
local ORDER = {"spawn", "peers", "many", "growth", "kill", "work", "watch",
               "lines", "output"}

local function parse_options()
  local parser = argparse("bin/bench", "Measures sbxlua against a bare spawn and a bare read loop.")
  parser:argument("part", "Which parts; all by default."):args("*"):choices(ORDER)
  parser:option("--runs", "Interleaved runs of a short command.", "1000"):convert(tonumber)
  parser:option("--mib", "MiB of output in the output part.", "1024"):convert(tonumber)
  parser:option("--repeats", "Interleaved runs of the output part.", "7"):convert(tonumber)
  parser:option("--growth-runs", "Runs in the parts growth and lines.", "100000"):convert(tonumber)
  parser:option("--rounds", "Interleaved runs of each work in the parts work and watch.", "7")
    :convert(tonumber)
  parser:option("--many", "Commands in the part of many at once.", "2000"):convert(tonumber)
  parser:option("--peers", "Interleaved runs of the part of peers.", "200"):convert(tonumber)
  parser:option("--kills", "Trees that are ended by each way in the kill part.", "5")
    :convert(tonumber)
  parser:option("--points", "Runs for each point of the lines.", "50"):convert(tonumber)
  parser:option("--picture", "Where the picture (SVG) of bars and lines is written.")
  return parser:parse()
end

local function print_row(row)
  local verdict = ""
  if row.met ~= nil then verdict = row.met and "met" or "MISSED" end
  print(("%-52s %14s %12s %12s  %s"):format(
    row.what, row.measured, row.ratio or "", row.goal or "", verdict))
end

local options = parse_options()
local chosen = #options.part > 0 and options.part or ORDER
local described = machine.describe()
print(described)
print()
print_row({what = "what", measured = "measured", ratio = "ratio", goal = "goal"})

local missed, drawn = 0, picture.new(described)
for _, name in ipairs(chosen) do
  for _, row in ipairs(parts[name](options, drawn)) do
    print_row(row)
    if row.met == false then missed = missed + 1 end
  end
end
if options.picture and not drawn:is_empty() then
  local file = assert(io.open(options.picture, "w"))
  file:write(drawn:svg())
  file:close()
end
os.exit(missed == 0 and 0 or 1, true)
