-- The verdict of a plan, without a kernel: policies, paths and what must come of them as tables.
local HERE = debug.getinfo(1, "S").source:match("^@(.*)/[^/]*$")
local fake = dofile(HERE .. "/fake.lua")
local planner = require "sbx.policy"
local verdict = require "sbx.verdict"
local walk = require "sbx.walk"

local TREE = {
  ["/etc"] = "directory", ["/etc/hosts"] = { text = "" }, ["/tmp"] = "directory",
  ["/usr"] = "directory", ["/usr/bin"] = "directory", ["/usr/bin/env"] = { text = "" },
  ["/w"] = "directory", ["/w/f"] = { text = "x" }, ["/w/.git"] = "directory",
  ["/w/.git/config"] = { text = "" }, ["/w/sub"] = "directory", ["/w/sub/f"] = { text = "" },
  ["/w/sub/deep"] = "directory", ["/w/sub/deep/f"] = { text = "" },
  ["/w/out"] = { link = "/etc/hosts" }, ["/w/gone"] = { link = "/etc/new" },
  ["/w/up"] = { link = "../w/sub" }, ["/w/round"] = { link = "round" },
  ["/wide"] = "directory", ["/dev"] = "directory", ["/dev/null"] = { type = "char" },
  ["/dev/sda"] = { type = "block" }, ["/dev/stdout"] = { link = "/proc/self/fd/1" },
  ["/dev/shm"] = "directory", ["/proc"] = "directory", ["/proc/self"] = "directory",
  ["/proc/self/status"] = { text = "" }, ["/secret"] = "directory",
  ["/secret/f"] = { text = "" }, ["/secret/shown"] = "directory",
  ["/secret/shown/f"] = { text = "" },
}

local function question(plan, policy, operation, subject)
  return {
    plan = plan, alternative = plan.alternatives[1], policy = policy, operation = operation,
    subject = subject, fs = fake.fs(TREE), cwd = "/w",
  }
end

local function judge(plan, policy, operation, subject)
  return assert(verdict.judge(question(plan, policy, operation, subject)))
end

local function landlock(policy)
  local open = policy.mode == "danger-full-access" and policy.network ~= "none"
  local plan = assert(planner.plan(policy, {
    cwd = "/w", env = {}, home = "/home/u", uid = 1000, probe = { landlock_abi = 7 },
    fs = fake.fs(TREE), tier = not open and "landlock" or nil,
  }))
  return plan, policy
end

local function check(plan, policy, rows)
  for _, row in ipairs(rows) do
    local found = judge(plan, policy, row[1], row[2])
    local name = row[1] .. " " .. row[2]
    assert.equal(row[3], found.allowed, name .. ": " .. found.reason)
    if row[4] then assert.equal(row[4], found.layer, name) end
    assert.is_string(found.rule)
    assert.is_string(found.reason)
  end
end

describe("the landlock tier", function()
  it("gives what lies in a writable root, by components", function()
    local plan, policy = landlock({ mode = "workspace-write" })
    check(plan, policy, {
      { "write", "/w/f", true, "landlock" }, { "create", "/w/new", true },
      { "delete", "/w/f", true }, { "rename", "/w/sub", true }, { "link", "/w/f", true },
      { "write", "/w/.git/config", true }, { "write", "/tmp/new", true },
      { "write", "/w/sub", true }, { "write", "/wide/f", false, "landlock" },
      { "write", "/etc/hosts", false }, { "create", "/etc/new", false },
      { "delete", "/w", false }, { "read", "/etc/hosts", true, "none" },
      { "execute", "/usr/bin/env", true }, { "metadata", "/etc/hosts", true, "none" },
      { "write", "/dev/null", true }, { "write", "/dev/sda", false },
    })
    assert.matches("can't hold default: protect \"%.git\"",
                   judge(plan, policy, "write", "/w/.git/config").reason)
  end)

  it("walks as the kernel does", function()
    local plan, policy = landlock({ mode = "workspace-write" })
    check(plan, policy, {
      { "write", "/w/out", false }, { "delete", "/w/out", true }, { "rename", "/w/out", true },
      { "write", "/w/gone", false }, { "write", "/w/up/f", true },
      { "write", "/w/up/../../etc/hosts", false }, { "write", "/w/round", false },
      { "write", "/dev/stdout", true, "none" },
    })
    assert.equal("/etc/new", judge(plan, policy, "write", "/w/gone").path)
    assert.equal("/w/out", judge(plan, policy, "delete", "/w/out").path)
  end)

  it("reads only what is listed where something is", function()
    local plan, policy = landlock({ mode = "workspace-write", readable = { "/usr", "/proc" },
                                    deny_read = { "/secret" } })
    check(plan, policy, {
      { "read", "/usr/bin/env", true }, { "execute", "/usr/bin/env", true },
      { "read", "/w/f", true }, { "read", "/etc/hosts", false, "landlock" },
      { "read", "/secret/f", false }, { "read", "/dev/null", true },
      { "read", "/proc/self/status", false }, -- its own /proc lies over the one of the rule
    })
    assert.equal("option: deny_read \"/secret\"", judge(plan, policy, "read", "/secret/f").rule)
    assert.equal("option: readable", judge(plan, policy, "read", "/etc/hosts").rule)
  end)

  it("restricts nothing of files under full access", function()
    local plan, policy = landlock({ mode = "danger-full-access", network = "none" })
    check(plan, policy, {
      { "write", "/etc/hosts", true, "none" }, { "delete", "/etc", true },
      { "connect", "127.0.0.1:80", false, "seccomp" },
    })
  end)
end)

