-- A sandbox is used again only while the world is the same (design.md, rule 5).
local sbx = require "sbx"
local support = require "tests.engine.api_support"

-- mktemp's directories are below /tmp, which workspace-write opens too: only cwd is to count here
local function policy_for(extra)
  local policy = { extends = "workspace-write", exclude_slash_tmp = true,
                   exclude_tmpdir_env_var = true }
  for name, value in pairs(extra or {}) do policy[name] = value end
  return policy
end

local function touch(path, cwd, policy)
  local r, err = sbx.run({ "touch", path, cwd = cwd, policy = policy or policy_for() })
  return r and r.status or err.kind
end

describe("reuse", function()
  local base

  before_each(function() base = support.scratch() end)
  after_each(function() support.remove(base) end)

  it("follows the name, not an old directory", function()
    os.execute(("mkdir %s/root"):format(base))
    assert.equal("ok", touch("first", base .. "/root"))
    os.execute(("mv %s/root %s/old; mkdir %s/root"):format(base, base, base))
    assert.equal("ok", touch("second", base .. "/root"))
    assert.truthy(support.read(base .. "/root/second"))
    assert.equal("denied", touch(base .. "/old/third", base .. "/root"))
    assert.is_nil(support.read(base .. "/old/third"))
  end)

  it("sees a cwd that goes away", function()
    os.execute(("mkdir %s/root"):format(base))
    assert.equal("ok", touch("first", base .. "/root"))
    os.execute(("rm -r %s/root"):format(base))
    assert.equal("invalid_input", touch("second", base .. "/root"))
  end)

  it("sees a policy table that was changed", function()
    os.execute(("mkdir %s/root %s/more"):format(base, base))
    local policy = policy_for({ writable_roots = { base .. "/more" } })
    assert.equal("ok", touch(base .. "/more/a", base .. "/root", policy))
    policy.writable_roots[1] = nil
    assert.equal("denied", touch(base .. "/more/b", base .. "/root", policy))
    assert.is_nil(support.read(base .. "/more/b"))
  end)

  it("sees a policy file that was changed", function()
    os.execute(("mkdir %s/root"):format(base))
    local file = base .. "/p.lua"
    support.write(file, "return { extends = 'workspace-write' }")
    assert.equal("ok", touch("a", base .. "/root", file))
    os.execute("sleep 0.01")
    support.write(file, "return { extends = 'read-only' }")
    assert.equal("denied", touch("b", base .. "/root", file))
  end)

  it("sees a policy file that is changed long after it was read, to as many bytes", function()
    local file = base .. "/policy.lua"
    os.execute(("mkdir %s/root"):format(base))
    local allows = ("return { extends = 'workspace-write', writable_roots = { %q } }"):format(
      base .. "/root")
    support.write(file, allows)
    os.execute("sleep 3.2") -- its times tell by then
    for _ = 1, 2 do assert.equal("ok", touch("a", base .. "/root", file)) end
    local denies = "return { extends = 'read-only' }"
    support.write(file, denies .. (" "):rep(#allows - #denies))
    assert.equal("denied", touch("b", base .. "/root", file))
    os.remove(file)
    assert.equal("policy", touch("c", base .. "/root", file))
  end)

  it("survives a reload by a finalizer in the midst of a start", function()
    local core = require "sbx.core"
    local spawn, starting, hits = core.spawn, false, 0
    finally(function() core.spawn = spawn end)
    function core.spawn(...)
      starting = true
      local results = table.pack(spawn(...))
      starting = false
      return table.unpack(results, 1, results.n)
    end
    local function arm()
      setmetatable({}, { __gc = function()
        if not starting then return arm() end
        hits, starting = hits + 1, false
        sbx.reload()
      end })
    end
    local command = { cwd = base, policy = policy_for() }
    for i = 1, 20000 do command[i] = i == 1 and "true" or "x" end
    for _ = 1, 60 do
      if hits > 0 then break end
      arm()
      assert.equal("ok", assert(sbx.run(command)).status)
    end
    assert.is_true(hits > 0)
    assert.equal("ok", touch("x", base))
  end)

  it("closes what no key keeps after its start", function()
    collectgarbage("stop")
    finally(function() collectgarbage("restart") end)
    local before = support.open_files()
    for i = 1, 60 do
      local policy = setmetatable(policy_for(), {})
      assert.equal("ok", touch("x" .. i, base, policy))
    end
    assert.is_true(support.open_files() < before + 100)
  end)

  it("keeps few sandboxes, however many directories", function()
    collectgarbage("stop") -- a large host's collector is as late
    finally(function() collectgarbage("restart") end)
    local before = support.open_files()
    for i = 1, 60 do
      os.execute(("mkdir %s/d%d"):format(base, i))
      assert.equal("ok", touch("x", base .. "/d" .. i))
    end
    assert.is_true(support.open_files() < before + 100)
  end)
end)
