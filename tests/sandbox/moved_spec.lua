-- A host that is moved into another cgroup: its next command has the bounds of that one, whatever
-- was found and kept before.
local core = require "sbx.core"
local support = require "tests.support"

-- only root makes groups beside its own
if core.uid() ~= 0 or os.getenv("SBX_TIER") == "landlock" then return end

local eater = support.program("eater")

local HOST = [[
  local sbx = require "sbx"
  local eater, group, tier, processes = ...
  local function children()
    local r, err, out = sbx.run({ eater, "fork", "30", tier = tier,
                                  limits = { processes = tonumber(processes) } })
    r = assert(r or out, err)
    print("children", r.stdout:match("children (%d+)"), r.sandbox.enforced.limits)
  end
  local function move(to)
    local file = assert(io.open(to .. "/cgroup.procs", "w"))
    assert(file:write("0"))
    assert(file:close())
  end
  children()
  children()
  move(group .. "/wide")
  children()
  move(group .. "/narrow")
  children()
  move(group .. "/wide")
  children()
  print("done")
]]

local function write(path, text)
  local file = io.open(path, "w")
  local ok = file and file:write(text)
  return file and file:close() and ok
end

-- Those that went at an earlier try count as gone.
local function gone(...)
  return (os.execute(("for d in %s; do [ ! -d $d ] || rmdir $d 2>/dev/null || exit; done")
    :format(table.concat({ ... }, " "))))
end

describe("a host that was moved into a cgroup", function()
  local parent = core.group_directory("pids")
  if not parent then return end
  local directory, group

  before_each(function()
    directory = support.directory()
    group = parent .. "/sbxspec." .. math.random(1, 1 << 30)
    support.shell("mkdir %s %s %s", group, group .. "/wide", group .. "/narrow")
    write(group .. "/cgroup.subtree_control", "+pids") -- version 2
    assert(write(group .. "/wide/pids.max", "100"))
    assert(write(group .. "/narrow/pids.max", "12"))
  end)

  after_each(function()
    assert.is_true(support.wait_until(function()
      return gone(group .. "/wide", group .. "/narrow", group)
    end, 5))
    support.remove(directory)
  end)

  for _, tier in ipairs({ "contained", "landlock" }) do
    it("gives its commands no more than it has (" .. tier .. ")", function()
      local host = support.host(directory, HOST, eater, group, tier, "50")
      assert.equal(0, host:wait(), host:output())
      local text, counts = host:output(), {}
      for count in text:gmatch("children\t(%d+)") do counts[#counts + 1] = tonumber(count) end
      assert.equal(5, #counts, text)
      for i, count in ipairs(counts) do
        assert.is_true(i == 4 and count < 12 or i ~= 4 and count == 30, text)
      end
    end)
  end
end)

-- A controller that this machine's groups of version 2 have, whichever.
describe("a place for groups of version 2", function()
  local mounts = "\n" .. support.read("/proc/self/mountinfo")
  local point = mounts:match("\n%S+ %S+ %S+ %S+ (%S+) [^\n]-%- cgroup2 ")
  local control = point and point .. "/cgroup.subtree_control"
  local there = point and support.read(point .. "/cgroup.controllers") or ""
  if not there:find("hugetlb") then return end
  local was = support.read(control)
  if not write(control, "+hugetlb") then return end -- not the hierarchy's root
  if not was:find("hugetlb") then write(control, "-hugetlb") end

  it("is not above a group with a bound", function()
    local directory, group = support.directory(), point .. "/sbxspec." .. math.random(1, 1 << 30)
    assert(write(control, "+hugetlb"))
    support.shell("mkdir %s", group)
    assert(write(group .. "/cgroup.subtree_control", "+hugetlb"))
    support.shell("mkdir %s", group .. "/own")
    local host = support.host(directory, [[
      local core, own = require "sbx.core", ...
      local function write(name, text)
        local file = assert(io.open(own .. "/" .. name, "w"))
        assert(file:write(text))
        assert(file:close())
      end
      write("cgroup.procs", "0")
      print(core.group_directory("hugetlb"))
      for _, name in ipairs({ "hugetlb.2MB.max", "hugetlb.2MB.rsvd.max" }) do
        write(name, "4194304")
        print(core.group_directory("hugetlb"))
        write(name, "max")
        print(core.group_directory("hugetlb"))
      end]], group .. "/own")
    local status, text = host:wait(), host:output()
    support.wait_until(function()
      return gone(group .. "/own", group)
    end, 5)
    if not was:find("hugetlb") then write(control, "-hugetlb") end
    support.remove(directory)
    assert.equal(0, status, text)
    local free = group .. "\t2\n"
    assert.equal(free .. "nil\n" .. free .. "nil\n" .. free, text)
  end)
end)
