-- The host's fate is the tree's: however it ends, and whatever it has done to itself before.
local support = require "tests.support"

local stay = support.program("stay")

-- What each host begins with: `tree(opts)` is a command with a daemon and endless forkers in it.
-- The marker comes by a file: in the arguments it would make the host one of those looked for.
local PRELUDE = [[
package.cpath = arg[1] .. ";" .. package.cpath
local host, sbx = require "sbxhost", require "sbx"
local stay, policy = arg[2], arg[3]
local marker = io.open("marker"):read("a")
io.stdout:setvbuf("line")
local function tree(opts)
  opts = opts or {}
  opts.policy = policy
  opts.timeout_ms = 50000
  opts.command = { "sh", "-c", ("%s daemon %s; %s chains %s 2; echo up; exec %s stubborn %s")
    :format(stay, marker, stay, marker, stay, marker) }
  return opts
end
]]

describe("the tree ends with its host", function()
  local dir, marker, host

  before_each(function() dir, marker = support.directory(), support.marker() end)
  after_each(function()
    if host then host:close() end
    host = nil
    support.sweep(marker)
    support.remove(dir)
  end)

  local function start(code, policy)
    support.write(dir .. "/marker", marker)
    host = support.host(dir, PRELUDE .. code, support.module("sbxhost"), stay,
                        policy or "workspace-write")
    return host
  end

  for _, policy in ipairs({ "workspace-write", "danger-full-access" }) do
    it("when it is killed in sbx.run, under " .. policy, function()
      start("sbx.run(tree())", policy)
      assert.is_truthy(support.appears(marker, 3))
      host:kill("KILL")
      assert.is_true(support.gone(marker, 3))
    end)

    it("when it is killed with jobs that nobody waits for, under " .. policy, function()
      start("local jobs = {} for i = 1, 3 do jobs[i] = sbx.spawn(tree()) end print('three')"
            .. " host.pause() jobs = nil", policy)
      host:says("three")
      assert.is_truthy(support.appears(marker, 6))
      host:kill("KILL")
      assert.is_true(support.gone(marker, 3))
    end)
  end

  it("when it leaves by os.exit without closing", function()
    start("local job = sbx.spawn(tree()) job:lines()() os.exit(3, false)")
    assert.equal(3, host:wait())
    assert.is_true(support.gone(marker, 3))
  end)

  it("when it ends with an error", function()
    start("local job = sbx.spawn(tree()) job:lines()() error('mine')")
    assert.equal(1, host:wait())
    assert.is_true(support.gone(marker, 3))
  end)

  it("when it dies of a signal", function()
    start("local job = sbx.spawn(tree()) job:lines()() print('up') host.pause()")
    host:says("up")
    host:kill("SEGV")
    assert.equal(139, host:wait())
    assert.is_true(support.gone(marker, 3))
  end)

  it("also when a fork of the host lives on", function()
    start([[
      local job = sbx.spawn(tree())
      job:lines()()
      local child = host.fork()
      if child == 0 then host.pause() end
      print("child " .. child .. ".")
      host.pause()]])
    local child = host:says("child (%d+)%.")
    host:kill("KILL")
    local gone = support.gone(marker, 3)
    local alive = support.alive(child)
    support.kill(child)
    assert.is_true(alive)
    assert.is_true(gone)
  end)

  it("but not with the thread that started it", function()
    start([[
      local job
      host.in_thread(function() job = sbx.spawn(tree()) end)
      os.execute("sleep 0.3")
      print("thread is gone, ended: " .. tostring(job:poll(0)))
      host.pause()]])
    assert.equal("false", host:says("ended: (%a+)"))
    assert.is_true(support.count(marker) > 0)
    host:kill("KILL")
    assert.is_true(support.gone(marker, 3))
  end)

  it("and by coroutines that nobody resumes, jobs that nobody holds", function()
    start([[
      local thread = coroutine.create(function()
        sbx.run(tree({ loop = function() coroutine.yield() return true end }))
      end)
      coroutine.resume(thread)
      local given = sbx.spawn(tree())
      given:lines()()
      thread, given = nil, nil
      collectgarbage() collectgarbage()
      print("collected")
      host.pause()]])
    assert.is_truthy(host:says("collected"))
    assert.is_true(support.gone(marker, 3))
  end)

  it("when on_output throws", function()
    start([[
      print(pcall(sbx.run, tree({ on_output = function() error("mine", 0) end })))
      print("thrown")
      host.pause()]])
    assert.is_truthy(host:says("false\tmine\nthrown"))
    assert.is_true(support.gone(marker, 3))
  end)

  it("when Ctrl-C interrupts its Lua, and the error passes through", function()
    start("local ok, err = pcall(sbx.run, tree()) print(ok, err) print('over') host.pause()")
    assert.is_truthy(support.appears(marker, 3))
    host:kill("INT")
    -- sh starts what stands in the background with SIGINT ignored: then lua's own handler isn't set
    if host:says("over", 2) then
      assert.matches("interrupted!", host:output())
      assert.is_true(support.gone(marker, 3))
    else
      host:kill("KILL")
      assert.is_true(support.gone(marker, 3))
    end
  end)
end)