-- A plan as the contained tier has it; the engine's side is what it shares with the other.
local function contained(fields)
  local plan = landlock({ mode = "workspace-write" })
  local policy = { mode = plan.mode, network = plan.network, sources = { mode = "mine.lua:2" } }
  for name, list in pairs(fields.lists or {}) do
    plan[name] = {}
    for i, entry in ipairs(list) do
      plan[name][i] = type(entry) == "table" and entry
        or { path = entry, source = "mine.lua:" .. i, exists = TREE[entry] ~= nil }
    end
  end
  plan.alternatives[1].tier = "contained"
  return plan, policy
end

describe("the contained tier", function()
  it("lets the nearest entry decide, deny before read-only before writable", function()
    local plan, policy = contained({ lists = {
      writable = { "/w", "/w/sub/deep" }, read_only = { "/w/sub" }, deny_read = { "/secret" },
      protect = { "/w/.git", "/w/.codex" },
    } })
    check(plan, policy, {
      { "write", "/w/f", true, "writable mount" }, { "write", "/w/sub/f", false },
      { "write", "/w/sub/deep/f", true }, { "write", "/w/.git/config", false, "read-only mount" },
      { "create", "/w/.codex", false }, { "create", "/w/.codex/x", false },
      { "create", "/w/new", true }, { "read", "/w/.git/config", true },
      { "read", "/secret/f", false, "hiding mount" }, { "write", "/secret/f", false },
      { "execute", "/secret/f", false }, { "metadata", "/secret/f", false },
      { "write", "/etc/hosts", false, "read-only mount" }, { "read", "/etc/hosts", true },
    })
    assert.equal("mine.lua:1: protect \".git\"",
                 judge(plan, policy, "write", "/w/.git/config").rule)
    assert.equal("mine.lua:1: deny_read \"/secret\"", judge(plan, policy, "read", "/secret/f").rule)
  end)

  it("keeps in its place what something is mounted on, or below", function()
    local plan, policy = contained({ lists = {
      writable = { "/w" }, read_only = { "/w/sub/deep" }, protect = { "/w/.git" },
    } })
    check(plan, policy, {
      { "rename", "/w/sub", false, "mount point" }, { "rename", "/w/sub/deep", false },
      { "delete", "/w/.git", false, "mount point" }, { "rename", "/w/f", true },
      { "delete", "/w/sub/f", true }, { "delete", "/w", false },
    })
  end)

  it("asks the engine's mounts where they are known", function()
    local plan, policy = contained({ lists = {
      writable = { "/w", "/w/sub" }, protect = { "/w/.git" },
    } })
    plan.alternatives[1].engine.mounts = {
      { op = "seal", path = "/" }, { op = "bind", path = "/w", write = true },
      { op = "bind", path = "/w/.git" },
    }
    check(plan, policy, { { "rename", "/w/sub", true }, { "rename", "/w/.git", false } })
  end)

  it("holds metadata outside, and of the devices", function()
    local plan, policy = contained({ lists = { writable = { "/w" } } })
    check(plan, policy, {
      { "metadata", "/w/f", true }, { "metadata", "/etc/hosts", false },
      { "metadata", "/dev/null", false }, { "write", "/dev/null", true },
      { "create", "/dev/shm/x", true }, { "create", "/dev/x", false },
      { "read", "/dev/sda", false, "own mount" }, { "write", "/proc/self/status", false },
    })
  end)

  it("shows what is readable in something hidden", function()
    local plan, policy = contained({ lists = {
      writable = { "/w" }, deny_read = { "/secret" }, readable = { "/secret/shown", "/usr" },
    } })
    check(plan, policy, {
      { "read", "/secret/shown/f", true }, { "read", "/secret/f", false, "hiding mount" },
      { "read", "/usr/bin/env", true }, { "read", "/etc/hosts", false, "landlock" },
      { "read", "/w/f", true }, { "write", "/secret/shown/f", false },
    })
  end)

  it("holds a name whose directory is missing too at the first component", function()
    local plan, policy = contained({ lists = {
      writable = { "/w" },
      protect = { { path = "/w/none/gitdir", hold = "/w/none", exists = false } },
    } })
    check(plan, policy, {
      { "create", "/w/none", false, "mount point" }, { "create", "/w/none/other", false },
      { "create", "/w/nothing", true },
    })
  end)
end)

