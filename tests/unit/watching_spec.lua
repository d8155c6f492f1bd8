-- Which calls a watch sees, for each policy: only those that it could refuse.
local policy = require "sbx.policy"
local syscalls = require "sbx.syscalls"
local fake = require "tests.unit.fake"

local function plan_of(fields, more)
  local ctx = fake.context and fake.context() or {}
  for name, value in pairs(more or {}) do ctx[name] = value end
  return assert(policy.plan(fields, ctx))
end

local function find(plan, tier)
  for _, one in ipairs(plan.alternatives) do
    if one.tier == tier then return one.engine end
  end
end

local function rules(list, call)
  local found = {}
  for _, rule in ipairs(list) do
    if rule.call == call then found[#found + 1] = rule end
  end
  return found
end

describe("a plan", function()
  it("has no watch unless it is asked for", function()
    for _, one in ipairs(plan_of({ mode = "read-only" }).alternatives) do
      assert.is_nil(one.engine.watch)
      assert.same({}, rules(one.engine.seccomp, "setsockopt"))
    end
  end)

  it("watches opens that write, names, and failures", function()
    for _, tier in ipairs({ "contained", "landlock" }) do
      local watch = find(plan_of({ mode = "read-only" }, { watch = true }), tier).watch
      assert.equal(4, #rules(watch.calls, "openat"))
      for _, rule in ipairs(rules(watch.calls, "openat")) do
        assert.equal(2, rule.args[1][1])
        assert.is_true(rule["continue"])
      end
      assert.equal(1, #rules(watch.calls, "renameat2"))
      assert.equal(8, #rules(watch.calls, "exit_group"))
      assert.equal(tier == "contained" and 1 or 0, #rules(watch.calls, "chmod"))
      assert.equal(0, #rules(watch.calls, "execve"))
      assert.is_true(#watch.places > 0)
    end
  end)

  it("lets nothing go on that a layer of the kernel doesn't hold", function()
    for _, network in ipairs({ "none", "loopback", "full" }) do
      local plan = plan_of({ mode = "read-only", network = network }, { watch = true })
      for _, one in ipairs(plan.alternatives) do
        local connects = #rules(one.engine.watch.calls, "connect")
        assert.equal(network == "loopback" and 1 or 0, connects)
      end
    end
  end)

  it("watches reading only where it is limited", function()
    local engine = find(plan_of({ mode = "read-only", deny_read = { "/etc" } },
                                { watch = true }), "contained")
    assert.equal(1, #rules(engine.watch.calls, "openat"))
    assert.is_nil(rules(engine.watch.calls, "openat")[1].args)
  end)
end)

describe("the filter of a watched run without network", function()
  it("lets a TCP socket be made and nothing be done with it", function()
    local list = syscalls.filter({ network = "none", fs = true, watch = true })
    local refusals = require "sbx.refusals"
    local function errno(call, ...)
      local rule = refusals.find(list, call, { ... })
      return rule and rule.errno
    end
    assert.is_nil(errno("socket", 2, 1, 0))
    assert.is_nil(errno("socket", 10, 524289, 6))
    for _, args in ipairs({
      { 1, 2, 0 }, { 2, 2, 0 }, { 2, 3, 6 }, { 2, 1, 262 }, { 2, 1, 132 }, { 2, 5, 0 },
      { 10, 5, 132 }, { 16, 3, 0 }, { 17, 3, 0 }, { 40, 1, 0 }, { 4294967298, 1, 0 },
      { 2, 1, 4294967296 + 262 },
    }) do
      assert.equal("EPERM", errno("socket", args[1], args[2], args[3]), table.concat(args, " "))
    end
    for _, call in ipairs({ "connect", "bind", "listen" }) do
      assert.equal("EPERM", errno(call, 3, 0, 16))
    end
    assert.equal("EOPNOTSUPP", errno("sendto", 3, 0, 1, 0x20004000, 0, 0))
    assert.equal("EOPNOTSUPP", errno("sendmsg", 3, 0, 0x20000000))
    assert.equal("EOPNOTSUPP", errno("sendmmsg", 3, 0, 1, 0x20000000))
    assert.is_nil(errno("sendmsg", 3, 0, 0x4000))
    assert.equal("ENOPROTOOPT", errno("setsockopt", 3, 0, 42))
    assert.equal("ENOPROTOOPT", errno("setsockopt", 3, 41, 20))
    assert.equal("ENOPROTOOPT", errno("setsockopt", 3, 1, 25)) -- SO_BINDTODEVICE
    assert.equal("EPERM", errno("ioctl", 3, 0x8912))
    assert.is_nil(errno("ioctl", 3, 0x541b))
    assert.is_nil(errno("setsockopt", 3, 1, 2))
    assert.is_nil(errno("setsockopt", 3, 6, 1))
  end)

  it("keeps calls that this rests on", function()
    local wish = { network = "none", watch = true }
    for _, call in ipairs({ "sendmsg", "sendto", "setsockopt", "connect" }) do
      assert.equal("network", syscalls.rests_on(call, wish))
    end
    assert.is_nil(syscalls.rests_on("sendmsg", { network = "none" }))
  end)
end)
