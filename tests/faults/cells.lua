-- Recordings and cells: what a command's start calls, and what came of it when one call failed.
local errnos = require "tests.faults.errnos"
local support = require "tests.support"

local M = {}

local quote = support.quote
local SOURCE = os.getenv("SBX_SOURCE") or "."
local HERE = SOURCE .. "/tests/faults/"

---------------------------------------------------------------------------------------------------
-- The bench: programs, a listener, and a directory for each cell that runs at a time

---@class faults.Bench
---@field directory string
---@field slots string[]

--- @return faults.Bench
function M.bench(slots)
  local directory = support.directory()
  support.shell("mkdir %s/bin %s/listener", directory, directory)
  local function compile(words) support.shell("cc -D_GNU_SOURCE -O1 -Wall " .. words, "") end
  compile(("-o %s/bin/faults %sfaults.c %sprocess.c -lseccomp")
    :format(directory, HERE, HERE))
  compile(("-o %s/bin/probe %sprobe.c"):format(directory, HERE))
  compile(("-shared -fPIC $(pkg-config --cflags lua5.4) -o %s/bin/sbxmark.so %smark.c")
    :format(directory, HERE))
  local bench = { directory = directory, slots = {} }
  bench.listener = support.listener(directory .. "/listener")
  for i = 1, slots or 1 do bench.slots[i] = directory .. "/" .. i end
  return bench
end

function M.close(bench)
  bench.listener:close()
  support.remove(bench.directory)
end

---------------------------------------------------------------------------------------------------
-- One run of the tracer

-- The state afterwards: names below the directory, mounts of the host, cgroups of jobs.
local STATE = [[
echo state
find . -mindepth 1 ! -path './run/sbxlua*' -printf '%P %y\n' | sort
ls /run/sbxlua /dev/shm/sbxlua-* /var/tmp/sbxlua-* run/sbxlua 2>/dev/null | grep "^$pid[.]"
md5sum </proc/self/mountinfo
for made in $(find /sys/fs/cgroup -maxdepth 4 -type d -uid $(id -u) -name 'sbx.*' 2>/dev/null); do
  [ -d /proc/"${made##*.}" ] || { echo "$made"; rmdir "$made"; }
done
true]]

-- What other tests have left is none of the recording's.
local SWEEP = [[
for made in $(find /sys/fs/cgroup -maxdepth 4 -type d -uid $(id -u) -name 'sbx.*' 2>/dev/null); do
  [ -d /proc/"${made##*.}" ] || rmdir "$made" 2>/dev/null
done]]

-- What the bench's programs need, and nothing of the developer's.
local function environment(bench, slot)
  return ("env -i PATH=%s HOME=%s/home XDG_RUNTIME_DIR=%s/run TMPDIR=%s/outside FAULTS_PROBE=%s")
    :format(quote(os.getenv("PATH")), slot, slot, slot, bench.directory .. "/bin/probe")
end

--- The shell line of one run, which is what somebody repeats a cell with.
---@param what string  words of the tracer: "record", or "force ROLE CALL N ERRNO"
function M.line(bench, slot, scene, what)
  local host = ("lua5.4 %shost.lua %s %s %s %s %s %s %s"):format(
    HERE, quote(package.path), quote(bench.directory .. "/bin/?.so;" .. package.cpath),
    scene.kind, scene.tier, slot, bench.listener.tcp, bench.listener.stream)
  return ("%s %s/bin/faults %s %s"):format(environment(bench, slot), bench.directory, what, host)
end

-- A workspace with a repository, a worktree of it in the other root, and what a policy with more in
-- it names.
local MORE = [[
mkdir -p work/.git/hooks work/.git/worktrees/second work/.agents work/kept work/hidden
echo '[core]' >work/.git/config; echo ref >work/.git/HEAD
echo "gitdir: $PWD/work/.git/worktrees/second" >second/.git
echo ../.. >work/.git/worktrees/second/commondir
echo x >work/kept/file; echo x >work/secret; echo x >work/hidden/file]]

local function start(bench, slot, scene, what)
  local script = ([[rm -rf %s && mkdir -m 700 %s && cd %s
    mkdir -m 700 work second outside home run run/sbxlua
    echo x >outside/file
    %s
    %s
    %s </dev/null >tracer.out 2>&1; cat tracer.out; pid=$(sed -n 's/^host\t//p' tracer.out)
    rm tracer.out
    %s]]):format(slot, slot, slot, scene.tier:match("[+@]") and MORE or "",
                     what == "record" and SWEEP or "",
                     M.line(bench, slot, scene, what), STATE)
  return assert(io.popen("sh -c " .. quote(script)))
end

