-- Attacks on the engine itself, by each way to end a tree. What is left of an attack is told by the
-- lock that all of its processes hold, whatever they call themselves.
-- Each tier is asked for by name: the suite's run for one alone has nothing to add.
if os.getenv("SBX_TIER") == "landlock" then return end

local sbx = require "sbx"
local support = require "tests.support"
local ways = require "tests.ways"

local assault, powers = support.program("assault"), support.program("powers")

-- A host with `way` alone (nil: no sandbox at all) in `dir`, and a workspace below it.
local PRELUDE = [[
package.cpath = arg[1] .. ";" .. package.cpath
local host, sbx = require "sbxhost", require "sbx"
local assault, powers = arg[2], arg[3]
local NONE = arg[4] == "none"
io.stdout:setvbuf("line")
local function opts(more)
  local all = { cwd = "work", timeout_ms = 20000, policy = NONE and "danger-full-access" or
                { extends = "workspace-write", exclude_slash_tmp = true } }
  for name, value in pairs(more) do all[name] = value end
  return all
end
local function sleep(seconds) os.execute("sleep " .. seconds) end
local function again()
  local r, err = sbx.run(opts({ "echo", "again" }))
  print("next", r and r.stdout or err)
end
local function ended(r, err, out)
  out = r or out
  print("ended", err and err.kind, err and err.step, out and out.exit_code)
  return out
end
]]
-- No contained cgroup: behind read-only mounts none can be made.
local SETS = {
  { "pidns", "contained" }, { "pidns", "landlock" }, { "cgroup", "landlock" },
  { "subreaper", "contained" }, { "subreaper", "landlock" }, { "none" },
}

local function parent(pid)
  return (support.read("/proc/" .. pid .. "/stat"):match("%) %a (%d+)"))
end

