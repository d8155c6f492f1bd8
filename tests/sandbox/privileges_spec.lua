-- No capability, no new privileges, no way out of the filter. Judged by what /proc and the calls
-- say, and by the machine that stays as it was.
local sbx = require "sbx"
local support = require "tests.support"

local powers = support.program("powers")

local function run(opts)
  local r, err = sbx.run(opts)
  return assert(r, tostring(err))
end

local function status_of(policy)
  local map = {}
  local text = run({ "cat", "/proc/self/status", policy = policy }).stdout
  for name, value in text:gmatch("(%w+):\t([^\n]*)") do map[name] = value end
  return map
end

local RESTRICTED = {
  "read-only", "workspace-write", { extends = "workspace-write", network = "full" },
  { extends = "workspace-write", network = "loopback" },
}

describe("the command", function()
  it("has no capability in any set, under every policy that restricts", function()
    for _, policy in ipairs(RESTRICTED) do
      local status = status_of(policy)
      for _, set in ipairs({ "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb" }) do
        assert.equal("0000000000000000", status[set], set)
      end
      assert.equal("1", status.NoNewPrivs)
      assert.equal("2", status.Seccomp)
    end
  end)

  it("has the user's own ids", function()
    for _, policy in ipairs({ "read-only", "workspace-write", "danger-full-access" }) do
      assert.equal(support.output("id -u; id -g"),
                   run({ "sh", "-c", "id -u; id -g", policy = policy }).stdout)
    end
  end)

  it("keeps its privileges where nothing is restricted", function()
    local status = status_of("danger-full-access")
    local own = support.read("/proc/self/status")
    assert.equal(own:match("CapEff:\t(%x+)"), status.CapEff)
    assert.equal(own:match("NoNewPrivs:\t(%d)"), status.NoNewPrivs)
    assert.equal(own:match("Seccomp:\t(%d)"), status.Seccomp)
  end)

  it("gains nothing from set-user-ID programs", function()
    if support.is_root then pending("root has nothing to gain: tried as an ordinary user") end
    local su = support.output("command -v su"):gsub("\n", "")
    if not support.output("ls -l " .. su):match("^%-rws") then pending("no set-user-ID su here") end
    -- su's own effective id, seen while it waits for what never comes
    local own = support.output("id -u")
    local r = run({ "sh", "-c", "exec 4<>/dev/null; " .. su .. " -c true </dev/zero >&4 2>&4 &"
                    .. " sleep 0.3; for p in /proc/[0-9]*; do"
                    .. " grep -E '^(Name|Uid)' $p/status 2>/dev/null; done; kill $! 2>/dev/null" })
    for ids in r.stdout:gmatch("Uid:\t([^\n]*)") do
      assert.equal(own:gsub("\n", ""), ids:match("^%d+\t(%d+)"))
    end
  end)

  it("can't write its core dumps through the host's pipe", function()
    local r = run({ "sh", "-c", "ulimit -Sc; ulimit -Hc; ulimit -c unlimited 2>/dev/null; "
                    .. "ulimit -Hc; cat /proc/self/limits | grep -i core" })
    assert.matches("Max core file size%s+1%s+1%s+bytes", r.stdout)
  end)
end)