local function fields(line)
  local list = {}
  for field in (line .. "\t"):gmatch("([^\t]*)\t") do list[#list + 1] = field end
  return list
end

---@class faults.Call
---@field role string
---@field phase string
---@field name string
---@field nth integer
---@field step string
---@field text string
---@field site string

local function call_of(f)
  return { role = f[2], phase = f[3], name = f[4], nth = tonumber(f[5]), step = f[6], text = f[7],
           site = f[8] }
end

local function told_of(f)
  return { ran = f[2] == "ran", kind = f[3], step = f[4], code = f[5], text = f[6] or "" }
end

-- Words of the tracer and of the host, each a line that begins so.
local READERS = {
  call = function(report, f) report.calls[#report.calls + 1] = call_of(f) end,
  forced = function(report, f) report.forced = call_of(f) end,
  outcome = function(report, f) report.outcome = told_of(f) end,
  next = function(report, f) report.next = told_of(f) end,
  descriptors = function(report, f) report.descriptors, report.children = f[2], f[3] end,
  host = function(report, f) report.pid = f[2] end,
  ended = function(report, f) report.status = f[2] end,
}

local function trouble(report, f)
  report.trouble[#report.trouble + 1] = table.concat(f, " ")
end
READERS.left, READERS.hang, READERS.died = trouble, trouble, trouble

local function finish(pipe)
  local report = { calls = {}, trouble = {}, said = {} }
  for line in pipe:lines() do
    local f = fields(line)
    if line == "state" then break end
    local reader = READERS[f[1]]
    if reader then reader(report, f) else report.said[#report.said + 1] = line end
  end
  report.state = pipe:read("a")
  pipe:close()
  return report
end

---------------------------------------------------------------------------------------------------
-- Recordings

--- What the tree calls when nothing fails, and how that ends.
function M.record(bench, scene)
  local report = finish(start(bench, bench.slots[1], scene, "record"))
  local outcome = report.outcome
  if not outcome or outcome.kind ~= "ok" or #report.trouble > 0 then
    error(("no recording of %s, %s: %s %s"):format(scene.kind, scene.tier,
      outcome and outcome.text or table.concat(report.said, "\n"),
      table.concat(report.trouble, "\n")), 0)
  end
  return report
end

-- The calls of one place: turns of a loop, or one call.
local function by_place(calls)
  local places, order = {}, {}
  for _, call in ipairs(calls) do
    local key = table.concat({ call.role, call.phase, call.name, call.step, call.site }, " ")
    if not places[key] then
      places[key] = {}
      order[#order + 1] = places[key]
    end
    table.insert(places[key], call)
  end
  return order
end

-- Of the places where a role makes the same call in a phase, so many in the short form: the host
-- reads its modules and looks at paths in many.
local MOST = 2

local function thinned(places)
  local groups, order, kept = {}, {}, {}
  for _, place in ipairs(places) do
    local first = place[1]
    local key = table.concat({ first.role, first.phase, first.name, first.step }, " ")
    if not groups[key] then
      groups[key] = {}
      order[#order + 1] = groups[key]
    end
    table.insert(groups[key], place)
  end
  for _, group in ipairs(order) do
    local count = math.min(#group, MOST)
    for i = 1, count do kept[#kept + 1] = group[(i * #group) // count] end
  end
  return kept
end

local function add(cells, call, list)
  for _, errno in ipairs(list) do cells[#cells + 1] = { call = call, errno = errno } end
end

local function all_but_first(list)
  return table.move(list, 2, #list, 1, {})
end

--- The cells of a recording. Short: places once, with the first errno. Whole: every call with
--- its first errno, and one of each place with all of them.
function M.of(recording, whole, phases)
  local cells, unknown = {}, {}
  local places = by_place(recording.calls)
  for _, place in ipairs(whole and places or thinned(places)) do
    local first = place[1]
    local list = errnos.of(first)
    if not list then
      unknown[first.name] = true
    elseif #list > 0 and phases[first.phase] then
      for _, call in ipairs(whole and place or { first }) do add(cells, call, { list[1] }) end
      if whole then add(cells, first, all_but_first(list)) end
    end
  end
  return cells, unknown
end

---------------------------------------------------------------------------------------------------
-- Cells

--- The words of the tracer that repeat it.
function M.words(cell)
  return ("force %s %s %d %s"):format(cell.call.role, cell.call.name, cell.call.nth, cell.errno)
end

--- Runs them, as many at a time as there are slots; `done(cell, report)` in order.
function M.run(bench, scene, cells, done)
  local pipes, slots = {}, #bench.slots
  for i = 1, #cells + slots - 1 do
    local ended = i - slots + 1
    if cells[i] then
      pipes[i] = start(bench, bench.slots[(i - 1) % slots + 1], scene, M.words(cells[i]))
    end
    if ended >= 1 then
      done(cells[ended], finish(pipes[ended]))
      pipes[ended] = nil
    end
  end
end

return M
