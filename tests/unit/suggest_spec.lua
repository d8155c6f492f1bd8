-- The narrowest grant for each refusal, what is never offered, and policies made wider.
local learning = require "sbx.learning"
local sensitive = require "sbx.sensitive"
local suggest = require "sbx.suggest"
local widen = require "sbx.widen"

local there = {
  ["/"] = true, ["/w"] = true, ["/w/file"] = true, ["/w/dir"] = true, ["/home/u"] = true,
  ["/home/u/.bashrc"] = true, ["/home/u/.cargo/registry"] = true, ["/etc"] = true,
  ["/etc/hosts"] = true, ["/home/u/project"] = true, ["/proc"] = true, ["/tmp"] = true,
}

local function context(plan, more)
  local ctx = {
    policy = { protect = { ".git" } }, plan = plan or { network = "none", protect = {} },
    home = "/home/u", own = { "/opt/sbx" }, stat = function(path) return there[path] end,
  }
  for name, value in pairs(more or {}) do ctx[name] = value end
  return ctx
end

local function grant(entry, ctx) return suggest.grant(ctx or context(), entry) end

describe("the narrowest grant", function()
  it("is the file itself where that is there, else its directory, or the nearest", function()
    assert.same({ field = "writable_roots", value = "/w/file" },
                grant({ operation = "write", path = "/w/file" }))
    assert.same({ field = "writable_roots", value = "/w" },
                grant({ operation = "create", path = "/w/new" }))
    assert.same({ field = "writable_roots", value = "/w/dir" },
                grant({ operation = "create", path = "/w/dir/a/b/c" }))
    assert.same({ field = "writable_roots", value = "/w" },
                grant({ operation = "delete", path = "/w/dir" }))
  end)

  it("says what is sensitive", function()
    assert.matches("dotfiles", grant({ operation = "write", path = "/home/u/.bashrc" }).sensitive)
    assert.matches("home", grant({ operation = "create", path = "/home/u/new" }).sensitive)
    assert.matches("system", grant({ operation = "create", path = "/etc/new" }).sensitive)
    assert.is_nil(grant({ operation = "create", path = "/home/u/project/x" }).sensitive)
    assert.is_nil(grant({ operation = "create",
                          path = "/home/u/.cargo/registry/x" }).sensitive)
  end)

  it("is none for what is protected, refused by name, or no root", function()
    for _, entry in ipairs({
      { operation = "create", path = "/w/.git/hooks/x" },
      { operation = "create", path = "/x" }, { operation = "write", path = "/proc/1/mem" },
      { operation = "create", path = "/w/a", rule = "p.lua:3: read_only \"w\"" },
      { operation = "read", path = "/w/a", rule = "p.lua:3: deny_read \"w\"" },
      { operation = "create", path = "/w/a", rule = "default: sbxlua's own" },
      { operation = "other", syscall = "bpf" }, { operation = "create", path = "/w/*" },
      { operation = "socket", family = "netlink" }, { operation = "socket", family = "unix" },
      { operation = "bind", address = "unix:/w/s" }, { operation = "read", path = "/new" },
    }) do
      local found = grant(entry)
      assert.is_nil(found.field, entry.path)
      assert.is_string(found.never)
    end
  end)

  it("says so of what lies above something sensitive, and of a home by its other name", function()
    local ctx = context(nil, { home = "/srv/data/me", real_home = "/mnt/me", runtime = "/w/rt" })
    for path, word in pairs({ ["/srv/data"] = "home", ["/srv/data/me/.bashrc"] = "dotfiles",
                              ["/mnt/me/.bashrc"] = "dotfiles", ["/var"] = "system",
                              ["/var/mail/u"] = "system", ["/run/x"] = "system",
                              ["/run/user/7/x"] = "system", ["/nix"] = "system",
                              ["/w/rt/bus"] = "runtime", ["/w/.envrc"] = "shells",
                              ["/w/.vscode/tasks.json"] = "shells", ["/w/.env"] = "keys",
                              ["/w/deploy_key"] = "keys", ["/w/x_ed25519"] = "keys",
                              ["/"] = "home", ["/opt"] = "all of",
                              ["/home/me/.gem/credentials"] = "dotfiles" }) do
      assert.matches(word, sensitive.path(path, ctx), path)
    end
    for _, path in ipairs({ "/var/tmp", "/tmp", "/work", "/srv/other", "/opt/tool", "/var/tmp/x",
                             "/var/home/u/project/x" }) do
      assert.is_nil(sensitive.path(path, ctx), path)
    end
    assert.is_string(sensitive.socket("/tmp/tmux-0/default", ctx))
    assert.is_nil(sensitive.socket("/work/my.sock", ctx))
  end)

  it("is none for a protected name, and says which field of a policy decides on it", function()
    local rule = "policies/workspace-write.lua:7: protect \".git\""
    local entry = { operation = "create", path = "/w/.git/index.lock", rule = rule }
    local ctx = context()
    ctx.policy = { protect = { ".git", ".codex" } }
    local words = ".git is protected; only a policy decides on that, and gives it with"
      .. " protect = {replace = {\".codex\"}}"
    assert.equal(words, grant(entry, ctx).never)
    assert.equal(words, grant({ operation = "create", path = "/w/.git" }, ctx).never)
    assert.matches("with protect = {replace = {\".codex\", \".agents\"}}$",
                   grant(entry, context(nil, { policy = {} })).never)
  end)

  it("of a move is the place that it leads to, and none between writable ones", function()
    local entry = { operation = "rename", path = "/w/a", target = "/x/a", errno = "EXDEV" }
    assert.same({ field = "writable_roots", value = "/w" }, grant(entry))
    assert.is_string(grant(entry, context({ network = "none", protect = {},
                                            writable = { { path = "/w" } } })).never)
  end)

  it("of a file without a name is its directory", function()
    local stat = function(path) return there[path] and { type = "directory" } end
    assert.same({ field = "writable_roots", value = "/w/dir" },
                grant({ operation = "create", path = "/w/dir" }, context(nil, { stat = stat })))
  end)

  it("of reading is never everything", function()
    local plan = { network = "none", protect = {}, readable = { { path = "/usr" } } }
    assert.equal("/w/file", grant({ operation = "read", path = "/w/file" }, context(plan)).value)
    assert.is_string(grant({ operation = "read", path = "/" }, context(plan)).never)
    assert.is_string(grant({ operation = "read", path = "/w/file",
                             rule = "p.lua:3: deny_read \"w\"" }, context(plan)).never)
  end)

  it("of an address is that address where it can be held, else the whole network", function()
    local entry = { operation = "connect", address = "127.0.0.1:5432" }
    local whole = { field = "network", value = "full", sensitive = sensitive.WHOLE_NETWORK }
    assert.same(whole, grant(entry))
    local ctx = context(nil, { allows = function() return true end })
    assert.same({ field = "network", value = { allow = { "127.0.0.1:5432" } } }, grant(entry, ctx))
    assert.same(whole, grant({ operation = "connect", address = "8.8.8.8:53" }, ctx))
    assert.same(whole, grant({ operation = "socket", family = "inet" }, ctx))
    assert.same({ field = "network", value = "loopback" },
                grant({ operation = "bind", address = "127.0.0.1:0" }, ctx))
    for _, plan in ipairs({ { network = "loopback" }, { network = { allow = {} } } }) do
      local other = context(plan, { allows = ctx.allows })
      local one = type(plan.network) == "table" and { operation = "bind", address = "[::]:80" }
      assert.same(whole, grant(one or entry, other))
    end
  end)

  it("of an address says where one may not go by the way", function()
    local ctx = context(nil, { allows = function() return true end })
    for _, address in ipairs({
      "169.254.169.254:80", "[fe80::1]:80", "[::ffff:169.254.169.254]:80", "[fd00:ec2::254]:80",
      "127.0.0.1:2375", "10.0.0.1:6443", "10.0.0.1:10250", "[::1]:2379",
    }) do
      local found = grant({ operation = "connect", address = address }, ctx)
      assert.same({ allow = { address } }, found.value)
      assert.is_string(found.sensitive, address)
    end
    for _, address in ipairs({ "169.253.0.1:80", "[fec0::1]:80", "127.0.0.1:23750" }) do
      assert.is_nil(grant({ operation = "connect", address = address }, ctx).sensitive, address)
    end
  end)

  it("of a socket is its path; of a service's that is said", function()
    assert.same({ field = "unix_sockets", value = "/w/s" },
                grant({ operation = "connect", address = "unix:/w/s" }))
    for _, path in ipairs({ "/run/docker.sock", "/tmp/.X11-unix/X0", "/w/docker.sock" }) do
      assert.is_string(grant({ operation = "connect", address = "unix:" .. path }).sensitive, path)
    end
    assert.is_string(grant({ operation = "connect", address = "unix:@name" }).never)
  end)
end)

