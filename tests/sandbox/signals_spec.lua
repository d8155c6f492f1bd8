-- The command reaches no process of the host: not by signals, not by ptrace, not through memory,
-- limits or priorities. Judged by the victim, which tells at its end what became of it.
local sbx = require "sbx"
local support = require "tests.support"

local powers = support.program("powers")
local victim_program = support.program("victim")

-- A signal to all is only sent where the supervisor is the init of a PID namespace: where a sandbox
-- failed, a test as root must not take the machine with it.
local ALONE = "[ $PPID = 1 ] || exit 99; "

describe("a process of the host", function()
  local dir, victim, log

  before_each(function()
    dir = support.directory()
    log = dir .. "/victim.log"
    local line = ("env -u LD_PRELOAD %s %s"):format(victim_program, log)
    victim = { pipe = assert(io.popen(line, "w")) }
    local text = support.wait_until(function()
      return (support.read(log) or ""):match("^(%d+ %S+)\n")
    end)
    victim.pid, victim.address = text:match("(%d+) (%S+)")
  end)
  after_each(function()
    if victim.pipe then victim.pipe:close() end
    support.remove(dir)
  end)

  local function told()
    victim.pipe:close()
    victim.pipe = nil
    return support.read(log):match("\n(.+)\n")
  end

  -- the twin: outside any sandbox, as the same user, the same program does it all
  it("can be reached by the user's other programs", function()
    local answers = support.answers(support.output(
      table.concat({ powers, "attack", victim.pid, victim.address }, " ")))
    for _, name in ipairs({ "read_memory", "write_memory", "trace", "priority", "limit", "tgkill",
                            "queue", "pidfd", "kill" }) do
      if answers[name] == "EPERM" then pending("this machine restricts ptrace") end
      assert.equal("ok", answers[name], name)
    end
    local text = told()
    assert.are_not.equal("intact 0 0 0", text)
    assert.matches("^pokedt? %d+ 5 1$", text)
  end)

  for _, policy in ipairs({ "read-only", "workspace-write" }) do
    it("is not reached under " .. policy, function()
      local r = assert(sbx.run({ powers, "attack", victim.pid, victim.address, policy = policy }))
      local answers = support.answers(r.stdout)
      for name, answer in pairs(answers) do assert.are_not.equal("ok", answer, name) end
      assert.is_truthy(answers.kill)
      assert.equal("intact 0 0 0", told())
    end)
  end

  it("is not reached with full network or every file", function()
    for _, policy in ipairs({ { extends = "workspace-write", network = "full" },
                              { extends = "danger-full-access", network = "none" } }) do
      local r = assert(sbx.run({ powers, "attack", victim.pid, victim.address, policy = policy }))
      assert.are_not.equal("ok", support.answers(r.stdout).kill)
    end
    assert.equal("intact 0 0 0", told())
  end)

  it("is not reached by kill -1", function()
    local _, _, out = sbx.run({ "sh", "-c", ALONE .. "kill -USR1 -1; kill -TERM -1",
                                policy = "workspace-write" })
    if out and out.exit_code == 99 then pending("no PID namespace here") end
    assert.equal("intact 0 0 0", told())
  end)

  it("is not reached by number through /proc either", function()
    sbx.run({ "sh", "-c", ("echo 5 >/proc/%s/oom_score_adj; echo x >/proc/%s/comm")
              :format(victim.pid, victim.pid), policy = "workspace-write" })
    assert.equal("victim\n", support.read("/proc/" .. victim.pid .. "/comm"))
    assert.equal("0\n", support.read("/proc/" .. victim.pid .. "/oom_score_adj"))
  end)
end)

describe("the command's own tree", function()
  it("signals, traces and limits itself", function()
    local r = assert(sbx.run({ "sh", "-c", "sleep 30 & kill -TERM $!; wait $!; echo $?;"
                               .. " ulimit -n 64; ulimit -n; nice -n 5 nice",
                               policy = "workspace-write" }))
    assert.equal("143\n64\n5\n", r.stdout)
  end)

  it("can be traced by its own debugger", function()
    if support.output("command -v strace") == "" then pending("strace is not installed") end
    local r = assert(sbx.run({ "sh", "-c", "strace -e trace=none echo traced 2>/dev/null",
                               policy = "workspace-write" }))
    assert.equal("traced\n", r.stdout)
  end)

  it("can't reach its supervisor or the spawner", function()
    local script = ALONE .. "kill -KILL $PPID; kill -STOP $PPID; sleep 0.2; echo still here"
    local r = sbx.run({ "sh", "-c", script, policy = "workspace-write" })
    if r.exit_code == 99 then pending("no PID namespace here") end
    assert.equal("still here\n", r.stdout)
    assert.equal("ok", r.status)
    assert.equal("ok", assert(sbx.run({ "true" })).status)
  end)

  it("can't read its supervisor", function()
    local r = assert(sbx.run({ "sh", "-c", "cat /proc/1/environ | wc -c; cat /proc/1/mem | wc -c;"
                               .. " readlink /proc/1/fd/* | wc -l; ls /proc/1/root/ | wc -l;"
                               .. " cat /proc/$PPID/maps | wc -c; true", policy = "read-only" }))
    assert.equal("0\n0\n0\n0\n0\n", r.stdout)
  end)
end)
