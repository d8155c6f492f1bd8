-- What is sensitive below a directory that is granted for writing.
local below = require "sbx.below"
local learning = require "sbx.learning"
local suggest = require "sbx.suggest"
local there = require "sbx.there"

-- A tree from the paths of its files; "-> /path" behind one makes it a link.
local function tree(files)
  local types, names = { ["/"] = "directory" }, {}
  local function add(path, kind)
    if types[path] then return end
    types[path] = kind
    local parent, name = path:match("^(.*)/([^/]+)$")
    parent = parent == "" and "/" or parent
    add(parent, "directory")
    names[parent] = names[parent] or {}
    table.insert(names[parent], name)
  end
  local links = {}
  for _, file in ipairs(files) do
    local path, target = file:match("^(%S+) %-> (%S+)$")
    links[path or file] = target
    add(path or file, target and "link" or file:find("/$") and "directory" or "file")
  end
  return types, names, links
end

local function context(files, more)
  local types, names, links = tree(files)
  local ctx = {
    policy = {}, plan = { network = "none" }, home = "/home/u", contained = true,
    stat = function(path) return types[path] and { type = types[path] } end,
    realpath = function(path) return links[path] or path end,
    list = function(path) return names[path] end,
  }
  ctx.lstat = ctx.stat
  for name, value in pairs(more or {}) do ctx[name] = value end
  return ctx
end

local FILES = {
  "/d/note", "/d/repo/.git/config", "/d/bob/.ssh/id", "/d/server.pem", "/d/.git/config",
  "/d/a/b/c/deep.pem", "/d/l.key -> /d/a/real", "/d/out.key -> /etc/x",
}
local KEPT = { "/d/a/real", "/d/bob/.ssh", "/d/repo/.git", "/d/server.pem" }

local function create(path) return { operation = "create", path = path, pid = 3, cause = true } end

