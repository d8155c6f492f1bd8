-- Names that don't exist are held by empty directories of the engine's. Whatever ends a run, and
-- whoever is killed: within a second none is left.
local scene = require "tests.sandbox.scene"
local support = require "tests.support"

local prefix = os.getenv("SBX_PREFIX") or "build"
local program = prefix .. "/bin/sbxlua"

local test = scene.test

-- Hosts that may be killed. Their journal is the test's own, and by it their keepers are found.
local PRELUDE = [[
package.cpath = arg[1] .. ";" .. package.cpath
local host, sbx = require "sbxhost", require "sbx"
local marker = io.open("../marker"):read("a")
local policy = { extends = "workspace-write", exclude_slash_tmp = true,
                 exclude_tmpdir_env_var = true }
local function sleeper()
  return { "sh", "-c", "echo up; ls -A; exec sleep " .. marker, policy = policy,
           timeout_ms = 50000 }
end
local function run(line) return sbx.run({ "sh", "-c", line, policy = policy }) end
local function go(name)
  while not io.open("../" .. name) do os.execute("sleep 0.02") end
end
io.stdout:setvbuf("line")
]]

local place, marker, hosts

local Host = {}
Host.__index = Host

local function start(code, journal)
  local id = #hosts + 1
  local base = place.dir .. "/host" .. id
  support.write(base .. ".lua", PRELUDE .. code)
  support.write(base .. ".sh", ([[
cd %s
XDG_RUNTIME_DIR=%s/%s LUA_PATH=%s LUA_CPATH=%s lua5.4 %s.lua %s </dev/null >%s.out 2>&1 &
echo $! >%s.new && mv %s.new %s.pid
wait $!
echo $? >%s.new && mv %s.new %s.status
]]):format(support.quote(place.work), place.dir, journal or "run", support.quote(package.path),
           support.quote(package.cpath), base, support.quote(support.module("sbxhost")), base, base,
           base, base, base, base, base))
  os.execute("sh " .. base .. ".sh >/dev/null 2>&1 &")
  local one = setmetatable({ base = base }, Host)
  one.pid = tonumber(support.wait_until(function() return support.read(base .. ".pid") end))
  hosts[id] = one
  return one
end

function Host:output() return support.read(self.base .. ".out") or "" end
function Host:ended() return support.read(self.base .. ".status") ~= nil end
function Host:kill(signal) support.kill(self.pid, signal or "KILL") end

function Host:says(pattern)
  return support.wait_until(function() return self:output():match(pattern) end, 15)
    or error(self:output())
end

local function parent_of(pid)
  return tonumber((support.read("/proc/" .. pid .. "/stat") or ""):match("%) %a (%d+)"))
end

-- The command, its supervisor and the spawner.
local function processes()
  assert.is_true(support.appears(marker))
  local command = support.wait_until(function()
    for _, pid in ipairs(support.pids(marker)) do
      if support.read("/proc/" .. pid .. "/comm") == "sleep\n" then return pid end
    end
  end)
  assert.is_truthy(command, support.read(place.dir .. "/err"))
  local supervisor = parent_of(command)
  return command, supervisor, parent_of(supervisor)
end

