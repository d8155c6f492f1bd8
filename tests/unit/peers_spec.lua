-- network.allow without a kernel: what its entries mean, the plan that comes of them, and what the
-- filter refuses beside.
local HERE = debug.getinfo(1, "S").source:match("^@(.*)/[^/]*$")
local fake = dofile(HERE .. "/fake.lua")
local ip = require "sbx.ip"
local peers = require "sbx.peers"
local policy = require "sbx.policy"
local refusals = require "sbx.refusals"
local syscalls = require "sbx.syscalls"
local verdict = require "sbx.verdict"

local TREE = {
  ["/w"] = "directory", ["/etc"] = "directory",
  ["/etc/hosts"] = { text = "127.0.0.1 localhost # own\n10.0.0.1 box Box.Local\n#1.1.1.1 not\n" },
  ["/dev"] = "directory", ["/dev/null"] = { type = "char" },
}

local function context(more)
  local ctx = { cwd = "/w", env = {}, home = "/home/u", uid = 1000, probe = { landlock_abi = 7 },
                fs = fake.fs(TREE) }
  for name, value in pairs(more or {}) do ctx[name] = value end
  return ctx
end

local function allow(...)
  return { mode = "read-only", network = { allow = { ... } } }
end

describe("a numeric address", function()
  it("is read as the system reads it", function()
    for text, bytes in pairs({
      ["127.0.0.1"] = { 127, 0, 0, 1 }, ["255.1.20.0"] = { 255, 1, 20, 0 },
      ["::1"] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 },
      ["::"] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 },
      ["fe80::"] = { 254, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 },
      ["1:2:3:4:5:6:7:8"] = { 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8 },
      ["1:2::F:10"] = { 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 15, 0, 16 },
      ["::ffff:1.2.3.4"] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 1, 2, 3, 4 },
    }) do
      assert.same(bytes, select(2, ip.read(text)), text)
    end
    for _, text in ipairs({
      "", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.04", "1.2.3.x", "1.2.3.", ":", ":::", "1::2::3",
      "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::8:9", "12345::", "g::", "::1.2.3",
      "1.2.3.4::", "::1%lo", " ::1",
    }) do
      assert.is_nil((ip.read(text)), text)
    end
  end)

  it("is compared by the bits that count", function()
    local function same(a, b, bits)
      return ip.same(select(2, ip.read(a)), select(2, ip.read(b)), bits)
    end
    assert.is_true(same("10.1.2.3", "10.9.9.9", 8))
    assert.is_false(same("10.1.2.3", "11.1.2.3", 8))
    assert.is_true(same("127.0.0.2", "127.0.0.3", 31))
    assert.is_false(same("127.0.0.2", "127.0.0.3", 32))
    assert.is_true(same("1.2.3.4", "200.2.3.4", 0))
    assert.is_false(same("fd00::1", "fd00::2", 128))
    assert.is_true(same("fd00::1", "fdff::2", 8))
  end)
end)

describe("an entry", function()
  it("is an address, a network or a name", function()
    local peer = assert(peers.read("127.0.0.1:5432"))
    assert.same({ "127.0.0.1", 5432, "inet", 32 }, { peer.host, peer.port, peer.family,
                                                     peer.prefix })
    peer = assert(peers.read("[fd00::/8]:443"))
    assert.same({ "fd00::", 443, "inet6", 8 }, { peer.host, peer.port, peer.family, peer.prefix })
    peer = assert(peers.read("Example.ORG:443"))
    assert.same({ "example.org", 443 }, { peer.name, peer.port })
    for _, entry in ipairs({ "a:1", "my_host.x-1:65535", "xn--bcher-kva.example.:1", "1a:1" }) do
      assert.is_string(assert(peers.read(entry)).name, entry)
    end
  end)
end)

