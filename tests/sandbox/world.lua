-- One run of the catalogue: the world around it is made (catalogue/world.c), some attempts are
-- tried, and then the evidence is gathered, all of it from elsewhere than the attempts' own words.
local support = require "tests.support"

local M = {}

local source = os.getenv("SBX_SOURCE") or "."
local prefix = os.getenv("SBX_PREFIX") or source .. "/build"

local function sources()
  local list = {}
  local line = "ls " .. support.quote(source .. "/tests/sandbox/catalogue") .. "/*.c"
  for path in support.output(line):gmatch("[^\n]+") do list[#list + 1] = support.quote(path) end
  return table.concat(list, " ")
end

M.program = support.program("catalogue", "-lrt " .. sources())

--- All names, in the order in which they are tried.
function M.names()
  local list = {}
  for name in support.output(M.program .. " list"):gmatch("([%l%d_]+) [^\n]*\n") do
    list[#list + 1] = name
  end
  return list
end

local function disk()
  return support.output("findmnt -no SOURCE / | grep ^/dev/ || ls /dev/[svn]d[a-z] | head -n 1")
    :match("[^\n]*")
end

---------------------------------------------------------------------------------------------------
-- States

-- A line of a root that may change: what is called free there, and the times of a root itself,
-- where placeholders came and went.
local function is_free(rest)
  return rest:match("^/free") or rest:match("^ ") or rest:match("^/below d ")
end

-- Of each attempt's own directory, as a map.
local function states(directory, is_root)
  local map = {}
  local text = support.output(([[cd %s || exit
    find . -mindepth 1 -printf '%%P %%y %%m %%n %%U %%s %%T@ %%C@ %%l\n' | sort
    find . -type f -exec md5sum {} + | sort -k 2]]):format(directory))
  for line in text:gmatch("[^\n]+") do
    local sum, path = line:match("^(%x+)  %./(.*)")
    local name, rest = (path or line):match("^([%l%d_]+)(.*)")
    line = sum and path .. " " .. sum or line
    if not (is_root and is_free(rest)) then map[name] = (map[name] or "") .. line .. "\n" end
  end
  return map
end

local function compare(before, after, note, how)
  for name, state in pairs(before) do
    if after[name] ~= state then note(name, how) end
  end
  for name in pairs(after) do
    if not before[name] then note(name, how) end
  end
end

---------------------------------------------------------------------------------------------------
-- What was said

--- By the host, or whoever stands for it.
local function from_log(log, note)
  assert(log:match("done world\n"), "the world did not end: " .. log)
  for verb, name in log:gmatch("(%l+) ([%l%d_]+)\n") do
    if verb == "heard" or verb == "touched" then note(name, verb) end
  end
end

--- By the attempts' parent, and what they can't have known.
local function from_output(secret, output, note)
  for name in output:gmatch("seen ([%l%d_]+)\n") do note(name, "seen") end
  for name, text in output:gmatch("leak ([%l%d_]+) ([^\n]*)\n") do
    if text:find(secret .. "-" .. name, 1, true) then note(name, "leaked") end
  end
end

M.states, M.compare, M.from_log, M.from_output = states, compare, from_log, from_output

local seed = 0

--- What all secrets of a world begin with.
function M.secret()
  seed = seed + 1
  return ("x%dy%dz%d"):format(support.own_pid, seed, math.random(1, 1 << 30))
end

---------------------------------------------------------------------------------------------------
-- Worlds

local World = {}
World.__index = World

local function start(dir, marker, names)
  local log = dir .. "/log"
  local pipe = assert(io.popen(("exec env -u LD_PRELOAD SBX_MARKER=%s SBX_PROGRAM=%s SBX_DISK=%s"
    .. " %s world %s %s >%s 2>&1"):format(marker, support.quote(prefix .. "/bin/sbxlua"), disk(),
                                         M.program, dir, table.concat(names, " "), log), "w"))
  local secret = M.secret()
  pipe:write(secret, "\n")
  pipe:flush()
  return pipe, log, secret
end

--- A host with victims, servers and scratch files for every attempt.
---@param names string[]  which are going to be tried
function M.make(names)
  local world = setmetatable({
    dir = support.directory(), marker = support.marker(), names = names, held = {},
    programs = M.program:match("^(.*)/"),
  }, World)
  world.pipe, world.log, world.secret = start(world.dir, world.marker, names)
  assert(support.wait_until(function()
    return (support.read(world.log) or ""):match("ready world\n")
  end, 20), "the world did not begin: " .. (support.read(world.log) or ""))
  for _, name in ipairs(names) do world:hold(name) end
  world.outside = states(world.dir .. "/outside")
  world.roots = states(world.dir .. "/roots", true)
  return world
end

-- Lua's own files are without close-on-exec: what a careless host leaves open.
function World:hold(name)
  if not name:match("^inherited_") then return end
  local place = self.dir .. "/outside/" .. name
  for path, mode in pairs({ [place .. "/file"] = "r+", [place .. "/empty"] = "r" }) do
    self.held[#self.held + 1] = assert(io.open(path, mode))
  end
end

--- What is to be run.
function World:command()
  return { M.program, "try", self.dir, table.unpack(self.names) }
end

local function cgroup_made(dir)
  local path = support.read(dir .. "/inside/facts"):match("\ncgroup ([^\n]+)")
  path = ("%s/%s"):format(path, dir:match("[^.]+$"))
  if not support.exists(path) then return false end
  support.shell("rmdir %s", path)
  return true
end

local function from_host(world, note)
  for _, file in ipairs(world.held) do file:close() end
  world.pipe:close()
  from_log(support.read(world.log), note)
  compare(world.outside, states(world.dir .. "/outside"), note, "changed")
  compare(world.roots, states(world.dir .. "/roots", true), note, "changed")
  if cgroup_made(world.dir) then note("sys_cgroup_make", "made") end
  if support.count(world.marker) > 0 then
    note("left_daemon", "alive")
    support.sweep(world.marker)
  end
end

--- Ends it: evidence by name, and what each attempt said of itself.
---@param output string  of the command
function World:close(output)
  local evidence = {}
  local function note(name, how)
    evidence[name] = (evidence[name] and evidence[name] .. ", " or "") .. how
  end
  from_output(self.secret, output, note)
  from_host(self, note)
  support.remove(self.dir)
  return evidence, support.answers(output)
end

return M