local function keepers()
  local found = {}
  for pid in support.output("grep -lsx sbx-keeper /proc/[0-9]*/comm"):gmatch("/proc/(%d+)/") do
    local line = support.read("/proc/" .. pid .. "/cmdline") or ""
    if line:find(place.dir, 1, true) and support.alive(pid) then
      found[#found + 1] = tonumber(pid)
    end
  end
  return found
end

local ALL = ".agents\n.codex\n.git\nHEAD\n"

local function left() return scene.becomes(place.work, "") end

local function nobody_keeps()
  return support.wait_until(function() return #keepers() == 0 end, 2)
end

local function before()
  place, marker, hosts = scene.new(), support.marker(), {}
  support.shell("mkdir -m 700 %s/run %s/other", place.dir, place.dir)
  support.write(place.dir .. "/marker", marker)
end

local function after()
  for _, host in ipairs(hosts) do
    if not host:ended() then host:kill() end
  end
  support.sweep(marker)
  for _, pid in ipairs(keepers()) do support.kill(pid) end
  place:close()
end

describe("placeholders", function()
  before_each(before)
  after_each(after)

  test("stand while the command runs, and are gone when it has ended", function()
    local host = start("print(run('ls -A').stdout) print('over') host.pause()")
    host:says("over")
    assert.equal("", scene.names(place.work)) -- at once
    assert.matches("^" .. ALL, host:output())
  end)

  test("go with a time-out, a kill, an error in on_output", function()
    local host = start([[
      local opts = sleeper()
      opts.timeout_ms = 200
      print(select(2, sbx.run(opts)).kind)
      go("1")
      local job = sbx.spawn(sleeper())
      job:lines()()
      job:kill()
      print(select(2, job:wait()).kind)
      go("2")
      opts = sleeper()
      opts.on_output = function() error("mine", 0) end
      print(pcall(sbx.run, opts))
      go("3")
      job = sbx.spawn(sleeper())
      job:lines()()
      job = nil
      collectgarbage() collectgarbage()
      print("collected")
      host.pause()]])
    for step, word in ipairs({ "timeout", "cancelled", "false\tmine", "collected" }) do
      host:says(word)
      assert.equal("", left(), word)
      support.write(place.dir .. "/" .. step, "")
    end
  end)

  test("go with a command that could not be started, and one that dies", function()
    local host = start([[
      print(select(2, sbx.run({ "/nonexistent/x", policy = policy })).kind)
      print(select(2, run("kill -9 $$")).kind)
      host.pause()]])
    host:says("spawn\nsignal")
    assert.equal("", left())
  end)

  -- it stands in the journal before it is tried; what can't be made must not be waited for
  test("go with a name that is too long, and so does the keeper", function()
    local host = start([[
      policy.protect = { ("x"):rep(300) }
      print(select(2, run("true")).code)]])
    host:says("ENAMETOOLONG")
    assert.equal("", left())
    assert.is_true(nobody_keeps())
    assert.equal("lock\n", support.output("ls -A " .. place.dir .. "/run/sbxlua"))
  end)

  test("go with a host that leaves by os.exit without closing", function()
    local host = start("sbx.spawn(sleeper()):lines()() print('up') os.exit(3, false)")
    host:says("up")
    assert.equal("", left())
    assert.is_true(nobody_keeps())
  end)

  test("go with a host that ends normally, at once", function()
    local host = start("print(run('true').status)")
    assert.is_true(support.wait_until(function() return host:ended() end))
    assert.equal("ok\n", host:output())
    assert.equal("", left())
    assert.is_true(nobody_keeps())
  end)

  test("go with an error of the host", function()
    local host = start("local job = sbx.spawn(sleeper()) job:lines()() error('mine')")
    assert.is_true(support.wait_until(function() return host:ended() end))
    assert.equal("", left())
  end)

  test("stand for each of many runs in a row", function()
    local host = start([[
      for i = 1, 12 do
        local r = run("mkdir .git .codex; echo x >HEAD; ls -Am .; ls -A .git HEAD | wc -w")
        print("ls " .. r.stdout)
      end
      print("over")
      host.pause()]])
    host:says("over")
    local count = select(2, host:output():gsub("ls %.agents, %.codex, %.git, HEAD\n2\n", ""))
    assert.equal(12, count, host:output())
    assert.equal("", left())
  end)

  test("go after a loop, and then the directory can be removed", function()
    local host = start([[
      for _ = 1, 30 do assert(run("mkdir x && rmdir x")) end
      print("over")
      host.pause()]])
    host:says("over")
    support.sleep("1")
    assert.equal("", scene.names(place.work))
    support.shell("rmdir %s", place.work)
    host:kill()
    assert.is_true(nobody_keeps())
    support.shell("mkdir %s", place.work)
  end)

  test("go with a directory that is moved while the command runs, or right after", function()
    local host = start([[
      for _, line in ipairs({ "1", "2" }) do
        local count = line == "1" and 0 or 6
        for _ = 1, count do run("true") end
        local job = sbx.spawn(sleeper())
        job:lines()()
        if line == "1" then os.execute("mv ../work ../moved1") end
        job:kill()
        job:wait()
        if line == "2" then os.execute("mv ../work ../moved2") end
        os.execute("mkdir ../work")
      end
      print("over")
      host.pause()]])
    host:says("over")
    for _, name in ipairs({ "/moved1", "/moved2", "/work" }) do
      assert.equal("", scene.becomes(place.dir .. name, ""), name)
    end
  end)

  test("go while the host runs on and on elsewhere", function()
    local host = start([[
      for _ = 1, 6 do run("true") end
      print("over")
      policy.mode = "read-only"
      policy.extends = "read-only"
      policy.writable_roots = { "../out" }
      while not io.open("../go") do run("true") end]])
    host:says("over")
    assert.equal("", left())
    support.write(place.dir .. "/go", "")
    assert.is_true(nobody_keeps())
    assert.equal("", scene.becomes(place.out, ""))
  end)

  test("go after a loop whose host ends in it", function()
    for _, ending in ipairs({ "", "os.exit(0, false)", "host.exit(0)" }) do
      local host = start("for _ = 1, 12 do assert(run('true')) end print('over') " .. ending)
      host:says("over")
      assert.equal("", left(), ending)
      assert.is_true(nobody_keeps())
    end
  end)
end)

describe("placeholders, when somebody is killed", function()
  before_each(before)
  after_each(after)

  local function running(more)
    local host = start("local job = sbx.spawn(sleeper()) job:lines()() print('up') "
                       .. (more or "job:wait() print('over') host.pause()"))
    host:says("up")
    assert.equal(ALL, scene.names(place.work))
    return host, processes()
  end

  test("the host alone", function()
    local host = running()
    host:kill()
    assert.equal("", left())
    assert.is_true(nobody_keeps())
    assert.is_true(support.gone(marker))
  end)

  test("the supervisor", function()
    local host, _, supervisor = running()
    support.kill(supervisor)
    host:says("over")
    assert.equal("", left())
  end)

  test("the spawner", function()
    local host, _, _, spawner = running("go('go') job:kill() job:wait() print('over') host.pause()")
    support.kill(spawner)
    support.sleep("0.2")
    support.write(place.dir .. "/go", "")
    host:says("over")
    assert.equal("", left())
    host:kill()
    assert.is_true(nobody_keeps())
  end)

  test("the spawner, and then the host", function()
    local host, _, _, spawner = running()
    support.kill(spawner)
    support.sleep("0.2")
    host:kill()
    assert.equal("", left())
    assert.is_true(nobody_keeps())
  end)

  test("the command", function()
    local host, command = running()
    support.kill(command)
    host:says("over")
    assert.equal("", left())
  end)

  test("host, spawner, supervisor and command together: the keeper clears", function()
    local host, command, supervisor, spawner = running()
    assert.equal(1, #keepers())
    os.execute(("kill -KILL %d %d %d %d"):format(host.pid, spawner, supervisor, command))
    assert.equal("", left())
    assert.is_true(nobody_keeps())
  end)

  test("the keeper alone, and then the run ends", function()
    local host, command = running()
    support.kill(assert(keepers()[1]))
    support.kill(command)
    host:says("over")
    assert.equal("", left())
  end)

  test("the keeper alone, and then the host", function()
    local host = running("go('go') job:kill() job:wait() print(run('echo again').stdout) "
                         .. "job = sbx.spawn(sleeper()) job:lines()() print('second') host.pause()")
    support.kill(assert(keepers()[1]))
    support.write(place.dir .. "/go", "")
    host:says("second")
    host:kill()
    assert.equal("", left())
  end)

  test("the keeper between two runs: the next has another", function()
    local host = start([[
      run("true")
      print("first")
      go("go")
      local job = sbx.spawn(sleeper())
      job:lines()()
      print("second")
      host.pause()]])
    host:says("first")
    support.kill(assert(keepers()[1]))
    support.write(place.dir .. "/go", "")
    host:says("second")
    assert.equal(1, #keepers())
    host:kill()
    assert.equal("", left())
    assert.is_true(nobody_keeps())
  end)

  test("all of them and the keeper: the next run of another process clears", function()
    local host, command, supervisor, spawner = running()
    os.execute(("kill -KILL %d %d %d %d %d"):format(keepers()[1], host.pid, spawner, supervisor,
                                                    command))
    assert.is_true(support.gone(marker))
    support.sleep("0.3")
    assert.equal(ALL, scene.names(place.work)) -- the control: nobody was there to do it
    local other = start("print(run('mkdir .git; echo >HEAD; ls -A').stdout) print('over')")
    other:says("over")
    assert.equal("", left())
    assert.is_true(nobody_keeps())
  end)

  test("the host while others of its own run elsewhere", function()
    local host = running()
    local other = start("local job = sbx.spawn(sleeper()) job:lines()() print('up') host.pause()")
    other:says("up")
    host:kill()
    support.sleep("1.2")
    assert.equal(ALL, scene.names(place.work))
    other:kill()
    assert.equal("", left())
    assert.is_true(nobody_keeps())
  end)
end)

describe("placeholders of two hosts in one workspace", function()
  before_each(before)
  after_each(after)

  test("outlast the first: the second's command still can't make the name", function()
    local first = start("local job = sbx.spawn(sleeper()) job:lines()() print('up') go('1') "
                        .. "job:kill() job:wait() print('over')")
    first:says("up")
    local second = start([[
      local job = sbx.spawn({ "sh", "-c", "echo up; until test -e ../2; do sleep 0.02; done;"
        .. "mkdir .git; touch .git/x; echo x >HEAD; mkdir .codex; echo done", policy = policy,
        timeout_ms = 20000 })
      job:lines()()
      print("up")
      local r, err, out = job:wait()
      print((r or out).stdout)]])
    second:says("up")
    support.write(place.dir .. "/1", "")
    first:says("over")
    assert.is_true(support.wait_until(function() return first:ended() end))
    support.sleep("1")
    assert.equal(ALL, scene.names(place.work))
    support.write(place.dir .. "/2", "")
    second:says("done")
    assert.equal("", left())
    assert.is_true(nobody_keeps())
  end)

  -- as it is with two users and /tmp
  test("with journals that see nothing of each other", function()
    for _, ending in ipairs({ "job:kill() job:wait() go('never')", "host.pause()" }) do
      local code = "local job = sbx.spawn(sleeper()) job:lines()() print('up') "
      local first = start(code .. "go('1') print('first') " .. ending)
      first:says("up")
      local second = start(code .. [[go('2')
        print("ended " .. tostring(job:poll(0)))
        job:kill()
        job:wait()
        print('over')
        host.pause()]], "other")
      second:says("up")
      support.write(place.dir .. "/1", "")
      first:says("first")
      if ending == "host.pause()" then first:kill() end
      support.sleep("1.5")
      assert.equal(ALL, scene.names(place.work))
      support.write(place.dir .. "/2", "")
      assert.equal("false", second:says("ended (%l+)"))
      second:says("over")
      assert.equal("", left())
      first:kill()
      second:kill()
      assert.is_true(nobody_keeps())
      support.shell("rm %s/1 %s/2", place.dir, place.dir)
    end
  end)

  test("with journals that see nothing of each other, again and again", function()
    local code = [[
      for _ = 1, 25 do assert(run("mkdir .git; echo x >HEAD; mkdir .codex; true")) end
      print("over")]]
    local list = { start(code), start(code, "other") }
    for _, host in ipairs(list) do host:says("over") end
    assert.equal("", left())
    assert.is_true(nobody_keeps())
  end)

  test("at the same time, again and again", function()
    local code = [[
      for _ = 1, 25 do run("mkdir .git; echo x >.git/x; echo x >HEAD; mkdir .codex") end
      print("over")]]
    local list = { start(code), start(code), start(code) }
    for _, host in ipairs(list) do host:says("over") end
    assert.equal("", left())
    assert.is_true(nobody_keeps())
  end)

  test("a fork of a host takes nothing away from its parent's", function()
    local host = start([[
      local job = sbx.spawn(sleeper())
      job:lines()()
      local child = host.fork()
      if child == 0 then
        print("child", (run("mkdir .git; ls -A .git | wc -l") or {}).stdout)
        job = nil
        collectgarbage() collectgarbage()
        os.exit(0, true)
      end
      host.wait(child)
      print("waited")
      host.pause()]])
    host:says("waited")
    assert.matches("child\t0", host:output())
    support.sleep("0.5")
    assert.equal(ALL, scene.names(place.work))
    host:kill()
    assert.equal("", left())
  end)
end)

describe("what is the user's own", function()
  before_each(before)
  after_each(after)

  test("stays: an empty directory with a protected name", function()
    support.shell("mkdir %s/.agents", place.work)
    local host = start([[
      for i = 1, 8 do run("touch .agents/x; rmdir .agents") end
      print("over")
      local job = sbx.spawn(sleeper())
      job:lines()()
      print("up")
      host.pause()]])
    host:says("up")
    host:kill()
    assert.equal(".agents\n", scene.becomes(place.work, ".agents\n"))
    assert.is_true(nobody_keeps())
    assert.equal("", scene.names(place.work .. "/.agents"))
  end)

  test("stays: one that was made during the run, by the host's own git init", function()
    local host = start([[
      local job = sbx.spawn({ "sh", "-c", "echo up; until test -e ../go; do sleep 0.02; done;"
        .. "echo x >>.git/config; touch .git/x; mv .git old; rm -rf .git; echo done",
        policy = policy, timeout_ms = 20000 })
      job:lines()()
      print("up")
      local r, err, out = job:wait()
      print((r or out).status)
      host.pause()]])
    host:says("up")
    support.shell("cd %s && git init -q -b main . && echo x >.git/mine", place.work)
    local repository = scene.state(place.work .. "/.git")
    support.write(place.dir .. "/go", "")
    host:says("%l+\n$")
    assert.equal(".git\n", scene.becomes(place.work, ".git\n"))
    assert.equal(repository, scene.state(place.work .. "/.git"))
    assert.equal("true\n", place:output("git rev-parse --is-inside-work-tree"))
    host:kill()
    assert.is_true(nobody_keeps())
    assert.equal(repository, scene.state(place.work .. "/.git"))
  end)

  test("belongs to the owner of the workspace, also when root runs", function()
    if not support.is_root then pending("only root can run for others") end
    support.shell("chown 65534:65534 %s; chmod 755 %s", place.work, place.dir)
    local host = start("local job = sbx.spawn(sleeper()) job:lines()() print('up') host.pause()")
    host:says("up")
    assert.equal("65534 755\n", place:output("stat -c '%u %a' .git"))
    host:kill()
    assert.equal("", left())
  end)

  test("needs no placeholder where the user can't write", function()
    if support.is_root then pending("root can write everywhere") end
    local before_ = support.output("ls -A /usr/lib | md5sum")
    local host = start([[
      policy.writable_roots = { "/usr/lib" }
      local r, err, out = run("mkdir /usr/lib/.git; touch /usr/lib/x; ls -A /usr/lib | md5sum")
      r = r or out
      print(r and r.stdout or err)
      print("over")]])
    host:says("over")
    assert.matches(before_, host:output(), 1, true)
    assert.equal("", left())
  end)
end)

describe("what is protected and taken away from outside", function()
  before_each(before)
  after_each(after)

  local function lost(make, change)
    support.shell("cd %s\n" .. make, place.work)
    local host = start([[
      local r, err, out = sbx.run({ "sh", "-c", "echo up; sleep " .. marker .. "; echo late",
                                    policy = policy, timeout_ms = 20000,
                                    on_output = function(_, text) print(text) end })
      print("result", r, err and err.kind, err and err.step, out and out.status,
            out and out.stdout == "up\n")
      print(err)
      print("over")]])
    host:says("up")
    assert.is_false(host:ended())
    support.shell("cd %s\n" .. change, place.work)
    host:says("over")
    assert.matches("result\tnil\tsandbox\tprotect\tfailed\ttrue", host:output())
    assert.matches(place.work .. "/", host:output(), 1, true)
    assert.is_true(support.gone(marker))
  end

  test("ends the run: a directory that is renamed", function()
    lost("mkdir .git; echo x >.git/config", "mv .git old")
  end)

  test("ends the run: a directory that is removed", function()
    lost("mkdir .git; echo x >.git/config", "rm -rf .git")
  end)

  test("ends the run: a file that is replaced", function()
    lost("echo x >.codex", "echo y >new; mv new .codex")
  end)

  test("ends the run: a link that is replaced", function()
    lost("mkdir a b; ln -s a .git", "ln -sfn b .git")
  end)

  test("ends the run: a placeholder that is removed", function()
    lost("true", "rmdir .git")
  end)

  test("ends the run: a placeholder that is replaced", function()
    lost("true", "mkdir ../new; touch ../new/x; mv -T ../new .git")
  end)

  test("ends the run: a directory above it that is renamed", function()
    lost("mkdir -p x/repo; echo 'gitdir: x/repo' >.git", "mv x y")
  end)

  test("but not what happens inside", function()
    support.shell("cd %s && git init -q .", place.work)
    local host = start("local job = sbx.spawn(sleeper()) job:lines()() print('up') go('go') "
                       .. "print('ended ' .. tostring(job:poll(300))) job:kill() job:wait()")
    host:says("up")
    place:host("touch a; git add a; git config a.b c; chmod 700 .git; chmod 755 .git; touch .git")
    support.write(place.dir .. "/go", "")
    assert.equal("false", host:says("ended (%l+)"))
  end)
end)

describe("sbxlua run", function()
  before_each(before)
  after_each(after)

  local function line(words)
    return ("cd %s; XDG_RUNTIME_DIR=%s/run %s run -p workspace-write -C %s -- %s"):format(
      place.work, place.dir, program, place.work, words)
  end

  local function in_background()
    local text = ("exec >/dev/null 2>%s/err; %s"):format(place.dir, line("sleep " .. marker))
    os.execute("sh -c " .. support.quote(text) .. " &")
  end

  local function elapsed(text)
    local from = support.output("date +%s%N")
    local said = support.output(text)
    return (tonumber(support.output("date +%s%N")) - tonumber(from)) / 1e9, said
  end

  test("leaves nothing, and no pipe waits for its keeper", function()
    for _, redirect in ipairs({ "", " 2>&1", " 2>&1 | cat" }) do
      local seconds, said = elapsed("x=$(" .. line("ls -A") .. redirect .. "); echo \"$x\"")
      assert.matches(ALL, said, 1, true)
      assert.equal("", scene.names(place.work))
      assert.is_true(seconds < 0.8, "took " .. seconds)
    end
    assert.is_true(nobody_keeps())
  end)

  test("killed, with its supervisor and its command or alone: the keeper clears", function()
    for _, all in ipairs({ false, true }) do
      in_background()
      local command, supervisor = processes()
      local own = supervisor and parent_of(supervisor)
      assert.equal(ALL, scene.names(place.work))
      os.execute(("kill -KILL %d %s"):format(own, all and supervisor .. " " .. command or ""))
      assert.equal("", left())
      assert.is_true(nobody_keeps())
      assert.is_true(support.gone(marker))
    end
  end)

  test("ended by a signal", function()
    in_background()
    local _, supervisor = processes()
    support.kill(parent_of(supervisor), "TERM")
    assert.equal("", left())
    assert.is_true(nobody_keeps())
  end)
end)