describe("sockets", function()
  local ROWS = {
    -- operation, address, none, loopback, full
    { "connect", "127.0.0.1:80", false, true, true }, { "connect", "[::1]:80", false, true, true },
    { "connect", "192.0.2.1:80", false, false, true }, { "bind", "0.0.0.0:80", false, true, true },
    { "bind", "192.0.2.1:80", false, false, true }, { "send", "127.0.0.1:53", false, true, true },
    { "connect", "unix:/w/s", false, false, true }, { "connect", "unix:@s", false, false, true },
    { "bind", "unix:/w/s", false, false, true }, { "bind", "unix:/etc/s", false, false, false },
    { "socket", "inet", false, true, true }, { "socket", "AF_UNIX", false, false, true },
    { "socket", "netlink", false, true, true }, { "socket", "packet", false, false, true },
    { "socket", "vsock", false, false, true },
  }

  it("are as the filter and the namespaces have them", function()
    for place, network in ipairs({ "none", "loopback", "full" }) do
      local plan, policy = landlock({ mode = "workspace-write", network = network })
      for _, row in ipairs(ROWS) do
        local found = judge(plan, policy, row[1], row[2])
        assert.equal(row[2 + place], found.allowed, network .. " " .. row[1] .. " " .. row[2])
      end
    end
  end)

  it("have addresses that can be read", function()
    local plan, policy = landlock({ mode = "workspace-write" })
    for _, text in ipairs({ "nonsense", "127.0.0.1", "unix:relative", "[::1]", "host:99999" }) do
      local found, err = verdict.judge(question(plan, policy, "connect", text))
      assert.is_nil(found, text)
      assert.equal("invalid_input", err.kind)
    end
  end)
end)

describe("signals, mounts and other calls", function()
  it("are told by what stands in the engine's plan", function()
    local plan, policy = landlock({ mode = "workspace-write", syscalls = { deny = { "chmod" } } })
    check(plan, policy, {
      { "signal", "1", false, "PID namespace" }, { "signal", "own", true },
      { "mount", "/w", false, "seccomp" }, { "other", "keyctl", false, "seccomp" },
      { "other", "chmod", false }, { "other", "ioctl", true }, { "other", "read", true },
    })
    assert.equal("option: syscalls", judge(plan, policy, "other", "chmod").rule)
    plan.alternatives[1].engine.namespaces = {}
    check(plan, policy, { { "signal", "1", false, "landlock" } })
  end)

  it("are all allowed without a sandbox", function()
    local plan, policy = landlock({ mode = "danger-full-access" })
    assert.equal("none", plan.type)
    check(plan, policy, {
      { "write", "/etc/hosts", true, "none" }, { "connect", "192.0.2.1:1", true },
      { "mount", "/w", true }, { "signal", "1", true }, { "other", "keyctl", true },
    })
  end)
end)

describe("a walk", function()
  it("ends where the kernel gives up", function()
    local fs = fake.fs(TREE)
    assert.is_nil(walk.place(fs, "/w/round/x"))
    assert.equal("/w/round", walk.place(fs, "/w/round", true))
    assert.equal("/w/sub/f", walk.place(fs, "//w/./up/../sub/f"))
    assert.equal("/", walk.place(fs, "/../.."))
    assert.equal("/etc/hosts", walk.place(fs, "/proc/self/root/etc/hosts"))
    assert.equal("/w/f", walk.place(fs, "/proc/self/cwd/f", false, "/w"))
  end)
end)