describe("the plan of listed addresses", function()
  local function first(spec, more)
    local plan, err = policy.plan(spec, context(more))
    assert(plan, err and err.message)
    return plan, plan.alternatives[1]
  end

  it("has numbers as they are, and names to resolve", function()
    local plan, one = first(allow("127.0.0.1:1", "[::1]:2", "10.0.0.0/8:3", "box.example:4"))
    assert.equal("allow", plan.network)
    assert.equal("contained", one.tier)
    assert.same({
      { address = "127.0.0.1", prefix = 32, port = 1 }, { address = "::1", prefix = 128, port = 2 },
      { address = "10.0.0.0", prefix = 8, port = 3 },
    }, one.engine.connect)
    assert.same({ { name = "box.example", port = 4 } }, one.engine.resolve)
    assert.same({ wait_ms = 30000, ask_ms = 0 }, one.engine.connecting)
    local last = one.engine.mounts[#one.engine.mounts]
    assert.same({ op = "names", path = "/etc/hosts" }, last)
    assert.equal("1", plan.env.SBX_NETWORK_DISABLED)
    assert.matches("those listed", one.enforced.network)
    assert.same({ "bind_tcp", "connect_tcp" }, one.engine.landlock.net)
    one = select(2, first(allow("127.0.0.1:1")))
    assert.are_not.equal("names", one.engine.mounts[#one.engine.mounts].op)
  end)

  it("asks where there is somebody to ask", function()
    local function yes() return true end
    local plan, one = first({ mode = "read-only", network = { allow = {} }, on_connect = yes })
    assert.equal("allow", plan.network)
    assert.is_true(plan.asks)
    assert.equal(1000, one.engine.connecting.ask_ms)
    plan = first(allow(), { on_connect = true })
    assert.equal("allow", plan.network)
    plan, one = first(allow())
    assert.equal("none", plan.network)
    assert.is_nil(one.engine.connecting)
    assert.has_error(function() policy.plan({ mode = "read-only", network = "none" },
                                            context({ on_connect = true })) end)
  end)

  it("has no name in the landlock tier that its command can't look up", function()
    local function landlock(entry, missing)
      return policy.plan(allow(entry), context({ tier = "landlock", allow_missing = missing }))
    end
    for _, entry in ipairs({ "localhost:1", "box:1", "BOX.local:1" }) do
      assert.is_truthy(landlock(entry), entry)
    end
    for _, entry in ipairs({ "own:1", "not:1", "example.org:1" }) do
      local plan, err = landlock(entry)
      assert.is_nil(plan)
      assert.matches(entry, err.message, 1, true)
      plan = assert(landlock(entry, { "policy_entry" }))
      assert.matches(entry, plan.alternatives[1].missing[1].reason, 1, true)
    end
  end)

  it("lets no call through that it rests on", function()
    for _, call in ipairs({ "setsockopt", "sendto", "connect", "listen" }) do
      local spec = allow("1.2.3.4:1")
      spec.syscalls = { allow = { call } }
      local plan, err = policy.plan(spec, context())
      assert.is_nil(plan)
      assert.matches(call, err.message, 1, true)
    end
  end)
end)

describe("the filter beside listed addresses", function()
  local HIGH = 0x100000000
  local list = syscalls.filter({ network = "allow", contained = true })
  local function refused(call, ...) return refusals.find(list, call, { ... }) ~= nil end

  it("makes TCP sockets and no other", function()
    for _, family in ipairs({ 2, 10 }) do
      for _, kind in ipairs({ 1, 1 + 0x80000, 1 + 0x800 }) do
        assert.is_false(refused("socket", family, kind, 0))
        assert.is_false(refused("socket", family, kind, 6))
      end
      for kind = 0, 15 do
        assert.equal(kind ~= 1, refused("socket", family, kind, 0), kind)
      end
      for _, protocol in ipairs({ 1, 17, 33, 132, 136, 256, 262, HIGH + 262, 0x40000006 }) do
        assert.is_true(refused("socket", family, 1, protocol), protocol)
      end
    end
    for family = 0, 130 do
      assert.equal(family ~= 2 and family ~= 10, refused("socket", family, 1, 0), family)
    end
    assert.is_true(refused("socket", HIGH + 1, 1, 0))
    local with = syscalls.filter({ network = "allow", sockets = true })
    assert.is_nil(refusals.find(with, "socket", { 1, 5, 0 }))
    assert.is_truthy(refusals.find(with, "socket", { 2, 5, 0 }))
    assert.is_truthy(refusals.find(with, "socket", { 1, 2, 0 }))
  end)

  it("sets options that are known, and none that leads elsewhere", function()
    for _, one in ipairs({ { 1, 9 }, { 1, 13 }, { 6, 1 }, { 6, 18 }, { 0, 1 }, { 41, 26 } }) do
      assert.is_false(refused("setsockopt", 3, one[1], one[2], 0, 4), one[1] .. " " .. one[2])
    end
    for _, one in ipairs({
      { 1, 5 }, { 1, 25 }, { 1, 36 }, { 1, 62 }, { 6, 19 }, { 6, 23 }, { 6, 30 }, { 6, 31 },
      { 0, 4 }, { 0, 19 }, { 41, 57 }, { 41, 5 }, { 2, 1 }, { 17, 1 }, { 284, 1 }, { 270, 1 },
      { 6, 128 }, { 6, 0x80000001 }, { 6 + HIGH, 30 + HIGH }, { 6, 30 + HIGH },
    }) do
      assert.is_true(refused("setsockopt", 3, one[1], one[2], 0, 4), one[1] .. " " .. one[2])
    end
  end)

  it("hands connect over, and refuses to be reached", function()
    assert.is_true(refusals.find(list, "connect").on_behalf)
    assert.is_true(refused("listen", 3, 1) and refused("bind", 3, 0, 16))
    assert.is_true(refused("sendto", 3, 0, 1, 0x20000000 + 0x4000, 0, 16))
    assert.is_true(refused("sendmsg", 3, 0, 0x20000000))
    assert.is_true(refused("sendmmsg", 3, 0, 1, 0x20000000))
    assert.is_false(refused("sendto", 3, 0, 1, 0x4000, 0, 0))
  end)
end)

describe("why", function()
  local function why(spec, operation, subject, more)
    local plan = assert(policy.plan(spec, context(more)))
    return verdict.judge({ plan = plan, alternative = plan.alternatives[1], policy = spec,
                           operation = operation, subject = subject, cwd = "/w",
                           fs = context().fs })
  end

  it("says which entry lets an address be connected to", function()
    local spec = allow("127.0.0.1:5432", "[::1]:80", "10.0.0.0/8:443", "example.org:443")
    for subject, entry in pairs({
      ["127.0.0.1:5432"] = "127.0.0.1:5432", ["[0::0:1]:80"] = "[::1]:80",
      ["10.200.1.1:443"] = "10.0.0.0/8:443", ["[::ffff:10.0.0.9]:443"] = "10.0.0.0/8:443",
      ["Example.org:443"] = "example.org:443",
    }) do
      local found = why(spec, "connect", subject)
      assert.is_true(found.allowed, subject)
      assert.matches('network.allow "' .. entry .. '"', found.rule, 1, true)
    end
    for _, subject in ipairs({ "127.0.0.1:80", "[::1]:81", "11.0.0.1:443", "example.org:80",
                               "0.0.0.0:5432", "unix:/run/x" }) do
      assert.is_false(why(spec, "connect", subject).allowed, subject)
    end
    for _, operation in ipairs({ "bind", "send" }) do
      assert.is_false(why(spec, operation, "127.0.0.1:5432").allowed)
    end
    assert.is_true(why(spec, "socket", "inet").allowed)
    assert.is_false(why(spec, "socket", "netlink").allowed)
    assert.is_true(why(spec, "other", "connect").allowed)
  end)

  it("says where on_connect decides", function()
    local found = why(allow("1.2.3.4:1"), "connect", "1.2.3.4:2", { on_connect = true })
    assert.is_false(found.allowed)
    assert.matches("on_connect", found.reason, 1, true)
  end)
end)