describe("calls", function()
  local answers, before

  local function state_of_machine()
    return support.output("cut -d' ' -f4- /proc/self/mountinfo; hostname;"
                          .. " readlink /proc/self/ns/*; grep -c sbx-no-such-type /proc/keys")
  end

  setup(function()
    before = state_of_machine()
    answers = support.answers(run({ powers, "tries", policy = "workspace-write",
                                    timeout_ms = 20000 }).stdout)
  end)

  -- each by errno: a filter that kills breaks programs that try and go on
  for _, name in ipairs({
    "unshare_user", "unshare_mount", "unshare_network", "unshare_pid", "unshare_ipc",
    "unshare_uts", "unshare_cgroup", "unshare_high", "clone_user", "clone_pid", "clone3",
    "mount_tmpfs", "mount_bind", "unmount", "pivot", "fs_open", "tree_open", "mount_attr",
    "change_root", "join_namespace", "user_other", "groups", "bounding", "keyctl", "add_key",
    "request_key", "bpf", "perf", "user_fault", "io_uring", "handle", "by_handle", "host_name",
    "clock_set", "swap_off", "restart", "kernel_log", "shared_memory", "terminal_input",
    "terminal_input_high", "listener", "quota", "module", "device",
  }) do
    it("refuse " .. name, function()
      assert.is_truthy(answers[name])
      assert.are_not.equal("ok", answers[name])
    end)
  end

  it("that libc falls back from are missing, not refused", function()
    for _, name in ipairs({ "clone3", "clone3_plain", "io_uring", "keyctl", "add_key",
                            "request_key" }) do
      assert.equal("ENOSYS", answers[name], name)
    end
    assert.equal("ok", answers.clone_plain)
  end)

  it("leave the machine as it was", function()
    assert.equal(before, state_of_machine())
  end)

  it("of a foreign architecture are refused by errno", function()
    local foreign = support.answers(run({ powers, "foreign", policy = "read-only" }).stdout)
    if next(foreign) == nil then pending("only x86-64 has such calls") end
    for _, name in ipairs({ "x32_getpid", "x32_socket", "x32_ptrace", "int80_getpid",
                            "int80_socket", "int80_unshare" }) do
      assert.is_truthy(foreign[name], name)
      assert.are_not.equal("ok", foreign[name], name)
    end
  end)
end)

describe("programs that try and go on", function()
  it("run: threads, pipes, make, tar, git", function()
    local dir = support.directory()
    local r = run({ "sh", "-c", [[
      set -e
      printf 'all: a b\na:\n\techo a >a\nb:\n\techo b >b\n' >Makefile
      make -s -j2 && tar cf t.tar a b && mkdir x && tar xf t.tar -C x && cat x/a x/b
      echo 'int main(void){return 0;}' >m.c && cc -o m m.c && ./m && echo built]],
      cwd = dir, policy = "workspace-write", timeout_ms = 60000 })
    assert.equal("a\nb\nbuilt\n", r.stdout)
    support.remove(dir)
  end)

  it("run: git in a repository of its own", function()
    if support.output("command -v git") == "" then pending("git is not installed") end
    local dir = support.directory()
    local r = run({ "sh", "-c", "git init -q . && git -c user.name=a -c user.email=a@b commit -q"
                    .. " --allow-empty -m one && git log --format=%s && git gc -q",
                    cwd = dir, policy = { extends = "workspace-write", protect = { replace = {} } },
                    timeout_ms = 60000 })
    assert.equal("one\n", r.stdout)
    support.remove(dir)
  end)
end)

describe("root over another's workspace", function()
  if not support.is_root then
    pending("only root has power over another's files")
    return
  end

  local THREE = "CapEff:\t000000000000000b\n" -- chown, dac_override, fowner
  local dir

  before_each(function()
    dir = support.directory()
    support.shell("mkdir -m 755 %s/work; chown 1234:1234 %s/work; chmod 755 %s", dir, dir, dir)
  end)
  after_each(function() support.remove(dir) end)

  it("writes it with three capabilities that end at its user namespace", function()
    local r = run({ "sh", "-c", "echo x >f && chown 1234 f && chmod 600 f && echo y >>f;"
      .. " grep CapEff /proc/self/status; echo z >../outside; mkdir .git/x; true",
      cwd = dir .. "/work", policy = "workspace-write" })
    assert.equal(THREE, r.stdout)
    assert.equal("1234 600\n", support.output("stat -c '%u %a' " .. dir .. "/work/f"))
    assert.equal("x\ny\n", support.read(dir .. "/work/f"))
    assert.is_false(support.exists(dir .. "/outside"))
    if support.tier() ~= "contained" then return end
    local host = support.output("readlink /proc/self/ns/user")
    r = run({ "sh", "-c", "readlink /proc/self/ns/user; cat /proc/self/uid_map",
              cwd = dir .. "/work", policy = "workspace-write" })
    assert.is_nil(r.stdout:find(host, 1, true))
    assert.matches("0%s+0%s+4294967295\n$", r.stdout)
  end)

  it("has none where the workspace is its own", function()
    support.shell("chown 0:0 %s/work", dir)
    local r = run({ "sh", "-c", "grep CapEff /proc/self/status",
                    cwd = dir .. "/work", policy = "workspace-write" })
    assert.equal("CapEff:\t0000000000000000\n", r.stdout)
  end)
end)
