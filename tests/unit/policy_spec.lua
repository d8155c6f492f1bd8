-- Policy to plan in the landlock tier, without a kernel: the file system is a table, the machine
-- another. contained_spec.lua has the other tier.
local HERE = debug.getinfo(1, "S").source:match("^@(.*)/[^/]*$")
local fake = dofile(HERE .. "/fake.lua")
local policy = require "sbx.policy"

local TREE = {
  ["/tmp"] = "directory", ["/etc"] = "directory", ["/etc/hosts"] = { text = "" },
  ["/w"] = "directory", ["/w/.git"] = "directory", ["/w/sub"] = "directory",
  ["/w/file"] = { text = "x" }, ["/link"] = { link = "/w/sub" }, ["/ab"] = "directory",
  ["/a"] = "directory", ["/var"] = "directory", ["/var/tmp"] = "directory",
  ["/usr"] = "directory", ["/usr/bin"] = "directory", ["/bin"] = { link = "usr/bin" },
  ["/dev"] = "directory", ["/dev/null"] = { type = "char" }, ["/dev/tty"] = { type = "char" },
  ["/dev/shm"] = "directory", ["/run"] = "directory", ["/proc"] = "directory",
  ["/sys"] = "directory", ["/sys/fs"] = "directory", ["/mine"] = { type = "directory", uid = 0 },
  ["/tree"] = "directory", ["/tree/.git"] = { text = "gitdir: ../repo/worktrees/tree\n" },
  ["/repo"] = "directory", ["/repo/worktrees"] = "directory",
  ["/repo/worktrees/tree"] = "directory", ["/tree/../repo/worktrees/tree"] = "directory",
}

local function context(more)
  local ctx = {
    cwd = "/w", env = {}, home = "/home/u", uid = 1000, probe = { landlock_abi = 7 },
    fs = fake.fs(TREE), tier = "landlock",
  }
  for name, value in pairs(more or {}) do ctx[name] = value end
  return ctx
end

local function plan_of(table_, more) return assert(policy.plan(table_, context(more))) end

local function message_of(table_, more)
  local plan, err = policy.plan(table_, context(more))
  assert.is_nil(plan)
  return err.message, err
end

local function paths_of(list)
  local paths = {}
  for i, entry in ipairs(list) do paths[i] = entry.path end
  return paths
end

local function reason(list, property)
  for _, entry in ipairs(list) do
    if entry.property == property then return entry.reason end
  end
end

local function rule(alternative, path)
  for _, one in ipairs(alternative.engine.landlock.rules) do
    if one.path == path then return one.access end
  end
end

local function has(list, word)
  for _, entry in ipairs(list) do
    if entry == word then return true end
  end
  return false
end

local WORKSPACE = { mode = "workspace-write" }