describe("the engine's own processes", function()
  local dir, marker, host

  before_each(function() dir, marker = support.directory(), support.marker() end)
  after_each(function()
    if host then host:close() end
    support.sweep(marker)
    support.remove(dir)
  end)

  local function start(code)
    support.write(dir .. "/marker", marker)
    host = support.host(dir, PRELUDE .. code, support.module("sbxhost"), stay, "workspace-write")
    assert.is_truthy(support.appears(marker, 3))
  end

  local REPORT = [[
    local r, err, out = sbx.run(tree())
    print("result", r, err and err.kind, err and err.step, out and out.status,
          out and out.exit_code, out and out.stdout:match("up"))
    local again, why = sbx.run({ "echo", "again", policy = policy })
    print("next", again and again.stdout or why)
    print("end.")
    host.pause()]]

  it("lost, the supervisor: the run is a sandbox error with the output so far", function()
    start(REPORT)
    support.kill(assert(support.engine(marker)[1]))
    assert.is_truthy(host:says("end%."))
    assert.matches("result\tnil\tsandbox\tsupervisor\tfailed\t%d+\tup", host:output())
    assert.is_nil(host:output():match("failed\t0\t"))
    assert.matches("next\tagain", host:output())
    assert.is_true(support.gone(marker, 3))
  end)

  it("lost, the spawner: the host goes on, and still ends what it started", function()
    start([[
      local job = sbx.spawn(tree())
      while not io.open("go") do os.execute("sleep 0.05") end
      local r, err = sbx.run({ "echo", "again", policy = policy })
      print("next", r and r.stdout or err)
      job:kill()
      local nothing, why, out = job:wait()
      print("result", nothing, why and why.kind, out and out.exit_code)
      print("end.")
      host.pause()]])
    local spawner = assert(support.engine(marker)[2])
    support.kill(spawner)
    assert.is_truthy(support.wait_until(function() return not support.alive(spawner) end))
    support.write(dir .. "/go", "")
    assert.is_truthy(host:says("end%."), host:output())
    assert.matches("next\tagain", host:output())
    assert.matches("result\tnil\t%a+\t[1-9]", host:output())
    assert.is_true(support.gone(marker, 3))
  end)

  it("lost, the spawner, and then the host", function()
    start("sbx.run(tree())")
    support.kill(assert(support.engine(marker)[2]))
    support.sleep("0.2")
    host:kill("KILL")
    assert.is_true(support.gone(marker, 3))
  end)

  it("lost, all of them and the host", function()
    start("sbx.run(tree())")
    for _, pid in ipairs(support.engine(marker)) do support.kill(pid) end
    host:kill("KILL")
    assert.is_true(support.gone(marker, 3))
  end)

  it("stopped, the supervisor doesn't hold back the end of the host", function()
    -- no forkers in this one: what nobody reaps would fill the table of processes
    start("sbx.run({ 'sh', '-c', stay .. ' group ' .. marker .. '; exec ' .. stay .. ' stubborn '"
          .. " .. marker, policy = policy, timeout_ms = 50000 })")
    support.kill(assert(support.engine(marker)[1]), "STOP")
    host:kill("KILL")
    assert.is_true(support.gone(marker, 5))
  end)
end)

describe("a host of its own kind", function()
  local dir, marker, host

  before_each(function() dir, marker = support.directory(), support.marker() end)
  after_each(function()
    host:close()
    support.sweep(marker)
    support.remove(dir)
  end)

  local function run(code)
    support.write(dir .. "/marker", marker)
    host = support.host(dir, PRELUDE .. code .. "\nprint('end.')", support.module("sbxhost"),
                        stay, "workspace-write")
    assert.is_truthy(host:says("end%.", 30), host:output())
    return host:output()
  end

  local PLAIN = [[
    for i = 1, 20 do
      local r, err = sbx.run({ "sh", "-c", "echo " .. i .. "; exit " .. i % 3, policy = policy })
      if not r then print(err) end
      assert(r.exit_code == i % 3 and r.stdout == i .. "\n", r.exit_code)
    end
    print("twenty")]]

  it("that ignores SIGCHLD gets every result", function()
    assert.matches("twenty", run("host.ignore(17)\n" .. PLAIN))
  end)

  it("that reaps every child gets every result", function()
    assert.matches("twenty", run("host.reap_all()\n" .. PLAIN))
  end)

  it("that blocks every signal gets every result", function()
    assert.matches("twenty", run("host.block_all()\n" .. PLAIN))
  end)

  it("that waits for children of its own gets those, and no others", function()
    local text = run([[
      local child = host.fork()
      if child == 0 then host.exit(7) end
      assert(sbx.run({ "true" }))
      print("mine", host.wait())
      print("more", host.wait())]])
    assert.matches("mine\t7\n", text)
    assert.matches("more\t?\n", text) -- no child of the engine's is the host's
  end)

  it("may fork: the child has no power over its parent's engine, and can run its own", function()
    local text = run([[
      local job = sbx.spawn({ "sleep", marker, policy = policy })
      local child = host.fork()
      if child == 0 then
        local r, err = sbx.run({ "echo", "child", policy = policy })
        print("child", r and r.stdout or err.kind)
        job = nil
        collectgarbage() collectgarbage()
        os.exit(0, true)
      end
      host.wait(child)
      print("parent's job ended", job:poll(300))
      print(assert(sbx.run({ "echo", "parent", policy = policy })).stdout)
      job:kill()]])
    assert.matches("child\tchild", text)
    assert.matches("parent's job ended\tfalse", text)
    assert.matches("parent\n", text)
    assert.is_true(support.gone(marker, 3))
  end)

  it("may be a thread each time", function()
    assert.matches("threads 5", run([[
      local count = 0
      for _ = 1, 5 do
        host.in_thread(function()
          if sbx.run({ "true", policy = policy }).status == "ok" then count = count + 1 end
        end)
      end
      print("threads " .. count)]]))
  end)
end)

