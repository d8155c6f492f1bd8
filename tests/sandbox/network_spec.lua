-- `network`: no byte leaves or arrives. Judged by what a listener of the host has accepted.
local sbx = require "sbx"
local support = require "tests.support"

local sockets = support.program("sockets")

local function run(opts)
  local r, err = sbx.run(opts)
  return assert(r, tostring(err))
end

local function policy(network, extra)
  local made = { extends = "workspace-write", network = network }
  for name, value in pairs(extra or {}) do made[name] = value end
  return made
end

describe("the host's listener", function()
  local dir, listener

  before_each(function()
    dir = support.directory()
    listener = support.listener(dir)
  end)
  after_each(function()
    listener:close()
    support.remove(dir)
  end)

  it("is reached in every way with full network", function()
    for _, opts in ipairs({ { policy = policy("full") }, { policy = "danger-full-access" } }) do
      local before = listener:heard()
      local answers = listener:reach(opts)
      for _, name in ipairs({ "tcp", "udp", "stream", "datagram", "pair" }) do
        assert.equal("ok", answers[name], name)
      end
      local heard = support.wait_until(function()
        local now = listener:heard()
        return (now.datagram or 0) >= (before.datagram or 0) + 2 and now
      end)
      for _, name in ipairs({ "tcp", "udp", "stream", "datagram" }) do
        assert.is_true((heard[name] or 0) > (before[name] or 0), name)
      end
    end
  end)

  for _, network in ipairs({ "none", "loopback" }) do
    it("is reached in no way with network " .. network, function()
      local answers, heard = listener:reach({ policy = policy(network) })
      assert.same({}, heard)
      for _, name in ipairs({ "tcp", "tcp6", "mptcp", "fastopen", "stream", "datagram", "pair",
                              "abstract" }) do
        assert.is_truthy(answers[name], name)
        assert.are_not.equal("ok", answers[name], name)
      end
    end)
  end

  it("is not reached by read-only, nor without a network but with every file", function()
    local _, heard = listener:reach({})
    assert.same({}, heard)
    _, heard = listener:reach({ policy = { extends = "danger-full-access", network = "none" } })
    assert.same({}, heard)
    -- the twin: what such a command may write
    run({ "touch", "/var/tmp/" .. dir:match("[^/]+$") .. "/written",
          policy = { extends = "danger-full-access", network = "none" } })
    assert.is_true(support.exists(dir .. "/written"))
  end)

  it("is reached by no program's own ways", function()
    local script = ("exec 3<>/dev/tcp/127.0.0.1/%s"):format(listener.tcp)
    sbx.run({ "bash", "-c", script, cwd = dir })
    support.sleep("0.1")
    assert.same({}, listener:heard())
    sbx.run({ "bash", "-c", script, cwd = dir, policy = policy("full") })
    assert.is_truthy(support.wait_until(function() return listener:heard().tcp end))
  end)
end)

describe("the loopback of one's own", function()
  it("talks to itself with network loopback", function()
    local answers = support.answers(run({ sockets, "own", policy = policy("loopback") }).stdout)
    assert.same({ bind = "ok", listen = "ok", connect = "ok", talk = "ok" }, answers)
  end)

  it("isn't there with network none", function()
    local answers = support.answers(run({ sockets, "own", policy = policy("none") }).stdout)
    assert.are_not.equal("ok", answers.bind)
    assert.is_nil(answers.talk)
  end)

  it("is no other command's", function()
    local dir = support.directory()
    local server = assert(sbx.spawn({ "python3", "-c", [[
import socket, sys, time
s = socket.socket(); s.bind(("127.0.0.1", 45871)); s.listen()
print("up", flush=True); s.accept(); print("met", flush=True)]],
      policy = policy("loopback"), cwd = dir, timeout_ms = 20000 }))
    local next_line = server:lines()
    assert.equal("up", select(2, next_line()))
    local r = sbx.run({ "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/45871", cwd = dir,
                        policy = policy("loopback") })
    r = r or { exit_code = 1 }
    assert.are_not.equal(0, r.exit_code)
    server:kill()
    local _, _, out = server:wait()
    assert.equal("up\n", out.stdout)
    support.remove(dir)
  end)
end)

describe("socket families", function()
  local function families(network)
    return support.answers(run({ sockets, "families", policy = policy(network) }).stdout)
  end

  it("are all refused by errno with network none", function()
    local answers = families("none")
    for _, name in ipairs({ "tcp", "tcp6", "mptcp", "udp", "udp6", "sctp", "ping", "raw", "packet",
                            "netlink", "netlink_audit", "vsock", "alg", "unix_stream",
                            "unix_datagram", "unix_seqpacket", "unix_high", "tcp_high" }) do
      assert.is_truthy(answers[name], name)
      assert.are_not.equal("ok", answers[name], name)
    end
    assert.equal("ENOSYS", answers.io_uring)
  end)

  it("leave stream pairs and refuse datagram pairs", function()
    for _, network in ipairs({ "none", "loopback" }) do
      local answers = families(network)
      assert.equal("ok", answers.pair_stream)
      assert.equal("ok", answers.pair_stream_flags)
      for _, name in ipairs({ "pair_datagram", "pair_datagram_flags", "pair_raw",
                              "pair_datagram_high" }) do
        assert.are_not.equal("ok", answers[name], name)
      end
    end
    assert.equal("ok", families("full").pair_datagram)
  end)

  it("are those of the internet with network loopback", function()
    local answers = families("loopback")
    for _, name in ipairs({ "tcp", "udp" }) do assert.equal("ok", answers[name], name) end
    for _, name in ipairs({ "raw", "packet", "netlink_audit", "vsock", "alg", "unix_stream",
                            "unix_datagram", "unix_seqpacket", "unix_high", "io_uring" }) do
      assert.are_not.equal("ok", answers[name], name)
    end
  end)

  it("are the user's with full network", function()
    local answers = families("full")
    for _, name in ipairs({ "tcp", "udp", "netlink", "unix_stream", "unix_datagram" }) do
      assert.equal("ok", answers[name], name)
    end
  end)

  it("let programs that pair sockets run", function()
    local r = run({ "python3", "-c", "import asyncio, subprocess\n"
                    .. "async def main():\n"
                    .. "  p = await asyncio.create_subprocess_exec('echo', 'hi',"
                    .. " stdout=subprocess.PIPE)\n"
                    .. "  print((await p.communicate())[0])\n"
                    .. "asyncio.run(main())" })
    assert.equal("b'hi\\n'\n", r.stdout)
  end)
end)

describe("the environment without full network", function()
  it("says so, with or without a sandbox", function()
    local script = "echo $CODEX_SANDBOX_NETWORK_DISABLED:$SBX_NETWORK_DISABLED"
    for _, opts in ipairs({ {}, { policy = "workspace-write" }, { policy = policy("loopback") },
                            { sandbox = "none" }, { clear_env = true },
                            { policy = { extends = "danger-full-access", network = "none" } } }) do
      opts.script = script
      assert.equal("1:1\n", run(opts).stdout)
    end
    assert.equal(":\n", run({ script = script, policy = "danger-full-access" }).stdout)
    assert.equal("0:1\n", run({ script = script,
                                env = { CODEX_SANDBOX_NETWORK_DISABLED = "0" } }).stdout)
  end)
end)