describe("modes", function()
  it("read-only writes devices alone", function()
    local plan = plan_of({ mode = "read-only" })
    local engine = plan.alternatives[1].engine
    assert.same({}, plan.writable)
    assert.equal("linux-seccomp", plan.type)
    assert.equal(2, #engine.landlock.rules)
    assert.same({ "write_file", "truncate" }, rule(plan.alternatives[1], "/dev/null"))
    assert.same({ "write_file", "truncate", "ioctl_dev" }, rule(plan.alternatives[1], "/dev/tty"))
    assert.is_true(has(engine.landlock.fs, "write_file"))
    assert.is_false(has(engine.landlock.fs, "read_file"))
    assert.same({ CODEX_SANDBOX_NETWORK_DISABLED = "1", SBX_NETWORK_DISABLED = "1" }, plan.env)
  end)

  it("workspace-write adds cwd, /tmp and $TMPDIR", function()
    local function roots(table_, more) return paths_of(plan_of(table_, more).writable) end
    assert.same({ "/w", "/tmp" }, roots(WORKSPACE))
    assert.same({ "/w", "/tmp", "/var/tmp" }, roots(WORKSPACE, { tmpdir = "/var/tmp" }))
    assert.same({ "/w" }, roots({ mode = "workspace-write", exclude_slash_tmp = true,
                                  exclude_tmpdir_env_var = true }, { tmpdir = "/var/tmp" }))
    assert.same({ "/w", "/tmp" }, roots(WORKSPACE, { tmpdir = "/tmp" }))
  end)

  it("danger-full-access with full network is no sandbox", function()
    local plan = plan_of({ mode = "danger-full-access" }, { tier = "auto" })
    assert.equal("none", plan.type)
    assert.same({}, plan.env)
    assert.same({ { tier = "none", engine = { kill = "subreaper", namespaces = {} }, enforced = {},
                    missing = {} } }, plan.alternatives)
  end)

  it("danger-full-access without network is filters", function()
    local plan = plan_of({ mode = "danger-full-access", network = "none" })
    assert.equal("linux-seccomp", plan.type)
    assert.same({}, plan.alternatives[1].engine.landlock.rules)
    assert.same({}, plan.alternatives[1].engine.landlock.fs)
    assert.is_string(plan.alternatives[1].enforced.network)
    assert.is_nil(plan.alternatives[1].enforced.fs)
  end)

  it("sandbox = none runs the same policy without one, and says so in the environment", function()
    local plan = plan_of(WORKSPACE, { sandbox = "none", tier = "auto" })
    assert.equal("none", plan.type)
    assert.equal("1", plan.env.SBX_NETWORK_DISABLED)
  end)

  it("plans from almost nothing", function()
    assert.equal("linux-seccomp", assert(policy.plan({}, {})).type)
    assert.equal("linux-seccomp", assert(policy.plan(WORKSPACE, { cwd = "/w" })).type)
  end)
end)

describe("writable roots", function()
  local function with(...) return { mode = "read-only", writable_roots = { ... } } end

  it("are real paths, each once", function()
    assert.same({ "/w/sub" }, paths_of(plan_of(with("/link", "/w/sub", "sub")).writable))
  end)

  it("may be a file, with a file's rights", function()
    local plan = plan_of(with("/w/file"))
    assert.same({ "write_file", "truncate" }, rule(plan.alternatives[1], "/w/file"))
    assert.is_string(plan.alternatives[1].enforced.protect)
  end)

  it("give no device nodes", function()
    local access = rule(plan_of(WORKSPACE).alternatives[1], "/w")
    for _, right in ipairs({ "make_char", "make_block", "ioctl_dev" }) do
      assert.is_false(has(access, right))
    end
    for _, right in ipairs({ "make_reg", "refer", "make_sock", "remove_dir" }) do
      assert.is_true(has(access, right))
    end
  end)

  it("are skipped and said when missing or unset", function()
    local plan = plan_of(with("/nope", "${env:NOPE}/x", "/w"))
    assert.same({ "/w" }, paths_of(plan.writable))
    assert.equal(2, #plan.missing)
    assert.matches("/nope", plan.missing[1].reason, 1, true)
    assert.equal("writable_root", plan.missing[2].property)
  end)

  it("are never the whole system", function()
    for _, path in ipairs({ "/", "/proc", "/sys", "/sys/fs", "/dev", "/run", "/dev/tty" }) do
      assert.matches("can't be a writable root", message_of(with(path)), 1, true)
    end
    assert.same({ "/dev/shm" }, paths_of(plan_of(with("/dev/shm")).writable))
    assert.matches("cwd", (message_of(WORKSPACE, { cwd = "/" })))
  end)

  it("are never taken away whole: what is mounted over / is above nobody who has it", function()
    assert.matches("mode = \"read-only\"", message_of({ mode = "danger-full-access",
                                                        read_only = { "/" } }), 1, true)
    assert.is_truthy(plan_of({ mode = "workspace-write", read_only = { "/" } }))
    for _, mode in ipairs({ "workspace-write", "danger-full-access" }) do
      assert.matches("readable", message_of({ mode = mode, deny_read = { "/" } }), 1, true)
    end
    assert.is_truthy(plan_of({ mode = "read-only", deny_read = { "/" }, readable = { "/a" } }))
  end)

  it("take no globs", function()
    assert.matches("globs", (message_of(with("/w/*"))))
  end)

  it("lose to read-only and denied at the same path", function()
    local plan = plan_of({ mode = "read-only", writable_roots = { "/a", "/ab" },
                           read_only = { "/a" } })
    assert.same({ "/ab" }, paths_of(plan.writable))
  end)
end)

describe("rules that the tier can't hold", function()
  it("are errors that name the entry", function()
    for entry, wrong in pairs({
      ["/w/sub"] = { mode = "workspace-write", read_only = { "/w/sub" } },
      ["/etc/hosts"] = { mode = "read-only", deny_read = { "/etc/hosts" } },
      [".vscode"] = { mode = "workspace-write", protect = { ".vscode" } },
      ["/tmp"] = { mode = "read-only", unix_sockets = { "/tmp" }, network = "loopback" },
      ["h.example:80"] = { mode = "read-only", network = { allow = { "h.example:80" } } },
      ["private_tmp"] = { mode = "read-only", private_tmp = true },
      ["metadata"] = { mode = "read-only", require = { "metadata" } },
    }) do
      local message, err = message_of(wrong)
      assert.equal("policy", err.kind)
      assert.matches(entry, message, 1, true)
    end
  end)

  it("are said where they may be missing", function()
    local plan = plan_of({ mode = "workspace-write", read_only = { "/w/sub" } },
                         { allow_missing = { "protect" } })
    assert.matches("/w/sub", reason(plan.alternatives[1].missing, "protect"), 1, true)
    plan = plan_of({ mode = "read-only", deny_read = { "/etc/hosts" } },
                   { allow_missing = { "read_deny" } })
    assert.matches("/etc/hosts", reason(plan.alternatives[1].missing, "read_deny"), 1, true)
  end)

  it("don't hide what may be missing from require", function()
    plan_of(WORKSPACE, { require = { "protect", "fs" }, allow_missing = { "protect" } })
    assert.matches("protect", (message_of(WORKSPACE, { require = { "protect", "fs" } })))
  end)

  it("match nothing: said", function()
    local plan = plan_of({ mode = "read-only", deny_read = { "/nope" } })
    assert.matches("/nope", reason(plan.missing, "policy_entry"), 1, true)
  end)
end)

describe("reading", function()
  it("is what readable lists, writable roots and devices", function()
    local plan = plan_of({ mode = "read-only", writable_roots = { "/w" },
                           readable = { "${platform}", "/etc/hosts" }, deny_read = { "/ab" } })
    local first = plan.alternatives[1]
    assert.is_true(has(first.engine.landlock.fs, "read_file"))
    assert.same({ "execute", "read_file", "read_dir" }, rule(first, "/usr"))
    assert.is_nil(rule(first, "/usr/bin"))
    assert.same({ "execute", "read_file" }, rule(first, "/etc/hosts"))
    assert.is_true(has(rule(first, "/w"), "read_dir"))
    assert.is_true(has(rule(first, "/dev/null"), "read_file"))
    assert.is_nil(rule(first, "/ab"))
    assert.is_string(first.enforced.read_deny)
  end)

  it("is nothing with an empty list", function()
    local plan = plan_of({ mode = "read-only", readable = {} })
    assert.same({}, plan.readable)
    assert.is_true(has(plan.alternatives[1].engine.landlock.fs, "execute"))
  end)

  it("is refused where deny covers the same path, not where it lies inside", function()
    local plan = plan_of({ mode = "read-only", readable = { "/a", "/w" }, deny_read = { "/a" } })
    assert.same({ "/w" }, paths_of(plan.readable))
    assert.matches("/w/sub", (message_of({ mode = "read-only", readable = { "/w" },
                                           deny_read = { "/w/sub" } })), 1, true)
  end)
end)

describe("protected names", function()
  it("are looked for at the top of each root and of cwd", function()
    local plan = plan_of({ mode = "read-only", writable_roots = { "/w" } }, { cwd = "/w/sub" })
    local found = paths_of(plan.protect)
    for _, path in ipairs({ "/w/.git", "/w/.codex", "/w/sub/.git", "/w/sub/.agents" }) do
      assert.is_true(has(found, path))
    end
    assert.is_true(plan.protect[1].exists)
  end)

  it("follow a .git file", function()
    local plan = plan_of(WORKSPACE, { cwd = "/tree" })
    local found = false
    for _, entry in ipairs(plan.protect) do found = found or entry.pointer == "/tree/.git" end
    assert.is_true(found)
  end)

  it("are declared as not held", function()
    assert.matches(".git", reason(plan_of(WORKSPACE).alternatives[1].missing, "protect"), 1, true)
  end)
end)

describe("alternatives", function()
  local function ways(more, table_)
    local list = {}
    for i, one in ipairs(plan_of(table_ or WORKSPACE, more).alternatives) do
      local spaces = one.engine.namespaces
      list[i] = one.engine.kill .. (spaces.user and "+user" or "") .. (spaces.net and "+net" or "")
    end
    return list
  end

  it("come strongest first", function()
    assert.same({ "pidns+user", "subreaper" }, ways())
    assert.same({ "pidns", "pidns+user", "subreaper" }, ways({ uid = 0 }, { mode = "read-only" }))
    -- root over what is another's keeps its power over files, best where it ends at a namespace
    assert.same({ "pidns+user", "pidns", "subreaper" }, ways({ uid = 0 }))
    assert.same({ "pidns+user", "cgroup", "subreaper" },
                ways({ probe = { landlock_abi = 7, cgroup = "/sys/fs/cgroup/u" } }))
  end)

  it("need a network namespace under loopback", function()
    local loopback = { mode = "read-only", network = "loopback" }
    assert.same({ "pidns+user+net" }, ways({}, loopback))
    assert.same({ "pidns+net", "pidns+user+net" }, ways({ uid = 0 }, loopback))
    assert.is_true(plan_of(loopback).alternatives[1].engine.loopback)
  end)

  it("are left out where they lack what is required", function()
    assert.same({ "pidns+user" }, ways({ require = { "kill_tree" } }))
  end)

  it("say what they hold and what not", function()
    local plan = plan_of(WORKSPACE)
    local first, last = plan.alternatives[1], plan.alternatives[2]
    for _, property in ipairs({ "fs", "network", "unix_sockets", "kill_tree" }) do
      assert.is_string(first.enforced[property])
    end
    for _, property in ipairs({ "metadata", "protect", "hard_links" }) do
      assert.is_string(reason(first.missing, property))
    end
    assert.is_string(reason(last.missing, "kill_tree"))
    assert.is_nil(last.enforced.kill_tree)
  end)

  it("name only properties of the interface as missing", function()
    local known = { writable_root = true, policy_entry = true, watch = true, hard_links = true }
    for _, name in ipairs(require("sbx.fields").PROPERTIES) do known[name] = true end
    for abi = 1, 7 do
      for _, mode in ipairs({ "read-only", "workspace-write", "danger-full-access" }) do
        local plan = plan_of({ mode = mode, network = "none" }, { probe = { landlock_abi = abi } })
        for _, one in ipairs(plan.alternatives) do
          for _, entry in ipairs(one.missing) do assert.is_true(known[entry.property]) end
        end
      end
    end
  end)

  it("are none under a tier that has no sandbox to make", function()
    local free = { mode = "danger-full-access" }
    assert.equal("none", plan_of(free, { tier = "auto" }).type)
    assert.error_matches(function() policy.plan(free, context({ tier = "landlock" })) end,
                         'tier = "landlock" says nothing without a sandbox')
    assert.error_matches(function()
      policy.plan({ mode = "read-only", tier = "landlock" }, context({ sandbox = "none" }))
    end, "says nothing without a sandbox")
    assert.equal("linux-seccomp", plan_of({ mode = "danger-full-access", network = "none" },
                                          { tier = "landlock" }).type)
  end)

  it("give root over another's workspace three capabilities, else none", function()
    local plan = plan_of(WORKSPACE, { uid = 0 })
    assert.same({ "dac_override", "fowner", "chown" }, plan.alternatives[1].engine.capabilities)
    -- a user namespace with one id would give no power over another's files
    assert.equal("all", plan.alternatives[1].engine.id_map)
    assert.is_nil(plan.alternatives[2].engine.namespaces.user)
    plan = plan_of({ mode = "read-only", writable_roots = { "/mine" } }, { uid = 0 })
    assert.same({}, plan.alternatives[1].engine.capabilities)
    assert.equal("self", plan.alternatives[2].engine.id_map)
  end)
end)

describe("older kernels", function()
  local function first(abi, table_)
    return plan_of(table_ or WORKSPACE, { probe = { landlock_abi = abi } }).alternatives[1]
  end

  it("are given no right that they lack", function()
    local since = { refer = 2, truncate = 3, ioctl_dev = 5 }
    for abi = 1, 9 do
      local rules = first(abi).engine.landlock
      assert.equal(math.min(abi, 7), rules.abi)
      for right, from in pairs(since) do assert.equal(abi >= from, has(rules.fs, right)) end
      assert.equal(abi >= 4, #rules.net > 0)
      assert.equal(abi >= 6, #rules.scope > 0)
    end
  end)

  it("hold fs by the filter where truncation isn't known", function()
    local function refuses(abi)
      for _, one in ipairs(first(abi).engine.seccomp) do
        if one.call == "truncate" then return true end
      end
      return false
    end
    assert.is_true(refuses(2))
    assert.is_false(refuses(3))
    assert.matches("seccomp", first(2).enforced.fs, 1, true)
    local said = {}
    for i, entry in ipairs(first(2).missing) do said[i] = entry.reason end
    assert.matches("before ABI 3", table.concat(said, "\n"), 1, true)
    assert.matches("ioctl", reason(first(4).missing, "metadata") .. first(4).missing[5].reason)
  end)

  it("refuse to run without Landlock, but for full access", function()
    local _, err = message_of(WORKSPACE, { probe = { landlock_abi = 0 } })
    assert.equal("sandbox", err.kind)
    assert.equal("landlock", err.step)
    local danger = first(0, { mode = "danger-full-access", network = "none" })
    assert.is_nil(danger.engine.landlock)
  end)
end)

describe("the network", function()
  it("has no scope for abstract sockets when it is full", function()
    local function scope(network)
      local plan = plan_of({ mode = "read-only", network = network })
      return plan.alternatives[1].engine.landlock.scope
    end
    assert.same({ "signal" }, scope("full"))
    assert.same({ "abstract_unix_socket", "signal" }, scope("none"))
    assert.same({ "abstract_unix_socket", "signal" }, scope("loopback"))
  end)

  it("is none with no address allowed", function()
    assert.equal("none", plan_of({ mode = "read-only", network = { allow = {} } }).network)
  end)

  it("isn't opened by a call that is let through", function()
    assert.matches("socket", (message_of({ mode = "read-only",
                                           syscalls = { allow = { "socket" } } })), 1, true)
  end)
end)

describe("misuse", function()
  it("throws for an unknown field", function()
    assert.has_error(function() policy.plan({ mod = "read-only" }, context()) end)
  end)
end)
