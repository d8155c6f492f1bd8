-- Policies found, checked and joined, from files that are tables here.
local HERE = debug.getinfo(1, "S").source:match("^@(.*)/[^/]*$")
local fake = dofile(HERE .. "/fake.lua")
local policies = require "sbx.policies"

local SHIPPED = {
  ["/inst/read-only.lua"] = "return {\n  doc = \"reads\",\n  mode = \"read-only\",\n"
    .. "  protect = { \".git\" },\n}\n",
  ["/inst/workspace-write.lua"] = "return {\n  mode = \"workspace-write\",\n"
    .. "  protect = {\n    \".git\",\n    \".codex\",\n  },\n}\n",
  ["/inst/danger-full-access.lua"] = "return { mode = \"danger-full-access\" }\n",
}

local function context(more, env)
  local files = {}
  for path, text in pairs(SHIPPED) do files[path] = text end
  for path, text in pairs(more or {}) do files[path] = text end
  return { core = fake.core(files), env = env or { HOME = "/home/u" }, cwd = "/work",
           policies_dir = "/inst" }
end

local function message_of(spec, ctx)
  local policy, err = policies.resolve(spec, ctx or context())
  assert.is_nil(policy)
  assert.equal("policy", err.kind)
  return err.message
end

describe("policies.resolve", function()
  it("finds the shipped ones, with the place of each entry", function()
    local policy = assert(policies.resolve("workspace-write", context()))
    assert.equal("workspace-write", policy.name)
    assert.equal("workspace-write", policy.mode)
    assert.equal("none", policy.network)
    assert.is_false(policy.network_access)
    assert.same({ ".git", ".codex" }, policy.protect)
    assert.same({ "policies/workspace-write.lua:4", "policies/workspace-write.lua:5" },
                policy.sources.protect)
    assert.equal("policies/workspace-write.lua:2", policy.sources.mode)
  end)

  it("goes by mode for the network", function()
    assert.equal("full", policies.resolve("danger-full-access", context()).network)
    assert.equal("full", policies.resolve({ network_access = true }, context()).network)
    assert.equal("none", policies.resolve({ network_access = false,
                                            extends = "danger-full-access" }, context()).network)
  end)

  it("takes a table without extends and mode for one that extends read-only", function()
    local policy = policies.resolve({ writable_roots = { "/x" } }, context())
    assert.equal("read-only", policy.mode)
    assert.same({ ".git" }, policy.protect)
    assert.same({ "option" }, policy.sources.writable_roots)
  end)

  it("looks in the user's, the system's, the installed place", function()
    local ctx = context({
      ["/home/u/.config/sbxlua/policies/a.lua"] = "return { doc = 'user', mode = 'read-only' }",
      ["/etc/sbxlua/policies/a.lua"] = "return { doc = 'system', mode = 'read-only' }",
      ["/etc/sbxlua/policies/b.lua"] = "return { doc = 'system', mode = 'read-only' }",
      ["/xdg/sbxlua/policies/a.lua"] = "return { doc = 'xdg', mode = 'read-only' }",
    })
    assert.equal("user", policies.resolve("a", ctx).doc)
    assert.equal("system", policies.resolve("b", ctx).doc)
    ctx.env = { HOME = "/home/u", XDG_CONFIG_HOME = "/xdg" }
    assert.equal("xdg", policies.resolve("a", ctx).doc)
    ctx.env = { HOME = "/home/u", XDG_CONFIG_HOME = "relative" }
    assert.equal("user", policies.resolve("a", ctx).doc)
    ctx.env = {}
    assert.equal("system", policies.resolve("a", ctx).doc)
  end)

  it("means the next one by a file's own name", function()
    local own = "return { extends = 'read-only', writable_roots = { '%s' } }"
    local ctx = context({
      ["/home/u/.config/sbxlua/policies/read-only.lua"] = own:format("/user"),
      ["/etc/sbxlua/policies/read-only.lua"] = own:format("/system"),
    })
    local policy = policies.resolve("read-only", ctx)
    assert.same({ "/system", "/user" }, policy.writable_roots)
    assert.same({ "/etc/sbxlua/policies/read-only.lua:1",
                  "/home/u/.config/sbxlua/policies/read-only.lua:1" },
                policy.sources.writable_roots)
  end)

  it("takes a file by its path, never by lying in the workspace", function()
    local ctx = context({ ["/work/p.lua"] = "return { writable_roots = { '/p' } }" })
    assert.same({ "/p" }, policies.resolve("/work/p.lua", ctx).writable_roots)
    assert.equal("there is no policy \"p\"", message_of("p", ctx))
    assert.equal("/host/p.lua: there is no such policy file", message_of("p.lua", ctx))
  end)

  it("takes a relative file from the host's own directory, never from the command's", function()
    local ctx = context({
      ["/work/p.lua"] = "return { mode = 'danger-full-access' }",
      ["/host/p.lua"] = "return { extends = 'sub/q.lua', writable_roots = { '/p' } }",
      ["/host/sub/q.lua"] = "return { extends = './r.lua' }",
      ["/host/sub/r.lua"] = "return { mode = 'workspace-write' }",
    })
    for _, spec in ipairs({
      "p.lua", "./p.lua", { extends = "p.lua" }, { extends = { "./p.lua" } },
    }) do
      local policy = assert(policies.resolve(spec, ctx))
      assert.same({ "/p" }, policy.writable_roots)
      assert.equal("workspace-write", policy.mode)
      assert.is_true(policies.is_relative(spec))
    end
    for _, spec in ipairs({ "p", "/p.lua", "~/p.lua", { extends = "p" }, {} }) do
      assert.is_false(policies.is_relative(spec))
    end
    ctx.core.cwd = function() return nil, { message = "cwd: No such file or directory" } end
    assert.equal("policy p.lua: cwd: No such file or directory (the host's own directory)",
                 message_of("p.lua", ctx))
  end)

  it("appends, replaces, adds nothing, and forgets", function()
    local base = { ["/etc/sbxlua/policies/b.lua"] = "return { mode = 'workspace-write', "
      .. "writable_roots = { '/b' }, exclude_slash_tmp = true, readable = { '/r' } }" }
    local function roots(list)
      local spec = { extends = "b", writable_roots = list }
      return policies.resolve(spec, context(base)).writable_roots
    end
    assert.same({ "/b", "/c" }, roots({ "/c" }))
    assert.same({ "/c" }, roots({ replace = { "/c" } }))
    assert.same({ "/b" }, roots({}))
    assert.is_nil(roots(false))
    local policy = policies.resolve({ extends = "b", exclude_slash_tmp = false, readable = false },
                                    context(base))
    assert.is_false(policy.exclude_slash_tmp)
    assert.is_nil(policy.readable)
    assert.same({}, policies.resolve({ readable = {} }, context()).readable)
  end)

  it("extends several, in order", function()
    local policy = policies.resolve({ extends = { "read-only", "workspace-write" } }, context())
    assert.equal("workspace-write", policy.mode)
    assert.same({ ".git", ".git", ".codex" }, policy.protect)
  end)

  it("calls a function with ctx", function()
    local ctx = context({ ["/etc/sbxlua/policies/f.lua"] = "return function(ctx)\n"
      .. "  return { writable_roots = { ctx.cwd .. '/out' } }\nend" })
    assert.same({ "/work/out" }, policies.resolve("f", ctx).writable_roots)
  end)

  it("throws for what a table gets wrong", function()
    for _, wrong in ipairs({
      { read_onyl = {} }, { mode = "workspace" }, { network = "ful" }, { writable_roots = "/x" },
      { writable_roots = { 1 } }, { protect = { "a/b" } }, { require = { "everything" } },
      { network = { allow = {}, deny = {} } }, { env_policy = { inherits = "all" } },
      { syscalls = { deny = { 4096 } } }, { syscalls = { allow = { -1 } } },
      { syscalls = { deny = { 1.5 } } }, { syscalls = { deny = { 0 / 0 } } },
      { syscalls = { deny = { 4294967379 } } }, { syscalls = { deny = { math.huge } } },
      { env = { A = 1 } }, { limits = { memory = 1 } }, { syscalls = { deny = { "no call" } } },
      { network_access = true, network = "none" }, { tier = "best" }, { extends = 3 },
      { writable_roots = { replace = { "/x" }, "/y" } },
    }) do
      assert.has_error(function() policies.resolve(wrong, context()) end)
    end
  end)

  it("throws for fields that say nothing, with what to write instead", function()
    for word, wrong in pairs({
      ["mode = \"workspace-write\""] = { read_only = { "/x" } },
      ["leave it out"] = { exclude_slash_tmp = true },
      ["network = \"none\""] = { network = "full", unix_sockets = { "/s" } },
      ["writable_roots"] = { protect = { ".vscode" } },
      ["danger-full-access"] = { mode = "danger-full-access", writable_roots = { "/x" } },
    }) do
      local ok, message = pcall(policies.resolve, wrong, context())
      assert.is_false(ok)
      assert.matches(word, message, 1, true)
    end
  end)

  it("is an error with file and line for what a file gets wrong", function()
    local function of(text)
      return message_of("x", context({ ["/etc/sbxlua/policies/x.lua"] = text }))
    end
    assert.matches("^/etc/sbxlua/policies/x%.lua:2: ", of("return {\n  mode = = 1 }"))
    assert.matches("^/etc/sbxlua/policies/x%.lua:2: unknown policy field \"modes\"",
                   of("return {\n  modes = 'read-only' }"))
    assert.matches("^/etc/sbxlua/policies/x%.lua: a policy file returns a table", of("return 3"))
    assert.matches("^/etc/sbxlua/policies/x%.lua:1: boom", of("error('boom')"))
    assert.matches("^/etc/sbxlua/policies/x%.lua:3: a policy file returns a table",
                   of("\n\nreturn function() return 'x' end"))
    assert.matches("x%.lua:1: ", of("os.execute('true') return {}"))
    assert.matches("x%.lua:1: a policy sets the global", of("leak = 1 return {}"))
    assert.matches("x%.lua: is compiled Lua", of(string.dump(function() end)))
    assert.matches("^/etc/sbxlua/policies/x%.lua:2: read_only says nothing",
                   of("return {\n  read_only = { '/x' } }"))
    assert.matches("there is no policy \"nope\"", of("return { extends = 'nope' }"))
    assert.is_nil(rawget(_G, "leak"))
  end)

  it("takes calls by name and by number", function()
    local calls = { 0, 83, 4095, "mkdir" }
    assert.same(calls, policies.resolve({ syscalls = { deny = calls } }, context()).syscalls.deny)
  end)

  it("names the nearest that there is", function()
    assert.equal('there is no policy "read-olny" (did you mean "read-only"?)',
                 message_of("read-olny"))
    assert.equal('there is no policy "entirely else"', message_of("entirely else"))
  end)

  it("gives a file libraries of its own", function()
    local ctx = context({ ["/etc/sbxlua/policies/x.lua"] = [[
      string.format, table.concat, math.floor = nil, nil, nil
      local ok = pcall(string.format, "x")
      return { doc = tostring(ok) .. ("up"):upper() .. table.unpack({ "!" }) } ]] })
    assert.equal("falseUP!", policies.resolve("x", ctx).doc)
    assert.equal("1", string.format("%d", math.floor(1.5)) .. table.concat({}))
  end)

  it("doesn't go past a file that can't be read", function()
    local ctx = context({ ["/etc/sbxlua/policies/read-only.lua"] = {
      code = "EACCES", message = "/etc/sbxlua/policies/read-only.lua: Permission denied",
    } })
    assert.equal("/etc/sbxlua/policies/read-only.lua: Permission denied",
                 message_of("read-only", ctx))
  end)

  it("sees a circle", function()
    local ctx = context({ ["/etc/sbxlua/policies/a.lua"] = "return { extends = 'b' }",
                          ["/etc/sbxlua/policies/b.lua"] = "return { extends = 'a' }" })
    assert.matches("extends itself", message_of("a", ctx))
  end)

  it("takes a table that extends nothing", function()
    local policy = assert(policies.resolve({ extends = {} }, context()))
    assert.same({ "read-only", "read-only" }, { policy.name, policy.mode })
    assert.is_nil(policy.protect)
  end)

  it("refuses a NUL byte in a variable", function()
    for _, field in ipairs({ "env = { A = 'b\\0c' }", "env_policy = { set = { A = '\\0' } }" }) do
      local ctx = context({ ["/etc/sbxlua/policies/a.lua"] = "return { " .. field .. " }" })
      assert.matches("A contains a NUL byte", message_of("a", ctx))
    end
  end)
end)

describe("policies.list", function()
  it("names each once, the first in the order", function()
    local list = policies.list(context({
      ["/etc/sbxlua/policies/read-only.lua"] = "return { doc = 'ours', mode = 'read-only' }",
      ["/etc/sbxlua/policies/broken.lua"] = "return {",
    }))
    local seen = {}
    for _, one in ipairs(list) do seen[#seen + 1] = one.name end
    assert.same({ "broken", "danger-full-access", "read-only", "workspace-write" }, seen)
    assert.equal("/etc/sbxlua/policies/read-only.lua", list[3].path)
    assert.equal("ours", list[3].doc)
    assert.is_string(list[1].error)
  end)
end)