describe("a host that has confined itself", function()
  local dir, host

  before_each(function()
    dir = support.directory()
    support.write(dir .. "/marker", "none")
  end)
  after_each(function()
    if host then host:close() end
    host = nil
    support.remove(dir)
  end)

  -- The twin comes first, in the same host: the engine is warm and as free as the host was.
  local function run(confine)
    host = support.host(dir, PRELUDE .. [[
      local function make(name, policy)
        local r, err, out = sbx.run({ "mkdir", name, policy = policy })
        r = r or out
        print(name, r and r.exit_code or tostring(err))
      end
      local more = { extends = "danger-full-access", network = "none" }
      for i = 1, 3 do make("before" .. i, policy) make("wide" .. i, more) end
      ]] .. confine .. [[

      for i = 1, 3 do make("after" .. i, policy) make("later" .. i, more) end
      print("end.")
    ]], support.module("sbxhost"), stay, "danger-full-access")
    local ended = host:says("end%.")
    for i = 1, 3 do
      assert.is_true(support.exists(dir .. "/before" .. i), host:output())
      assert.is_true(support.exists(dir .. "/wide" .. i), host:output())
      assert.is_false(support.exists(dir .. "/after" .. i), host:output())
      assert.is_false(support.exists(dir .. "/later" .. i), host:output())
    end
    assert.is_truthy(ended, host:output())
  end

  it("by Landlock gives its commands no more", function() run("host.landlock()") end)

  it("by a filter gives its commands no more", function() run("host.filter()") end)

  it("by another user gives its commands no more", function()
    if not support.is_root then pending("only root can become another user") end
    run("host.setuid(65534)")
  end)

  it("by no_new_privs hands that on", function()
    host = support.host(dir, PRELUDE .. [[
      local read = { "grep", "NoNewPrivs", "/proc/self/status", policy = "danger-full-access" }
      io.write(sbx.run(read).stdout)
      host.no_new_privs()
      io.write(sbx.run(read).stdout)
      print("end.")]], support.module("sbxhost"), stay, "none")
    host:says("end%.")
    assert.matches("NoNewPrivs:\t1\nend%.", host:output())
  end)
end)

describe("two thousand runs", function()
  it("leave no descriptor and no process behind", function()
    local dir = support.directory()
    local marker = support.marker()
    support.write(dir .. "/marker", marker)
    local host = support.host(dir, PRELUDE .. [[
      local function run(count)
        for i = 1, count do
          local kind = i % 4
          if kind == 0 then sbx.run({ "/nonexistent/command" })
          elseif kind == 1 then sbx.run({ "true", policy = policy })
          elseif kind == 2 then sbx.run({ "sh", "-c", "true & exit 1", policy = policy })
          else
            local job = sbx.spawn({ "sleep", "60" })
            job:kill()
            job:wait()
          end
        end
        collectgarbage() collectgarbage()
      end
      run(100)
      local job = sbx.spawn({ "sleep", marker, policy = policy })
      print("ready.")
      while not io.open("go") do os.execute("sleep 0.05") end
      run(2000)
      print("done.")
      host.pause()]], support.module("sbxhost"), stay, "workspace-write")
    local function count()
      local spawner = assert(support.engine(marker)[2])
      return #support.children(host.pid) + #support.children(spawner),
        support.open_files(host.pid) + support.open_files(spawner)
    end
    assert.is_truthy(host:says("ready%.", 60))
    support.sleep("0.5")
    local processes, files = count()
    support.write(dir .. "/go", "")
    assert.is_truthy(host:says("done%.", 120), host:output())
    support.sleep("0.5")
    local processes_after, files_after = count()
    host:close()
    support.remove(dir)
    -- supervisors made ahead come and go
    assert.is_true(processes_after <= processes + 2, processes .. " -> " .. processes_after)
    assert.is_true(files_after <= files + 8, files .. " -> " .. files_after)
  end)
end)
