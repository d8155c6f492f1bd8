-- Allocations that fail, one after the other, in Lua, in the C of the host, and in each process of
-- the helper program: a typed error or Lua's own, no crash, nothing left, and the next command
-- runs. SBX_FAULTS=all: each of them, also in a warm start, and the table.
local sbx = require "sbx"
local support = require "tests.support"

-- gcov allocates in processes that share memory with their parent, and waits for itself.
if os.getenv("GCOV_ERROR_FILE") then return end
-- What asks for a part of the calls asks for nothing here.
if os.getenv("SBX_FAULTS_CELL") or os.getenv("SBX_FAULTS_SCENE") then return end

local whole = os.getenv("SBX_FAULTS") == "all"
local prefix = os.getenv("SBX_PREFIX") or "build"
local here = (os.getenv("SBX_SOURCE") or ".") .. "/tests/faults/"
local quote = support.quote

local directory

local function compile(words)
  support.shell("cc -D_GNU_SOURCE -O1 -Wall " .. words:gsub("%%", "%%%%"), "")
end

local function build()
  directory = support.directory()
  local lua = "$(pkg-config --cflags lua5.4)"
  local archive = "$(pkg-config --variable=libdir lua5.4)/liblua5.4.a"
  compile(("%s -o %s/memory %smemory.c %scounting.c -Wl,-E -Wl,--whole-archive %s"
    .. " -Wl,--no-whole-archive -lm -ldl"):format(lua, directory, here, here, archive))
  compile(("-I%s/include -o %s/sbx-exec %shelper.c %scounting.c %s/lib/libsbx.a -lseccomp")
    :format(prefix, directory, here, here, prefix))
  compile(("-o %s/probe %sprobe.c"):format(directory, here))
  compile(("-shared -fPIC %s -o %s/sbxmark.so %smark.c"):format(lua, directory, here))
  support.write(directory .. "/plan", ("\0"):rep(24))
end

-- Runs memory.lua to its end: what it says, by the first word of a line.
local function run(what, tier, kind, step)
  local place = directory .. "/place"
  support.shell("rm -rf %s; mkdir -p -m 700 %s/work %s/second %s/outside %s/run/sbxlua %s/home; "
    .. "chmod 700 %s/run", place, place, place, place, place, place, place)
  local line = ("cd %s; env -i PATH=%s HOME=%s/home XDG_RUNTIME_DIR=%s/run FAULTS_PROBE=%s/probe "
    .. "FAULTS_HELPER=%s/sbx-exec ./memory %smemory.lua %s %s %s %s %s %s %d 2>&1; "
    .. "echo \"status\t$?\"; sleep 0.3; "
    .. "ls -A %s/work %s/second | grep -v -e :$ -e ^$ | sed 's/^/left\t/'"):format(
    directory, quote(os.getenv("PATH")), place, place, directory, directory, here,
    quote(package.path), quote(directory .. "/?.so;" .. package.cpath), what, tier, kind, place,
    step, place, place)
  local said = { outcome = {}, wrong = {}, leak = {}, left = {}, other = {} }
  for text in support.output(line):gmatch("[^\n]+") do
    local word, rest = text:match("^(%l+)\t(.*)$")
    if said[word] then table.insert(said[word], rest)
    elseif word then said[word] = rest
    else table.insert(said.other, text) end
  end
  return said
end

local function print_row(what, tier, kind, said)
  table.sort(said.outcome)
  print(("memory of %-10s tier %-9s %-4s %5s failed, %d wrong, %d leaks: %s"):format(
    what, tier, kind, (said.tried or "0"):match("%d+"), #said.wrong, #said.leak,
    table.concat(said.outcome, ", "):gsub("\t", " ")))
end

-- How many allocations there are at least: fewer, and nothing was counted.
local LEAST = { c = 15, lua = 20, spawner = 2, supervisor = 1, keeper = 1 }

local function check(what, tier, kind, step)
  local said = run(what, tier, kind, step)
  if whole then print_row(what, tier, kind, said) end
  assert.equal("0", said.status, table.concat(said.other, "\n"))
  assert.same({}, said.wrong)
  assert.same({}, said.leak)
  assert.same({}, said.other)
  -- elsewhere a command may make protected names, and one that was killed on its way leaves them
  if tier == "contained" then assert.same({}, said.left) end
  assert.is_true(tonumber(said.tried:match("%d+")) >= LEAST[what], said.tried)
end

local function tiers()
  local list = sbx.probe().tiers
  list[#list + 1] = "none"
  return list
end

describe("an allocation that fails", function()
  setup(build)
  teardown(function() support.remove(directory) end)

  for _, tier in ipairs(tiers()) do
    local kinds = whole and tier ~= "none" and { "cold", "warm" } or { "cold" }
    for _, kind in ipairs(kinds) do
      for _, what in ipairs({ "c", "lua", "spawner", "supervisor", "keeper" }) do
        -- placeholders alone need a keeper, and mounts a supervisor with memory of its own
        local contained = tier == "contained"
        if contained and (what ~= "keeper" or kind == "cold") or not contained and what ~= "keeper"
           and what ~= "supervisor" and (what ~= "spawner" or kind == "cold") then
          it(("of %s, tier %s, %s"):format(what, tier, kind), function()
            check(what, tier, kind, what == "lua" and not whole and 60 or 1)
          end)
        end
      end
    end
  end
end)