for _, set in ipairs(SETS) do
  local way, tier = set[1], set[2]
  describe("where " .. way .. " ends the tree, " .. (tier or "without a sandbox"), function()
    local dir, host

    before_each(function()
      dir = support.directory()
      support.shell("mkdir %s/work; cp %s %s/work/assault", dir, assault, dir)
    end)
    after_each(function()
      if host then host:close() end
      host = nil
      support.remove(dir)
    end)

    local function start(code, before)
      if tier and not ways.has(way, tier) then
        pending("no " .. way .. " for this user here, " .. tier)
      end
      local environment = tier and ways.environment(dir, way, tier) or ""
      host = support.host_with((before or "") .. environment, dir, PRELUDE .. code,
                               support.module("sbxhost"), assault, powers, way)
    end

    -- Whether none of the attack's processes is left.
    local function is_free()
      return support.output(("flock -n -x %s/work/lock echo free"):format(dir)) == "free\n"
    end

    local function is_free_within(seconds)
      return support.wait_until(is_free, seconds or 1)
    end

    -- The tree that `mode` makes is ended by its time-out, with the kind that belongs to it.
    local function check_timeout(mode, most_ms, before)
      start(([[
        local job = assert(sbx.spawn(opts({ "./assault", %q, timeout_ms = 1000 })))
        job:lines()()
        print("up.")
        local r, err, out = job:wait()
        ended(r, err, out)
        print("took " .. math.floor(out.duration_ms) .. ".")
        again()
        print("end.")
        host.pause()]]):format(mode), before)
      assert.is_truthy(host:says("up%."), host:output())
      assert.is_false(is_free()) -- the twin: the lock tells
      local took = host:says("took (%d+)%.", 25)
      assert.is_true(is_free_within(1))
      assert.is_truthy(host:says("end%."), host:output())
      assert.matches("ended\ttimeout\tnil\t124", host:output())
      assert.matches("next\tagain", host:output())
      assert.is_true(tonumber(took) < 1000 + most_ms, took)
    end

    it("the command reaches none of the engine's processes", function()
      -- a number of the host's is none in a PID namespace: there its supervisor is 1
      start([[
        local line = 'read pids; [ $PPID = 1 ] && pids="$pids 1"; for p in $pids; do '
          .. './assault reach $p; ' .. powers .. ' attack $p 8; done'
        local job = assert(sbx.spawn(opts({ "sh", "-c", line, stdin = true })))
        print("pid " .. job.pid .. ".")
        while not io.open("pids") do sleep(0.05) end
        job:write(io.open("pids"):read("a"))
        local out = ended(job:wait())
        print(out and out.stdout)
        again()
        print("end.")
        host.pause()]])
      local pid = assert(host:says("pid (%d+)%."), host:output())
      local supervisor = parent(pid)
      local spawner = parent(supervisor)
      -- with no sandbox it is its user's own affair: only the supervisor is tried, the host not
      local list = way == "none" and supervisor or supervisor .. " " .. spawner .. " " .. host.pid
      support.write(dir .. "/pids.new", list .. "\n")
      support.shell("mv %s/pids.new %s/pids", dir, dir)
      assert.is_truthy(host:says("end%.", 25), host:output())
      local answers, ok = 0, {}
      for word, answer in host:output():gmatch("([%w_]+) ([%w_]+)\n") do
        answers = answers + 1
        if answer == "ok" then ok[#ok + 1] = word end
      end
      assert.matches("next\tagain", host:output())
      if way == "none" then -- the twin
        assert.matches(" kill ", " " .. table.concat(ok, " ") .. " ")
        return
      end
      assert.is_true(answers >= 60, host:output())
      -- said in `missing`: the scheduling of others of the same user can be changed
      local allowed = way == "pidns" and {} or { affinity = true }
      for _, word in ipairs(ok) do
        assert.is_truthy(allowed[word], word .. "\n" .. host:output())
      end
      assert.matches("ended\tnil\tnil\t0", host:output())
      -- a host whose affinity has changed takes a new spawner
      assert.is_true(way ~= "pidns" or support.alive(spawner))
      assert.is_true(support.alive(host.pid))
    end)

    it("the command sets limits of its own processes, and none of its supervisor's", function()
      start([[
        local line = "prlimit --nofile=77 --pid $PPID >&2 || echo refused; sleep 5 & "
          .. "prlimit --nofile=77 --pid $!; grep -o 'files *77' /proc/$!/limits; kill $!"
        print(sbx.run(opts({ "sh", "-c", line })).stdout)
        print("end.")]])
      assert.is_truthy(host:says("end%."), host:output())
      if tier then assert.matches("refused\n", host:output()) end
      -- where all processes of the user's can be named, none but oneself is limited
      local own = way == "pidns" or not tier
      assert.equal(own, host:output():find("files +77\n") ~= nil, host:output())
    end)

    it("the command has no descriptor of the engine's, and forges no report", function()
      start([[
        local r = ended(sbx.run(opts({ "./assault", "own" })))
        print(r.stdout)
        r = ended(sbx.run(opts({ "./assault", "forge" })))
        print("bytes " .. #r.stdout .. " " .. #r.stderr .. " leftover " .. r.leftover)
        print("end.")]])
      assert.is_truthy(host:says("end%."), host:output())
      assert.matches("descriptors 0\nsend ENOTSOCK\nsend ENOTSOCK\nsend ENOTSOCK\n", host:output())
      assert.matches("ended\tnil\tnil\t3\nbytes 33792 33792 leftover 0", host:output())
    end)

    it("a command that stops its parents stops no time-out", function()
      start([[
        local line = 'read pids; [ $PPID = 1 ] && pids="$pids 1"; exec ./assault signal 19 $pids'
        local job = assert(sbx.spawn(opts({ "sh", "-c", line, stdin = true, timeout_ms = 1500 })))
        print("pid " .. job.pid .. ".")
        while not io.open("pids") do sleep(0.05) end
        job:write(io.open("pids"):read("a"))
        local began = os.time()
        local out = ended(job:wait())
        print(out and out.stdout)
        print("within " .. os.time() - began .. ".")
        again()
        print("end.")
        host.pause()]])
      local pid = assert(host:says("pid (%d+)%."), host:output())
      local supervisor = parent(pid)
      -- what has no sandbox can stop its user's processes: there, its supervisor alone
      local list = way == "none" and supervisor
        or supervisor .. " " .. parent(supervisor) .. " " .. host.pid
      support.write(dir .. "/pids.new", list .. "\n")
      support.shell("mv %s/pids.new %s/pids", dir, dir)
      assert.is_truthy(host:says("end%.", 25), host:output())
      assert.is_true(tonumber(host:says("within (%d+)%.")) <= 6, host:output())
      assert.matches("next\tagain", host:output())
      assert.is_true(is_free_within(1))
      if way == "none" then
        assert.matches("signal ok", host:output())
        assert.matches("ended\tsandbox\tsupervisor", host:output())
      else
        assert.not_matches("signal ok", host:output())
        assert.matches("ended\ttimeout\tnil\t124", host:output())
      end
    end)

    it("a command under the engine's names, with its file gone, ends with its tree", function()
      check_timeout("masquerade", 1000)
    end)

    it("processes that are hard to find are found", function() check_timeout("hide", 3000) end)

    it("dying grandchildren put off no time-out", function() check_timeout("orphans", 5000) end)

    it("who is woken for ever ends all the same", function() check_timeout("fight", 5000) end)

    it("a command that fills its output and reads nothing ends unwatched", function()
      start([[
        local deaf = { "./assault", "deaf", stdin = true, timeout_ms = 1000 }
        local job = assert(sbx.spawn(opts(deaf)))
        job:write(("x"):rep(1 << 23))
        print("written.")
        while not io.open("go") do sleep(0.05) end
        local out = ended(job:wait())
        print("bytes " .. (#out.stdout >= 65536 and "all" or #out.stdout))
        again()
        print("end.")
        host.pause()]])
      assert.is_truthy(host:says("written%."), host:output())
      assert.is_truthy(support.wait_until(function()
        return support.exists(dir .. "/work/lock") and not is_free()
      end, 3))
      -- the host doesn't turn its loop: the supervisor does all
      assert.is_true(is_free_within(5))
      support.write(dir .. "/go", "")
      assert.is_truthy(host:says("end%.", 15), host:output())
      assert.matches("ended\ttimeout\tnil\t124\nbytes all\nnext\tagain", host:output())
    end)

    it("a supervisor whose queue of orders is full ends with its tree", function()
      start([[
        local job = assert(sbx.spawn(opts({ "./assault", "hide" })))
        job:lines()()
        print("pid " .. job.pid .. ".")
        while not io.open("go") do sleep(0.05) end
        for _ = 1, 5000 do job:signal("CONT") end
        local began = os.time()
        job:kill()
        ended(job:wait())
        print("within " .. os.time() - began .. ".")
        again()
        print("end.")
        host.pause()]])
      local pid = assert(host:says("pid (%d+)%."), host:output())
      local supervisor = parent(pid)
      support.kill(supervisor, "STOP")
      support.write(dir .. "/go", "")
      assert.is_truthy(host:says("end%.", 15), host:output())
      assert.matches("ended\tsandbox\tsupervisor", host:output())
      assert.is_true(tonumber(host:says("within (%d+)%.")) <= 4, host:output())
      assert.is_true(is_free_within(5))
      assert.matches("next\tagain", host:output())
    end)
  end)
end

describe("where there is no process left to be had", function()
  -- root is bound by no RLIMIT_NPROC; by a pids group of its own it is
  local GROUP = "/sys/fs/cgroup/pids/sbx-spec-" .. support.own_pid
  local PIDS = 70
  local TIERS = { cgroup = "landlock" }
  local dir, host

  before_each(function()
    dir = support.directory()
    support.shell("mkdir %s/work; cp %s %s/work/assault", dir, assault, dir)
  end)
  after_each(function()
    if host then host:close() end
    host = nil
    support.wait_until(function()
      return os.execute("rmdir " .. GROUP .. " 2>/dev/null") or not support.exists(GROUP)
    end, 3)
    support.remove(dir)
  end)

  local function confined()
    if support.is_root then
      if not os.execute("mkdir " .. GROUP .. " 2>/dev/null") then return nil end
      support.write(GROUP .. "/pids.max", tostring(PIDS))
      return ("sh -c 'echo $$ >%s/cgroup.procs; exec \"$@\"' sh env "):format(GROUP)
    end
    local line = "ls -dn /proc/[0-9]*/task/* 2>/dev/null | awk '$3 == 65534' | wc -l"
    local mine = tonumber(support.output(line))
    return ("prlimit --nproc=%d env "):format(mine + PIDS)
  end

  for _, way in ipairs(ways.LIST) do
    it("the tree is ended all the same, by " .. way, function()
      if not ways.has(way) then pending("no " .. way .. " for this user here") end
      local words = confined()
      if not words then pending("no pids group can be made here") end
      host = support.host_with(words .. ways.environment(dir, way, TIERS[way]), dir, PRELUDE .. [[
        sbx.run(opts({ "true" }))
        local r, err, out = sbx.run(opts({ "./assault", "full", timeout_ms = 2000 }))
        print(ended(r, err, out).stdout)
        again()
        print("end.")
        host.pause()]], support.module("sbxhost"), assault, powers, way)
      assert.is_truthy(host:says("end%.", 20), host:output())
      assert.matches("ended\ttimeout\tnil\t124\nrefused %d+\nup\n", host:output())
      assert.matches("next\tagain", host:output())
      assert.equal("free\n", support.output(("flock -n -x %s/work/lock echo free"):format(dir)))
    end)
  end
end)

describe("a descriptor", function()
  local dir

  before_each(function() dir = support.directory() end)
  after_each(function() support.remove(dir) end)

  -- Two sandboxes that may both write `dir`: what a socket in it passes on.
  local function exchange(network)
    local function opts(mode)
      return { assault, mode, cwd = dir, timeout_ms = 10000, policy = {
        extends = "workspace-write", exclude_slash_tmp = true, network = network } }
    end
    local giver = assert(sbx.spawn(opts("give")))
    support.wait_until(function() return giver:poll(0) or support.exists(dir .. "/gift") end, 3)
    local r, err, out = sbx.run(opts("take"))
    giver:kill()
    local _, _, given = giver:wait()
    return r or out or err, given
  end

  it("is passed to no sibling", function()
    local taken = exchange("none")
    assert.not_matches("take ok", taken.stdout)
    assert.matches("EPERM\n$", taken.stdout)
    assert.is_false(support.exists(dir .. "/gift"))
  end)

  it("is passed to one where both may use sockets, which the result says", function()
    local taken = exchange("full")
    assert.matches("take ok\nused ok\n", taken.stdout)
    assert.is_true(support.is_missing(taken.sandbox, "unix_sockets"))
    assert.equal("taken", support.read(dir .. "/own"))
  end)
end)
