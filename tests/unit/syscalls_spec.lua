-- The filter as data, decided here as the kernel would: 64-bit registers, int arguments.
local syscalls = require "sbx.syscalls"

local OPS = {
  eq = function(v, a) return v == a end, ne = function(v, a) return v ~= a end,
  lt = function(v, a) return math.ult(v, a) end, gt = function(v, a) return math.ult(a, v) end,
  masked_eq = function(v, mask, a) return v & mask == a end,
}

local function hits(rule, args)
  for _, arg in ipairs(rule.args or {}) do
    if not OPS[arg[2]](args[arg[1] + 1] or 0, arg[3], arg[4]) then return false end
  end
  return true
end

local function decide(list, call, ...)
  for _, rule in ipairs(list) do
    if rule.call == call and hits(rule, { ... }) then return rule.errno end
  end
  return "allow"
end

local none = syscalls.filter({ network = "none", fs = true, pidns = true })
local loopback = syscalls.filter({ network = "loopback", fs = true, pidns = true })
local full = syscalls.filter({ network = "full", fs = true, pidns = true })
local HIGH = 1 << 32

describe("the filter", function()
  it("names no argument twice in a rule", function()
    local list = syscalls.filter({ network = "loopback", fs = true, truncation = true,
                                   tracing = true })
    for _, rule in ipairs(list) do
      local seen = {}
      for _, arg in ipairs(rule.args or {}) do
        assert.is_nil(seen[arg[1]])
        seen[arg[1]] = true
      end
    end
  end)

  it("refuses every socket without network, and only then", function()
    for _, family in ipairs({ 1, 2, 10, 16, 17, 38, 40, HIGH + 2 }) do
      assert.equal("EPERM", decide(none, "socket", family, 1, 0))
      assert.equal("allow", decide(full, "socket", family, 1, 0))
    end
  end)

  it("leaves stream and packet pairs, whatever flags and high bits", function()
    for _, list in ipairs({ none, loopback }) do
      for _, type in ipairs({ 1, 5, 1 + 2048, 5 + 524288, HIGH + 1 }) do
        assert.equal("allow", decide(list, "socketpair", 1, type, 0))
      end
      for _, type in ipairs({ 0, 2, 3, 4, 6, 7, 9, 10, 13, 15, 2 + 2048, HIGH + 2 }) do
        assert.equal("EPERM", decide(list, "socketpair", 1, type, 0))
      end
      assert.equal("EPERM", decide(list, "socketpair", 2, 1, 0))
    end
    assert.equal("allow", decide(full, "socketpair", 1, 2, 0))
  end)

  it("knows three families under loopback", function()
    for _, family in ipairs({ 2, 10, 16 }) do
      assert.equal("allow", decide(loopback, "socket", family, 3, 0))
    end
    for family = 0, 50 do
      if family ~= 2 and family ~= 10 and family ~= 16 then
        assert.equal("EPERM", decide(loopback, "socket", family, 1, 0))
        assert.equal("EPERM", decide(loopback, "socket", HIGH + family, 1, 0))
      end
    end
    assert.equal("EPERM", decide(loopback, "socket", -1, 1, 0))
    assert.equal("EPERM", decide(loopback, "socket", 16, 3, 9)) -- audit
  end)

  it("lets libc fall back", function()
    for _, call in ipairs({ "clone3", "io_uring_setup", "userfaultfd", "keyctl", "add_key" }) do
      assert.equal("ENOSYS", decide(full, call))
    end
  end)

  it("refuses namespaces by clone and unshare, not threads and forks", function()
    for _, flag in ipairs({ 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000,
                            0x40000000 }) do
      assert.equal("EPERM", decide(full, "unshare", flag))
      assert.equal("EPERM", decide(full, "clone", flag + 17))
      assert.equal("EPERM", decide(full, "clone", HIGH + flag + 17))
    end
    assert.equal("EPERM", decide(full, "unshare", 0x80))
    assert.equal("allow", decide(full, "clone", 17))
    assert.equal("allow", decide(full, "clone", 0x3d0f00))
    assert.equal("allow", decide(full, "clone", 0x4111))
    assert.equal("allow", decide(full, "unshare", 0x400))
    assert.equal("EPERM", decide(full, "setns", 3, 0))
  end)

  it("compares the low half of an ioctl", function()
    for request, errno in pairs({ [0x5412] = "EPERM", [0x541c] = "EPERM",
                                  [0x40086602] = "EOPNOTSUPP", [0x401c5820] = "EOPNOTSUPP" }) do
      assert.equal(errno, decide(none, "ioctl", 0, request))
      assert.equal(errno, decide(none, "ioctl", 0, HIGH + request))
      assert.equal(errno, decide(none, "ioctl", 0, -HIGH + request))
    end
    assert.equal("allow", decide(none, "ioctl", 0, 0x5401))
    assert.equal("allow", decide(none, "ioctl", 0, 0x40049409)) -- FICLONE
  end)

  it("refuses attributes where files are restricted", function()
    for _, call in ipairs({ "setxattr", "fremovexattr", 463, 466, 469 }) do
      assert.equal("EOPNOTSUPP", decide(none, call))
    end
    assert.equal("allow", decide(syscalls.filter({ network = "none" }), "setxattr"))
  end)

  it("refuses generations and received subvolumes, by number", function()
    for _, request in ipairs({ 0x40086604, 0x40046604, 0xc0c89425 }) do
      assert.equal("EOPNOTSUPP", decide(none, "ioctl", 0, request))
      assert.equal("allow", decide(syscalls.filter({ network = "none" }), "ioctl", 0, request))
    end
  end)

  it("refuses leases where files are restricted, and no other fcntl", function()
    for _, command in ipairs({ 1024, HIGH + 1024 }) do
      assert.equal("EAGAIN", decide(none, "fcntl", 3, command))
      assert.equal("allow", decide(syscalls.filter({ network = "none" }), "fcntl", 3, command))
    end
    -- F_DUPFD, F_SETFL, F_SETLK, F_OFD_SETLK, F_GETLEASE, F_NOTIFY, F_DUPFD_CLOEXEC, F_ADD_SEALS
    for _, command in ipairs({ 0, 4, 6, 37, 1025, 1026, 1030, 1033 }) do
      assert.equal("allow", decide(none, "fcntl", 3, command))
    end
  end)

  it("closes truncation where Landlock can't", function()
    local old = syscalls.filter({ network = "none", fs = true, truncation = true, pidns = true })
    assert.equal("EACCES", decide(old, "truncate"))
    assert.equal("ENOSYS", decide(old, "openat2"))
    for _, flags in ipairs({ 512, 512 + 3, 512 + 64, 512 + 0x80000 + 3 }) do
      assert.equal("EACCES", decide(old, "openat", 0, 0, flags))
      assert.equal("EACCES", decide(old, "open", 0, flags))
    end
    for _, flags in ipairs({ 0, 1, 2, 3, 512 + 1, 512 + 2, 64 + 1 }) do
      assert.equal("allow", decide(old, "openat", 0, 0, flags))
    end
    assert.equal("allow", decide(none, "openat", 0, 0, 512))
  end)

  it("keeps off other processes where they can be named", function()
    local shared = syscalls.filter({ network = "none", fs = true })
    assert.equal("allow", decide(shared, "setpriority", 0, 0))
    assert.equal("EPERM", decide(shared, "setpriority", 2, 0)) -- PRIO_USER: all of the user's
    assert.equal("allow", decide(shared, "ioprio_set", 1, 0))
    assert.equal("EPERM", decide(shared, "ioprio_set", 3, 0))
    assert.equal("EPERM", decide(shared, "prlimit64", 7))
    assert.equal("allow", decide(shared, "prlimit64", 0))
    assert.equal("allow", decide(none, "prlimit64", 7))
    assert.equal("EPERM", decide(none, "prlimit64", 1))
    assert.equal("EPERM", decide(none, "prlimit64", HIGH + 1))
  end)

  it("refuses a second listener, not a filter", function()
    assert.equal("EPERM", decide(none, "seccomp", 1, 8))
    assert.equal("EPERM", decide(none, "seccomp", 1, 8 + 1))
    assert.equal("allow", decide(none, "seccomp", 1, 0))
  end)

  it("gives a list of its own", function()
    local wish = { network = "none" }
    local first = syscalls.filter(wish)
    local count = #first
    first[#first + 1] = { call = "getpid", errno = "EPERM" }
    assert.equal(count, #syscalls.filter(wish))
  end)

  it("takes a policy's own lists", function()
    local list, idle = syscalls.edit(none, { deny = { "chroot", 500 }, allow = { "bpf", "read" } })
    assert.equal("EPERM", decide(list, "chroot"))
    assert.equal("EPERM", decide(list, 500))
    assert.equal("allow", decide(list, "bpf"))
    assert.same({ "read" }, idle)
    list = syscalls.edit(none, { deny = { "unshare", "clone3" } })
    assert.equal("EPERM", decide(list, "unshare", 0)) -- also where the default rule lets it pass
    assert.equal("ENOSYS", decide(list, "clone3")) -- what libc falls back from
    for _, rule in ipairs(syscalls.edit(syscalls.filter({ network = "allow" }),
                                        { deny = { "connect" } })) do
      if rule.call == "connect" then assert.equal("EPERM", rule.errno) end
    end
    assert.equal("network", syscalls.rests_on("socket", { network = "none" }))
    assert.is_nil(syscalls.rests_on("socket", { network = "full" }))
  end)
end)