describe("grants together", function()
  local function fields(list, plan, too)
    return suggest.fields(context(plan), list, too)
  end

  local function root(path, words)
    return { field = "writable_roots", value = path, sensitive = words }
  end

  it("are one entry where they lie in one directory, more than three", function()
    assert.same({ writable_roots = { "/w/d/a", "/w/d/b", "/w/d/c" } },
                fields({ root("/w/d/a"), root("/w/d/b"), root("/w/d/c"), root("/w/d/a") }))
    assert.same({ writable_roots = { "/w/d" } },
                fields({ root("/w/d/a"), root("/w/d/b"), root("/w/d/c"), root("/w/d/e") }))
    assert.same({ writable_roots = { "/w" } }, fields({ root("/w/d/a"), root("/w") }))
  end)

  it("never become a home, or the top", function()
    local list = {}
    for _, name in ipairs({ "a", "b", "c", "d" }) do list[#list + 1] = root("/home/u/" .. name) end
    assert.equal(4, #fields(list).writable_roots)
    list = {}
    for _, name in ipairs({ "a", "b", "c", "d" }) do list[#list + 1] = root("/" .. name) end
    assert.equal(4, #fields(list).writable_roots)
  end)

  it("leave out what is sensitive, unless that is wanted", function()
    assert.is_nil(fields({ root("/etc", "files") }))
    assert.same({ writable_roots = { "/etc" } }, fields({ root("/etc", "files") }, nil, true))
  end)

  it("join networks", function()
    local function net(value) return { field = "network", value = value } end
    assert.same({ allow = { "a:1", "b:2" } },
                fields({ net({ allow = { "a:1" } }), net({ allow = { "b:2" } }) }).network)
    local both = { net({ allow = { "a:1" } }), net("loopback") }
    assert.same({ allow = { "a:1" } }, fields(both).network)
    assert.equal("full", fields(both, nil, true).network)
    assert.is_nil(fields({ net("full"), { field = "unix_sockets", value = "/s" } }).unix_sockets)
  end)
end)

describe("of refusals that something else stands for, the grant", function()
  local function allows() return true end

  local function suggested(list, more)
    local ctx = context(nil, more or { allows = allows })
    for i, entry in ipairs(list) do
      entry.pid, entry.seq, entry.last = entry.pid or 3, entry.seq or i, entry.last or i
    end
    local policy = suggest.policy(ctx, "read-only", list)
    return policy and (policy.network or policy.writable_roots), list
  end

  local function connect() return { operation = "connect", address = "127.0.0.1:8123" } end
  local function datagram() return { operation = "socket", family = "inet", kind = "dgram" } end
  local function bind(address) return { operation = "bind", address = address } end

  it("is not asked for: a look for IPv6, sorting of addresses", function()
    assert.same({ allow = { "127.0.0.1:8123" } }, suggested({ bind("[::1]:0"), connect() }))
    assert.same({ allow = { "127.0.0.1:8123" } }, suggested({ datagram(), connect() }))
    assert.equal("loopback", suggested({ datagram(), bind("[::]:8765") }))
  end)

  it("is asked for where another process or an earlier refusal has the narrower one", function()
    local other = connect()
    other.pid = 4
    assert.equal("loopback", suggested({ bind("[::1]:0"), other }))
    local found, list = suggested({ connect(), bind("[::1]:0") })
    assert.same({ allow = { "127.0.0.1:8123" } }, found)
    assert.is_nil(list[2].grant.instead)
  end)

  it("of the whole network is for approval alone, where nothing less helps", function()
    local function why(entry)
      entry.cause = true
      return entry
    end
    assert.equal("full", suggested({ why(datagram()) }))
    assert.equal("full", suggested({ datagram() }))
    assert.same({ allow = { "127.0.0.1:8123" } }, suggested({ why(datagram()), connect() }))
    assert.same({ "/w" }, suggested({ datagram(), why({ operation = "create", path = "/w/x" }) }))
    local found, list = suggested({ datagram(), { operation = "create", path = "/w/x" } })
    assert.same({ "/w" }, found)
    assert.equal(sensitive.WHOLE_NETWORK, list[1].grant.sensitive)
  end)

  it("of a list of addresses and a loopback is the one that counts", function()
    local found, list = suggested({ bind("127.0.0.1:80"), connect() })
    assert.equal("loopback", found)
    assert.equal("full", list[2].grant.value)
  end)

  it("is the first place for temporary files", function()
    local function create(path) return { operation = "create", path = path } end
    there["/var/tmp"] = true
    assert.same({ "/tmp" }, suggested({ create("/tmp/3yeriilc"), create("/var/tmp/mu_8fd4d"),
                                        create("/w/mpb9g95j") }, { cwd = "/w" }))
    assert.same({ "/tmp", "/var/tmp" },
                suggested({ create("/tmp/name"), create("/var/tmp/name") }))
    there["/var/tmp"] = nil
  end)
end)

describe("a policy made wider", function()
  it("extends a name, and appends to a table of its own", function()
    assert.same({ extends = "read-only", writable_roots = { "/a" } },
                widen.policy("read-only", { writable_roots = { "/a" } }))
    local before = { extends = "x", writable_roots = { "/a" }, network_access = false }
    assert.same({ extends = "x", writable_roots = { "/a", "/b" }, network = "full" },
                widen.policy(before, { writable_roots = { "/a", "/b" }, network = "full" }))
    assert.same({ "/a" }, before.writable_roots)
  end)

  it("keeps replace, and joins addresses", function()
    local wide = widen.policy({ writable_roots = { replace = { "/a" } },
                                network = { allow = { "a:1" } } },
                              { writable_roots = { "/b" }, network = { allow = { "b:1" } } })
    assert.same({ replace = { "/a", "/b" } }, wide.writable_roots)
    assert.same({ allow = { "a:1", "b:1" } }, wide.network)
  end)

  it("is what sbx.grant gives; nothing changes in what it was given", function()
    local opts = { "ls", policy = "workspace-write" }
    local wide = widen.opts(opts, { extends = "workspace-write", writable_roots = { "/a" } })
    assert.same({ extends = "workspace-write", writable_roots = { "/a" } }, wide.policy)
    assert.equal("ls", wide[1])
    assert.equal("workspace-write", opts.policy)
    assert.same(opts, widen.opts(opts, nil))
    assert.has_error(function() widen.opts(opts, { nonsense = 1 }) end)
    assert.has_error(function() widen.opts(nil) end)
  end)
end)

describe("learning", function()
  -- A command that needs `needs`, in this order; refused one after another.
  local function world(needs)
    return function(policy)
      local has = {}
      for _, path in ipairs(type(policy) == "table" and policy.writable_roots or {}) do
        has[path] = true
      end
      for _, path in ipairs(needs) do
        if not has[path] then
          local words = sensitive.path(path, { home = "/home/u" })
          local entry = { operation = "create", path = path .. "/x", pid = 3, cause = true,
                          grant = { field = "writable_roots", value = path, sensitive = words } }
          return { exit_code = 1, status = "denied", denial = { evidence = { entry } } },
            { kind = "denied" }, context()
        end
      end
      return { exit_code = 0, status = "ok", denial = { evidence = {} } }, nil, context()
    end
  end

  local choice = { is_optional = function() return false end }

  it("goes on until it passes", function()
    local found = learning.learn("read-only", world({ "/w/a", "/w/b" }), choice)
    assert.is_true(found.passed)
    assert.equal(3, found.runs)
    assert.same({ extends = "read-only", writable_roots = { "/w/a", "/w/b" } }, found.policy)
  end)

  it("stops at what is sensitive, unless that is wanted", function()
    local found = learning.learn("read-only", world({ "/w/a", "/etc" }), choice)
    assert.is_false(found.passed)
    assert.equal("/etc/x", found.left[1].entry.path)
    assert.same({ "/w/a" }, found.policy.writable_roots)
    found = learning.learn("read-only", world({ "/w/a", "/etc" }),
                           { sensitive_too = true, is_optional = choice.is_optional })
    assert.is_true(found.passed)
  end)

  it("ends at its bound", function()
    local needs = {}
    for i = 1, 30 do needs[i] = "/w" .. i .. "/d" end
    local found = learning.learn("read-only", world(needs), choice)
    assert.is_false(found.passed)
    assert.equal(learning.MOST_RUNS, found.runs)
  end)

  it("takes back what was tried without a cause and didn't help", function()
    local function run()
      return { exit_code = 1, status = "failed", denial = { evidence = { {
        operation = "create", path = "/w/x", pid = 3,
        grant = { field = "writable_roots", value = "/w" },
      } } } }, nil, context()
    end
    local found = learning.learn("read-only", run, choice)
    assert.is_false(found.passed)
    assert.equal(2, found.runs)
    assert.equal("read-only", found.policy)
  end)
end)
