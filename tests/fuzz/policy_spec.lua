-- Policies of random shape through the public calls: each comes to a plan or an error that says
-- which field is wrong; none to an error of Lua from inside.
local core = require "sbx.core"
local errors = require "sbx.errors"
local fields = require "sbx.fields"
local random = require "tests.fuzz.random"
local sbx = require "sbx"
local support = require "tests.support"

local KINDS = { policy = true, sandbox = true, unsupported = true, invalid_input = true,
                spawn = true }

local place, careful

-- Where commands are run nothing but the test's own directory is asked for.
local function own_path()
  return random.pick({
    place, place .. "/sub", place .. "/missing", place .. "/link", place .. "/file", ".", "sub",
    "..", place .. "/sub/deep/er", "${cwd}/sub", place .. "/file/under", place .. "/fifo",
  })
end

local function path()
  if careful then return own_path() end
  return random.pick({
    place, place .. "/sub", place .. "/missing", "/tmp", "/", "/proc", "/usr/bin", ".", "..", "sub",
    "~/x", "~", "", "//", "/a//b/../c", "${cwd}", "${cwd}/sub", "${HOME}", "${TMPDIR}/x",
    "${env:NAME}", "${env:}", "${", "${bad}", "*", "a?b", "[x]", place .. "/link",
    "/nonexistent/x", place .. "/\255\n\27[31m", ("x"):rep(300), ("/x"):rep(2100), "a\0b",
    place .. "/file/under", "${platform}", random.text(6),
  })
end

local function paths()
  local list = {}
  for i = 1, random.int(0, 3) do list[i] = path() end
  return random.once_in(6) and { replace = list } or list
end

local function odd()
  return random.pick({
    0, -1, 1.5, 0 / 0, 1 / 0, "", "x", true, {}, { {} }, { 1 }, { "a", nil, "b" }, { x = "y" },
    { [1.5] = "a" }, { [true] = 1 }, { replace = 1 }, { replace = {}, "x" }, print,
    { [0] = "a" }, coroutine.create(print), setmetatable({}, {}), "\0",
  })
end

local function names()
  local list = {}
  for i = 1, random.int(0, 3) do
    list[i] = random.pick({ ".git", ".vscode", "x", "", ".", "..", "a/b", ("y"):rep(300), "*" })
  end
  return list
end

local function words(known)
  return function()
    local list = {}
    for i = 1, random.int(0, 3) do list[i] = random.pick(known) end
    return list
  end
end

local function one(known) return function() return random.pick(known) end end

local function map()
  local out = {}
  for _ = 1, random.int(0, 3) do
    out[random.pick({ "A", "PATH", "", "a=b", "LD_PRELOAD", "X\0" })] =
      random.pick({ "v", "", false, "a\0b", 1 })
  end
  return out
end

local boolean = one({ true, false })

-- Mostly what a field takes.
local VALUES = {
  extends = one({ "read-only", "workspace-write", "danger-full-access", "no-such", "./x.lua",
                  "/nonexistent.lua", {}, { "read-only", "workspace-write" }, "", "a\0b" }),
  mode = one({ "read-only", "workspace-write", "danger-full-access", "bad" }),
  network = one({ "none", "loopback", "full", "bad", {}, { allow = {} }, { allow = { "h:1" } },
                  { allow = { "127.0.0.1:1", "[::1]:2" } }, { allow = { "10.0.0.0/8:3", "x" } },
                  { allow = { "[::/129]:1" } }, { allow = { replace = { "1.2.3.4:5" } } } }),
  on_connect = one({ function() return true end, "bad", 1 }),
  network_access = boolean, exclude_slash_tmp = boolean, exclude_tmpdir_env_var = boolean,
  private_tmp = one({ false, false, true }), writable_roots = paths, read_only = paths,
  readable = paths, deny_read = paths, unix_sockets = paths, protect = names, env = map,
  env_policy = function()
    return random.pick({ {}, { inherit = "all" }, { inherit = "bad" }, { exclude = { "*" } },
                         { include_only = { "[", "*?*" } }, { set = map() }, { bad = 1 } })
  end,
  limits = one({ {}, { memory_bytes = 1 }, { bad = 1 }, { cpu_ms = 0 / 0 } }),
  tier = one({ "auto", "contained", "landlock", "bad" }), require = words(fields.PROPERTIES),
  syscalls = function()
    return random.pick({
      {}, { deny = { "getpid", "no_such_call", 9999, 3 } }, { allow = { "ptrace", 101 } },
      { deny = { "execve" }, allow = { "execve" } }, { deny = { 1.5 } }, { deny = { -1 } },
      { deny = { "Bad" } }, { deny = { 4095 } }, { deny = { 0 / 0 } }, { bad = {} },
    })
  end,
  doc = one({ "text", "", "a\nb" }),
}

local function policy()
  local out = {}
  for _ = 1, random.int(0, 5) do
    local name = random.pick(fields.NAMES)
    out[name] = (random.once_in(12) and odd or VALUES[name])()
  end
  if random.once_in(25) then out[random.pick({ "bad", 1, 1.5, true, "modes" })] = odd() end
  return out
end

