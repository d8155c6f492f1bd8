-- The host's fate by each way to end a tree: no process of it, no cgroup, mount or placeholder is
-- left within a second, and the host lives where it should.
local core = require "sbx.core"
local sbx = require "sbx"
local support = require "tests.support"
local ways = require "tests.ways"

local stay = support.program("stay")

local PRELUDE = [[
package.cpath = arg[1] .. ";" .. package.cpath
local host, sbx = require "sbxhost", require "sbx"
local stay = arg[2]
local marker = io.open("marker"):read("a")
io.stdout:setvbuf("line")
local function tree(opts)
  opts = opts or {}
  opts.policy = { extends = "workspace-write", exclude_slash_tmp = true }
  opts.timeout_ms = 50000
  local line = "%s daemon %s; %s group %s; sleep 0.1; echo up; exec %s stubborn %s"
  opts.command = { "sh", "-c", line:format(stay, marker, stay, marker, stay, marker) }
  return opts
end
local function up()
  local job = assert(sbx.spawn(tree()))
  job:lines()()
  return job
end
local function await()
  print("up.")
  while not io.open("go") do os.execute("sleep 0.02") end
end
]]
-- What the host does once it may, or what is done to it; `lives`: it goes on.
local FATES = {
  { name = "is killed", code = "local job = up() await()", act = function(host)
    host:kill("KILL")
  end },
  { name = "is killed in sbx.run", code = "print('up.') sbx.run(tree())", act = function(host)
    host:kill("KILL")
  end },
  { name = "leaves by os.exit", code = "local job = up() await() os.exit(3, false)" },
  { name = "throws", code = "local job = up() await() error('mine')" },
  { name = "lets go of its job", lives = true,
    code = "up() await() collectgarbage() collectgarbage() print('over.') host.pause()" },
  { name = "abandons its coroutine", lives = true, code = [[
    local thread = coroutine.create(function()
      sbx.run(tree({ loop = function() coroutine.yield() return true end }))
    end)
    coroutine.resume(thread)
    await()
    thread = nil
    collectgarbage() collectgarbage()
    print("over.") host.pause()]] },
  { name = "throws in on_output", lives = true, code = [[
    print(pcall(sbx.run, tree({ on_output = function() await() error("mine", 0) end })))
    print("over.") host.pause()]], says = "false\tmine\n" },
  { name = "loses the supervisor", lives = true, code = [[
    print("up.")
    local _, err, out = sbx.run(tree())
    print(err and err.kind, err and err.step, out and out.stdout)
    print("over.") host.pause()]], says = "sandbox\tsupervisor\tup\n", act = function(_, marker)
    support.kill(assert(support.engine(marker)[1]))
  end },
  { name = "loses the spawner, and is killed", code = "print('up.') sbx.run(tree())",
    act = function(host, marker)
    support.kill(assert(support.engine(marker)[2]))
    host:kill("KILL")
  end },
}
-- What only the end of a PID namespace holds.
local ALL = { name = "is killed with its spawner and supervisor",
              code = "print('up.') sbx.run(tree())", act = function(host, marker)
  for _, pid in ipairs(support.engine(marker)) do support.kill(pid) end
  host:kill("KILL")
end }

-- The cgroup of the commands with `marker`, while they live.
local function cgroup_of(marker)
  local exec = sbx.transform({ "true", policy = "read-only" })
  for _, one in ipairs(exec.plan.alternatives) do
    if one.engine.kill == "cgroup" then
      local own = support.read("/proc/self/cgroup"):match("0::([^\n]*)"):gsub("/$", "")
      local pid = support.pids(marker)[1]
      local path = support.read("/proc/" .. pid .. "/cgroup"):match("0::([^\n]*)")
      if path ~= own and path ~= "/" then return one.engine.cgroup .. path:sub(#own + 1) end
    end
  end
end

-- Whoever is the user outside of its own mount namespace sees what is left of the placeholders.
local function names(dir) return support.output("ls -A " .. dir) end

for _, way in ipairs(ways.LIST) do
  describe("a tree that is ended by " .. way .. " is gone when its host", function()
    local dir, marker, host

    before_each(function()
      dir, marker = support.directory(), support.marker()
      support.write(dir .. "/marker", marker)
    end)
    after_each(function()
      if host then host:close() end
      host = nil
      support.sweep(marker)
      support.remove(dir)
    end)

    local function check(fate)
      if not ways.has(way) then pending("no " .. way .. " for this user here") end
      local mounts = support.read("/proc/self/mountinfo")
      support.shell("mkdir %s/work", dir)
      host = support.host_with(ways.environment(dir, way), dir, PRELUDE .. fate.code,
                               support.module("sbxhost"), stay)
      assert.is_truthy(host:says("up%."), host:output())
      assert.is_truthy(support.appears(marker, 14), host:output())
      local cgroup = cgroup_of(marker)
      if way == "cgroup" then assert.is_true(support.exists(cgroup), "no cgroup") end
      support.sleep("0.3") -- it has printed its line
      if fate.act then fate.act(host, marker) end
      support.write(dir .. "/go", "")
      assert.is_true(support.gone(marker, 1), "survivors: " .. support.count(marker))
      if cgroup then
        assert.is_truthy(support.wait_until(function() return not support.exists(cgroup) end, 1))
      end
      support.wait_until(function() return not names(dir):find("%.%l") end, 1)
      assert.not_matches("%.%l", (names(dir):gsub("%w+%.%w+", "")))
      assert.equal(mounts, support.read("/proc/self/mountinfo"))
      if not fate.lives then return end
      assert.is_truthy(host:says("over%."), host:output())
      assert.is_true(support.alive(host.pid))
      if fate.says then assert.matches(fate.says, host:output(), 1, true) end
    end

    for _, fate in ipairs(FATES) do
      it(fate.name, function() check(fate) end)
    end
    if way == "pidns" then it(ALL.name, function() check(ALL) end) end
  end)
end

describe("a cgroup that was left by who was killed", function()
  it("is taken away when the next place for one is looked for, unless somebody holds it", function()
    local place = core.cgroup()
    if not place then pending("no cgroup for this user here") end
    local left, held = place .. "/sbx.999999991", place .. "/sbx.999999992"
    support.shell("mkdir %s %s", left, held)
    local holder <close> = assert(sbx.spawn({ "flock", "-s", held, "sleep", "60",
                                              policy = "danger-full-access" }))
    assert.is_truthy(support.wait_until(function()
      return not os.execute(("flock -xn %s true"):format(held))
    end, 5))
    assert.equal(place, core.cgroup())
    local was_held = support.exists(held)
    assert.is_false(support.exists(left))
    assert.is_true(was_held)
    holder:kill()
    holder:wait()
    assert.equal(place, core.cgroup())
    assert.is_false(support.exists(held))
  end)
end)