describe("below a directory that is granted", function()
  it("is kept read-only what is sensitive, three levels down", function()
    local policy = suggest.policy(context(FILES), "read-only", { create("/d/new") })
    assert.same({ extends = "read-only", writable_roots = { "/d" }, read_only = KEPT }, policy)
  end)

  it("is named in the grant", function()
    assert.equal("/d/a/real", suggest.grant(context(FILES), create("/d/new")).holds)
    assert.is_nil(suggest.grant(context({ "/d/x" }), create("/d/new")).holds)
  end)

  it("makes the grant sensitive where nothing can be kept", function()
    local grant = suggest.grant(context(FILES, { contained = false }), create("/d/new"))
    assert.equal("it holds /d/a/real", grant.sensitive)
    -- no entry of a policy is written so
    grant = suggest.grant(context({ "/d/[slug]/.env" }), create("/d/new"))
    assert.equal("it holds /d/[slug]/.env", grant.sensitive)
    local many = {}
    for i = 1, below.MOST_FOUND + 1 do many[i] = "/d/" .. i .. ".pem" end
    assert.matches("^it holds /d/", suggest.grant(context(many), create("/d/new")).sensitive)
  end)

  it("is no business of a policy that takes the name out of protect", function()
    for _, policy in ipairs({
      { protect = {} }, { protect = { ".codex" }, widened = { { field = "protect" } } },
    }) do
      local ctx = context({ "/d/.git/config", "/d/repo/.git/config" }, { policy = policy })
      assert.same({}, below.look(ctx, "/d").paths)
    end
    local ctx = context({ "/d/.git/config" }, { policy = { protect = { ".vscode" } } })
    assert.same({ "/d/.git" }, below.look(ctx, "/d").paths)
  end)

  it("is nobody's to keep where everybody writes", function()
    local ctx = context({ "/tmp/x/.git/config" }, { contained = false })
    assert.same({ field = "writable_roots", value = "/tmp" }, suggest.grant(ctx, create("/tmp/n")))
  end)

  it("is nothing new what can be written already, or is kept", function()
    local plan = { writable = { { path = "/d/repo" } }, read_only = { { path = "/d/bob" } } }
    assert.same({ "/d/a/real", "/d/server.pem" }, below.look(context(FILES, { plan = plan }),
                                                             "/d").paths)
  end)

  it("is looked at no further than a bound, and that is said", function()
    local files, asked = {}, 0
    for i = 1, below.MOST_NAMES + 500 do files[i] = "/d/f" .. i end
    local ctx = context(files)
    local lstat = ctx.lstat
    ctx.lstat = function(path)
      asked = asked + 1
      return lstat(path)
    end
    assert.is_false(below.look(ctx, "/d").whole)
    assert.is_true(asked <= below.MOST_NAMES + 1)
    assert.same({ "/d" }, below.not_whole(ctx.looked, { "/d", "/other" }))
    assert.same({ writable_roots = { "/d" } }, suggest.fields(ctx, { {
      field = "writable_roots", value = "/d",
    } }))
  end)

  it("is everything in all directories of one denial bounded", function()
    local files, asked = {}, 0
    for i = 1, 60 do
      for k = 1, below.MOST_NAMES do files[#files + 1] = "/w/d" .. i .. "/x/f" .. k end
    end
    local ctx = context(files)
    local lstat = ctx.lstat
    ctx.lstat = function(path)
      asked = asked + 1
      return lstat(path)
    end
    for i = 1, 60 do below.look(ctx, "/w/d" .. i) end
    assert.is_true(asked <= below.MOST_IN_ALL + 200)
    assert.matches("too much", below.reason(ctx, "/w/d60"))
    assert.is_nil(below.reason(ctx, "/w/d1"))
  end)
end)

describe("learning", function()
  local choice = { is_optional = function() return false end }

  -- Wants these, one a run; between the runs it makes a repository in what it was given.
  local function command(wanted, files)
    return function(policy)
      local roots = type(policy) == "table" and policy.writable_roots or {}
      local ctx = context(files, { plan = { writable = {} } })
      for i, path in ipairs(roots) do ctx.plan.writable[i] = { path = path } end
      for _, path in ipairs(wanted) do
        local parent, covered = path:match("^(.*)/"), false
        for _, root in ipairs(roots) do covered = covered or (path .. "/"):find(root, 1, true) end
        if not covered then
          local entry = create(path)
          entry.grant = suggest.grant(ctx, entry)
          return { exit_code = 1, status = "denied", denial = { evidence = { entry } } },
            { kind = "denied" }, ctx
        end
        files[#files + 1] = parent .. "/own/.git/config"
      end
      return { exit_code = 0, status = "ok", denial = { evidence = {} } }, nil, ctx
    end
  end

  it("keeps what was there, and leaves the command what it made itself", function()
    local files = { "/w/d/a/x", "/w/d/b/x", "/w/d/c/x", "/w/d/e/x", "/w/d/e/.env" }
    local wanted = { "/w/d/a/n", "/w/d/b/n", "/w/d/c/n", "/w/d/e/n" }
    local found = learning.learn("read-only", command(wanted, files), choice)
    assert.is_true(found.passed)
    assert.same({ "/w/d" }, found.policy.writable_roots)
    assert.same({ "/w/d/e/.env" }, found.policy.read_only)
  end)

  it("takes nothing away where what is sensitive may be given", function()
    local found = learning.learn("read-only", command({ "/d/n" }, { "/d/.env" }),
                                 { sensitive_too = true, is_optional = choice.is_optional })
    assert.is_true(found.passed)
    assert.is_nil(found.policy.read_only)
  end)
end)

describe("the nearest directory that is there", function()
  it("is found in few looks, however long the path", function()
    local looks = 0
    local function stat(path)
      looks = looks + 1
      return #path <= 41 and {} or nil
    end
    assert.equal(("/a"):rep(20), there.nearest(stat, ("/a"):rep(2000)))
    assert.is_true(looks < 15)
    assert.equal("/", there.nearest(function() end, "/a/b"))
    assert.equal("/", there.nearest(function() end, nil))
    assert.equal("/a/b", there.nearest(function() return {} end, "/a/b"))
  end)
end)
