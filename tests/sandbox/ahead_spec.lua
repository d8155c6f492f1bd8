-- A command like the last ones finds its process waiting, behind its rules and its filter. It is
-- the same run, and it ends like any other.
if os.getenv("SBX_VARIANT") == "cold" then return end

local lists = require "sbx.lists"
local sbx = require "sbx"
local support = require "tests.support"
local watch = require "tests.sandbox.watch"

local TIERS = watch.tiers()

local function status_of(pid, field)
  local status = support.read("/proc/" .. pid .. "/status") or ""
  return tonumber(status:match(field .. ":%s*(%d+)"))
end

local function parent(pid) return status_of(pid, "PPid") end

-- Processes of that name; other hosts have theirs.
local function named(comm)
  local list = {}
  for pid in support.output("grep -lx " .. comm .. " /proc/[0-9]*/comm 2>/dev/null || true")
    :gmatch("/proc/(%d+)/comm") do
    list[#list + 1] = tonumber(pid)
  end
  return list
end

local function of_parent(list, wanted)
  local found = {}
  for _, pid in ipairs(list) do
    if wanted(parent(pid)) then found[#found + 1] = pid end
  end
  return found
end

local function supervisors(spawner)
  return of_parent(named("sbx-supervisor"), function(above) return above == spawner end)
end

-- A spawner's processes that wait for their request, by the name of that step.
local function waiting(spawner)
  return of_parent(named("request"), function(above)
    return above and parent(above) == spawner
  end)
end

-- Those of the second list alone.
local function new_in(before, after)
  local list = {}
  for _, pid in ipairs(after) do
    if not lists.has(before, pid) then list[#list + 1] = pid end
  end
  return list
end

-- All that a process has from its start, in one text, without what time and number alone change.
local STANDING = [[
  grep -E '^(Umask|Uid|Gid|Groups|Sig[BICP]|Shd|Cap|NoNewPrivs|Seccomp|Cpus|Mems|Threads)' \
    /proc/self/status; cat /proc/self/limits /proc/self/oom_score_adj /proc/self/cgroup; nice
  ls -l /proc/self/fd | sed 's/.* \([0-9]* ->\)/\1/; s/:\[.*//; /proc/d'; pwd; env | sort
  cut -d' ' -f4-8 /proc/self/stat | tr -d '[:digit:]'
  python3 -c 'import ctypes; n = ctypes.c_int(); l = ctypes.CDLL(None)
l.prctl(2, ctypes.byref(n)); print("parent death:", n.value, "dumpable:", l.prctl(3))']]

local function all_gone(list)
  return support.wait_until(function()
    for _, pid in ipairs(list) do
      if support.alive(pid) then return false end
    end
    return true
  end, 1)
end

for _, tier in ipairs(TIERS) do
  for _, watched in ipairs({ false, true }) do
    local how = tier .. (watched and ", watched" or "")

    describe("a process made ahead (" .. how .. ")", function()
      local scene, spawner

      before_each(function()
        scene = watch.new()
        local job = assert(sbx.spawn({ "sleep", "60" }))
        spawner = parent(parent(job.pid))
        job:kill()
      end)
      after_each(function() scene:close() end)

      local function run(command, more)
        local opts = { watch = watched }
        for name, value in pairs(more or {}) do opts[name] = value end
        return scene:run(tier, command, opts)
      end

      local function spawn(line, policy)
        return assert(sbx.spawn({ command = { "sh", "-c", line }, cwd = scene.work, tier = tier,
                                  policy = watch.policy(policy), watch = watched, stdin = true }))
      end

      -- Runs until one waits for the next: those that do.
      local function warm(more)
        local before = waiting(spawner)
        for _ = 1, 6 do run("true", more) end
        local function ready() return new_in(before, waiting(spawner))[1] end
        assert.is_truthy(support.wait_until(ready))
        return new_in(before, waiting(spawner))
      end

      it("becomes the command", function()
        local ready = warm()
        local job = spawn("read x; echo $x")
        assert.is_true(lists.has(ready, job.pid), "the command is another process")
        assert.is_false(lists.has(waiting(spawner), job.pid))
        job:write("hello\n")
        assert.equal("hello\n", assert(job:wait()).stdout)
      end)

      it("is made for nobody who does without", function()
        os.execute("sleep 0.5") -- what is made for those before is there by then
        local before = waiting(spawner)
        for _ = 1, 6 do assert.equal("ok", run("true", { ahead = false }).status) end
        os.execute("sleep 0.5")
        assert.same({}, new_in(before, waiting(spawner)))
        local ready = warm()[1]
        assert.equal("ok", run("true", { ahead = false }).status)
        assert.is_true(lists.has(waiting(spawner), ready), "it took the one that waited")
      end)

      it("has what its own request asks for", function()
        warm()
        local long = ("x"):rep(100000)
        local r = run("pwd; echo $ONE ${#LONG}; cat; ulimit -f; echo e >&2; exit 7",
                      { cwd = "/usr", env = { ONE = "1", LONG = long }, stdin = "in\n" })
        assert.equal("/usr\n1 100000\nin\nunlimited\n", r.stdout)
        assert.equal("e\n", r.stderr)
        assert.equal(7, r.exit_code)
      end)

      it("has what one has that was made when it was asked for", function()
        local cold = run(STANDING)
        warm()
        local text = run(STANDING).stdout
        assert.equal(cold.stdout, text)
        assert.matches("parent death: 0 ", text, 1, true)
        assert.matches("CapBnd:", text)
      end)

      it("counts what the command read, not what its request was read from", function()
        local small = run({ "true", "x" })
        warm()
        local large = run({ "true", ("x"):rep(100000) }).usage.read_bytes
        assert.equal(small.usage.read_bytes, large)
        assert.equal(small.usage.processes, run({ "true", "x" }).usage.processes)
      end)

      it("is held as any other", function()
        warm()
        local r = run(([[echo x >made; echo x >%s/made; umask; cat /proc/self/status]]):format(
          scene.out))
        assert.equal("x\n", support.read(scene.work .. "/made"))
        assert.is_false(support.exists(scene.out .. "/made"))
        assert.matches("NoNewPrivs:%s*1\n", r.stdout)
        assert.matches("Seccomp:%s*2\n", r.stdout)
        assert.matches("CapEff:%s*0+\n", r.stdout)
        assert.matches("SigBlk:%s*0+\n", r.stdout)
        if watched then assert.is_truthy(watch.about(r, scene.out .. "/made")) end
      end)

      it("says where a start fails", function()
        warm()
        local r, err = sbx.run({ "/no/such/program", cwd = scene.work, tier = tier, watch = watched,
                                 policy = watch.policy() })
        assert.is_nil(r)
        assert.equal("execve", err.step)
        warm()
        support.shell("mkdir %s/gone", scene.work)
        r, err = sbx.run({ "true", cwd = scene.work .. "/gone/not", tier = tier, watch = watched,
                           policy = watch.policy() })
        assert.is_nil(r)
        assert.equal("invalid_input", err.kind)
      end)

      it("that was killed leaves its command to another", function()
        local ready = warm()
        for _, pid in ipairs(ready) do support.kill(pid, "KILL") end
        assert.equal("fine\n", run("echo fine").stdout)
      end)

      it("hears of no signal that came while it waited", function()
        for _, signal in ipairs({ "TERM", "USR1", "34", "TSTP" }) do
          for _, pid in ipairs(warm()) do support.kill(pid, signal) end
          assert.equal("fine\n", run("echo fine").stdout)
        end
      end)

      it("runs nothing where nobody could end it", function()
        warm()
        support.sleep(0.1) -- one may be on its way
        support.kill(spawner, "STOP")
        local stopped = supervisors(spawner)
        for _, pid in ipairs(stopped) do support.kill(pid, "STOP") end
        local r, err = sbx.run({ "sh", "-c", "echo x >ran", cwd = scene.work, tier = tier,
                                 watch = watched, policy = watch.policy(), setup_timeout_ms = 500 })
        for _, pid in ipairs(stopped) do support.kill(pid, "CONT") end
        support.kill(spawner, "CONT")
        assert.is_nil(r)
        assert.equal("setup_timeout", err.step)
        assert.is_nil(support.read(scene.work .. "/ran"))
      end)

      it("goes on after a stop, also where the call that goes on is denied", function()
        local more = { policy = { syscalls = { deny = { "restart_syscall" } } } }
        for _, pid in ipairs(warm()) do
          support.kill(pid, "STOP")
          support.kill(pid, "CONT")
        end
        assert.equal("fine\n", run("echo fine").stdout)
        for _ = 1, 6 do run("true", more) end
        for _, pid in ipairs(waiting(spawner)) do
          support.kill(pid, "STOP")
          support.kill(pid, "CONT")
        end
        assert.equal("fine\n", run("echo fine", more).stdout)
      end)

      it("makes no difference where descriptors are few", function()
        local seen = {}
        for i = 1, 6 do
          local policy = watch.policy({ network = { allow = { "127.0.0.1:9" } } })
          local r, err = sbx.run({ "true", cwd = scene.work, tier = tier, watch = watched,
                                   limits = { open_files = 12 }, policy = policy })
          seen[i] = tostring(r and r.exit_code) .. " " .. tostring(err)
          support.sleep(0.05)
        end
        for i = 2, 6 do assert.equal(seen[1], seen[i]) end
      end)

      it("does not outlive its supervisor, whoever else is there", function()
        local ready = warm()
        local supervisor = parent(ready[1])
        support.kill(spawner, "STOP")
        support.kill(supervisor, "KILL")
        local gone = all_gone({ ready[1] })
        support.kill(spawner, "CONT")
        assert.is_truthy(gone)
        assert.equal("fine\n", run("echo fine").stdout)
      end)

      it("ends when the host does", function()
        local host = support.host(scene.work, ([[
          local sbx = require "sbx"
          local job = assert(sbx.spawn({ "sleep", "60" }))
          for _ = 1, 6 do
            assert(sbx.run({ "true", cwd = %q, tier = %q, watch = %s,
                             policy = { extends = "workspace-write", exclude_slash_tmp = true,
                                        exclude_tmpdir_env_var = true } }))
          end
          print("job " .. job.pid) io.stdout:flush() os.execute("sleep 20")]])
          :format(scene.work, tier, tostring(watched)))
        local pid = tonumber(assert(host:says("job (%d+)", 10)))
        local its_own, list = parent(parent(pid)), {}
        support.wait_until(function()
          list = waiting(its_own)
          return #list > 0
        end)
        assert.is_true(#list > 0)
        host:kill("KILL")
        assert.is_truthy(all_gone(list))
        host:close()
      end)

      it("is not made where the filter is in its way", function()
        for _, call in ipairs({ "chdir", "recvmsg", "dup2", "prctl", "mmap", "close_range" }) do
          local policy = { syscalls = { deny = { call } } }
          local idle, before = supervisors(spawner), waiting(spawner)
          for _ = 1, 6 do run({ "true" }, { policy = policy }) end
          support.sleep(0.05)
          assert.is_true(#new_in(idle, supervisors(spawner)) > 0, call)
          assert.same({}, new_in(before, waiting(spawner)), call)
          local job = spawn("read x", policy)
          assert.is_false(lists.has(before, job.pid), call)
          job:kill()
        end
      end)
    end)
  end
end