local function check_error(err)
  assert.equal("table", type(err))
  assert.is_true(KINDS[err.kind] or false, tostring(err.kind))
  assert.equal("string", type(err.message))
  assert.is_true(#err.message > 0)
  assert.is_false(random.is_internal(err.message), err.message)
  assert.is_nil(tostring(err):find("%c"))
end

-- What it gave, or nil after an error or misuse of the right kind.
local function try(call, ...)
  local ok, value, err = pcall(call, ...)
  if not ok then
    assert.is_true(errors.is_misuse(value), tostring(value))
    assert.is_false(random.is_internal(value), value)
    return nil
  end
  if value == nil then check_error(err) end
  return value
end

---------------------------------------------------------------------------------------------------
-- The engine's side of the border

local function copy(value)
  if type(value) ~= "table" then return value end
  local out = {}
  for key, item in pairs(value) do out[copy(key)] = copy(item) end
  return out
end

-- One value somewhere inside becomes another.
local function damage(tree)
  local keys = {}
  for key in pairs(tree) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  local key = #keys > 0 and random.pick(keys) or 1
  if type(tree[key]) == "table" and not random.once_in(4) then return damage(tree[key]) end
  tree[key] = random.pick({ odd, path, function() return nil end })()
end

local function engines()
  local list = {}
  for _, opts in ipairs({ { policy = "workspace-write" }, { policy = "read-only" },
                          { policy = { extends = "read-only", network = "loopback" } } }) do
    opts.command, opts.cwd = { "true" }, place
    local exec = assert(sbx.transform(opts))
    for _, alternative in ipairs(exec.plan.alternatives) do list[#list + 1] = alternative.engine end
  end
  return list
end

-- But for times: a placeholder that was there has changed its directory's.
local function names_below()
  return support.output("find '" .. place .. "' -printf '%p %y %m %U %l\\n' | sort")
end

---------------------------------------------------------------------------------------------------

describe("a random policy", function()
  setup(function()
    place = support.directory()
    support.shell("mkdir %s/sub; touch %s/file; ln -s sub %s/link; mkfifo %s/fifo; chmod 1777 %s",
                  place, place, place, place, place)
  end)
  teardown(function() support.remove(place) end)

  it("is resolved, or refused in words", function()
    random.cases("policy", function() try(sbx.policy, policy(), { cwd = place }) end)
  end)

  it("comes to a plan, or is refused in words", function()
    random.cases("transform", function(case)
      local exec = try(sbx.transform, {
        command = { "true" }, cwd = place, policy = policy(),
        sandbox = random.pick({ "auto", "auto", "linux-seccomp", "none", "macos-seatbelt" }),
        tier = random.pick({ "auto", "contained", "landlock" }),
        require = random.once_in(5) and words(fields.PROPERTIES)() or nil,
        allow_missing = random.once_in(5) and words(fields.PROPERTIES)() or nil,
      })
      if exec then
        assert.is_true(#exec.command > 0 and #exec.plan.policy > 0)
        assert.equal("table", type(exec.sandbox.missing))
      end
      if case % 50 == 0 then collectgarbage() end
    end)
  end)

  it("runs its command, or is refused in words, and changes nothing", function()
    careful = true
    finally(function() careful = false end)
    local before, ran, refused = names_below(), 0, 0
    random.cases("run", function(case)
      local given = policy()
      given.mode = random.pick({ "workspace-write", "read-only", given.mode })
      local r = try(sbx.run, { "true", cwd = place .. random.pick({ "", "/sub" }), policy = given,
                               timeout_ms = 20000 })
      assert.is_true(r == nil or r.status == "ok")
      if r then ran = ran + 1 else refused = refused + 1 end
      assert.is_true(case < 200 or ran > 20 and refused > 20)
    end)
    support.wait_until(function() return names_below() == before end)
    assert.equal(before, names_below())
  end)

  it("says what it allows, or why not", function()
    local operations = { "read", "write", "create", "delete", "rename", "link", "metadata",
                         "execute", "connect", "bind", "socket", "signal", "mount", "other", "bad" }
    random.cases("why", function()
      local found = try(sbx.why, policy(), random.pick(operations),
                        random.pick({ path(), "127.0.0.1:80", "unix:/x", "unix:@a", "[::1]:0" }),
                        { cwd = place })
      assert.is_true(found == nil or type(found.allowed) == "boolean")
    end)
  end)

  it("names the field that has a wrong value", function()
    local wrong = { [true] = 7, [false] = print }
    random.cases("field", function()
      local name = random.pick(fields.NAMES)
      local given = { extends = "read-only", [name] = wrong[random.once_in(2)] }
      local ok, message = pcall(sbx.policy, given, { cwd = place })
      assert.is_false(ok)
      assert.is_true(errors.is_misuse(message))
      assert.is_truthy(message:find(name, 1, true), message)
    end)
  end)

  it("damaged behind the plan is refused by the engine", function()
    local whole = engines()
    random.cases("engine", function()
      local engine = copy(random.pick(whole))
      for _ = 1, random.int(1, 3) do damage(engine) end
      local ok, sandbox, raw = pcall(core.sandbox, engine)
      if not ok then
        assert.equal("string", type(sandbox))
      elseif not sandbox then
        assert.same({ "string", "string", "string" },
                    { type(raw.kind), type(raw.step), type(raw.message) })
      end
    end)
  end)
end)
