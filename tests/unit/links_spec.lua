-- Links that a command could have made decide nothing, and a path of thousands of components costs
-- little.
local HERE = debug.getinfo(1, "S").source:match("^@(.*)/[^/]*$")
local fake = dofile(HERE .. "/fake.lua")
local links = require "sbx.links"
local policy = require "sbx.policy"

local TREE = {
  ["/tmp"] = "directory", ["/tmp/link"] = { link = "/home" }, ["/tmp/dir"] = "directory",
  ["/tmp/up"] = { link = "../home" }, ["/home"] = "directory", ["/home/w"] = "directory",
  ["/home/w/out"] = { link = "../other" }, ["/home/other"] = "directory",
  ["/home/other/sub"] = "directory", ["/home/w/real"] = "directory",
  ["/outer"] = { link = "/tmp/link" }, ["/fine"] = { link = "/home/w" },
  ["/home/w/socket"] = { type = "socket" }, ["/bin"] = { link = "home" },
}

local function asker(tree)
  local fs, count = fake.fs(tree), 0
  return function(question, path)
    count = count + 1
    return fs[question](path)
  end, function() return count end
end

local function plan(table_, more)
  local ctx = { cwd = "/home/w", env = {}, uid = 1000, probe = { landlock_abi = 7 },
                fs = fake.fs(TREE) }
  for name, value in pairs(more or {}) do ctx[name] = value end
  return policy.plan(table_, ctx)
end

local function refused(table_, more)
  local made, err = plan(table_, more)
  assert.is_nil(made)
  assert.equal("policy", err.kind)
  return err.message
end

local function write(fields)
  fields.mode = "workspace-write"
  return fields
end

describe("links.of", function()
  it("names each link by its real place, also those behind links", function()
    local ask = asker(TREE)
    assert.same({}, links.of(ask, "/home/w"))
    assert.same({ "/tmp/link" }, links.of(ask, "/tmp/link/w"))
    assert.same({ "/fine", "/home/w/out" }, links.of(ask, "/fine/out/sub"))
    assert.same({ "/home/w/out" }, links.of(ask, "/tmp/../home/w/out"))
    assert.same({ "/outer", "/tmp/link" }, links.of(ask, "/outer/w"))
    assert.same({ "/outer", "/tmp/link", "/home/w/out" }, links.of(ask, "/outer/w/out"))
    assert.same({ "/tmp/up", "/home/w/out" }, links.of(ask, "/tmp/up/w/out"))
  end)

  it("asks nothing more about a path without one", function()
    local ask, count = asker(TREE)
    links.of(ask, "/home/other/sub")
    assert.equal(1, count())
  end)
end)

describe("links.real_or_future", function()
  it("is the nearest parent that is there, and the rest", function()
    local ask = asker(TREE)
    local function of(path) return { links.real_or_future(ask, path) } end
    assert.same({ "/home/w", true }, of("/fine"))
    assert.same({ "/home/w/a/b", false }, of("/fine/a/b"))
    assert.same({ "/a/b", false }, of("/a/b"))
    assert.same({ "/home/other/x", false }, of("/fine/out/x"))
    assert.same({ "/", true }, of("/"))
  end)

  it("asks few questions about a long path", function()
    local ask, count = asker(TREE)
    local rest = ("/a"):rep(2000)
    assert.same({ "/home/w" .. rest, false }, { links.real_or_future(ask, "/fine" .. rest) })
    assert.is_true(count() < 16)
  end)
end)

describe("a link inside a writable root", function()
  it("decides no root", function()
    local message = refused(write({ writable_roots = { "out" } }))
    assert.matches("/home/w/out", message, 1, true)
    assert.matches("write \"/home/other\"", message, 1, true)
    refused(write({ writable_roots = { "out/sub" } }))
    refused({ mode = "read-only", writable_roots = { "/tmp", "/tmp/link/w" } })
    refused({ mode = "read-only", writable_roots = { "/tmp/link/w", "/tmp" } })
  end)

  it("decides neither cwd nor $TMPDIR", function()
    assert.matches("^cwd \"/tmp/link\".*write cwd = \"/home\"",
                   refused(write({}), { cwd = "/tmp/link" }))
    assert.matches("%$TMPDIR.*exclude_tmpdir_env_var", refused(write({}), { tmpdir = "/tmp/up" }))
    assert.truthy(plan(write({ exclude_tmpdir_env_var = true }), { tmpdir = "/tmp/up" }))
    assert.truthy(plan(write({ exclude_slash_tmp = true }), { cwd = "/tmp/link" }))
  end)

  it("decides nothing from behind a link outside", function()
    refused(write({}), { cwd = "/outer/w" })
    assert.truthy(plan(write({}), { cwd = "/fine" }))
  end)

  it("takes nothing away and lets nothing through", function()
    local lax = { allow_missing = { "protect", "read_deny", "unix_sockets" } }
    refused(write({ read_only = { "out" } }), lax)
    refused(write({ deny_read = { "out/sub" } }), lax)
    refused(write({ unix_sockets = { "/tmp/link/w/socket" } }), lax)
    refused(write({ readable = { "out" } }), lax)
    assert.truthy(plan(write({ read_only = { "/fine/real" } }), lax))
  end)

  it("is no matter where it lies outside, or is written as what it means", function()
    local made = assert(plan(write({ writable_roots = { "/fine/real", "/home/other" } })))
    assert.equal("/home/w/real", made.writable[3].path)
    assert.truthy(plan({ mode = "read-only", writable_roots = { "/fine" } }))
    assert.truthy(plan({ mode = "read-only", readable = { "/bin", "/tmp/link" } }))
  end)
end)

describe("a .git file", function()
  local function protected(text)
    local tree = {}
    for path, node in pairs(TREE) do tree[path] = node end
    tree["/home/w/.git"] = { text = text }
    local made = assert(plan(write({ exclude_slash_tmp = true }), { fs = fake.fs(tree) }))
    local target
    for _, entry in ipairs(made.protect) do target = entry.pointer and entry.path or target end
    local said = false
    for _, entry in ipairs(made.missing) do
      said = said or entry.reason:match("names no repository")
    end
    assert.equal("/home/w/.git", made.protect[1].path)
    return target, said ~= false
  end

  it("names a repository", function()
    local target, said = protected("gitdir: ../other/sub\n")
    assert.equal("/home/other/sub", target)
    assert.is_false(said)
  end)

  it("that is malformed is itself protected, and said", function()
    for _, text in ipairs({ "", "gitdir: /a\0b", "gitdir: " .. ("a/"):rep(2100), "nonsense" }) do
      local target, said = protected(text)
      assert.is_nil(target)
      assert.is_true(said)
    end
  end)
end)
