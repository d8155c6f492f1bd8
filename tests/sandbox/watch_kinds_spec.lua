-- What a watched run tells of addresses, of what can't be read, of protected names and of what the
-- filter refuses.
local support = require "tests.support"
local watch = require "tests.sandbox.watch"

local CONNECT = [[
import errno, socket, sys
def attempt(f):
    try: f(); print("OK", flush=True)
    except OSError as e: print(errno.errorcode[e.errno], flush=True)
def tcp(address, family=socket.AF_INET):
    return lambda: socket.socket(family, socket.SOCK_STREAM).connect(address)
]]

for _, tier in ipairs(watch.tiers()) do
  describe("a watched run in the " .. tier .. " tier", function()
    local scene

    before_each(function() scene = watch.new() end)
    after_each(function() scene:close() end)

    it("tells the address that was wanted, and reaches nobody", function()
      local listener = support.listener(scene.dir)
      local r = scene:python(tier, CONNECT .. ([[
port = %s
attempt(tcp(("127.0.0.1", port))); attempt(tcp(("127.0.0.1", port)))
attempt(tcp(("::1", port), socket.AF_INET6))
attempt(tcp(("::ffff:127.0.0.1", port), socket.AF_INET6))
attempt(lambda: socket.socket().sendto(b"x", socket.MSG_FASTOPEN, ("127.0.0.1", port)))
attempt(lambda: socket.socket().sendmsg([b"x"], [], socket.MSG_FASTOPEN, ("127.0.0.1", port)))
attempt(lambda: socket.socket().bind(("0.0.0.0", 0)))
attempt(lambda: socket.socket().listen())]]):format(listener.tcp))
      assert.equal(("EPERM\n"):rep(4) .. ("ENOTSUP\n"):rep(2) .. ("EPERM\n"):rep(2), r.stdout)
      support.sleep("0.2")
      assert.same({}, listener:heard())
      local host = "127.0.0.1:" .. listener.tcp
      assert.equal(2, watch.about(r, host).count)
      assert.equal("connect", watch.about(r, host).operation)
      assert.equal("EPERM", watch.about(r, host).errno)
      assert.matches('network = "none"', watch.about(r, host).rule)
      assert.is_truthy(watch.about(r, "[::1]:" .. listener.tcp))
      assert.is_truthy(watch.about(r, "[::ffff:127.0.0.1]:" .. listener.tcp))
      assert.equal("bind", watch.about(r, "0.0.0.0:0").operation)
      listener:close()
    end)

    it("doesn't take a connect for the reason that nobody would have answered", function()
      local listener = support.listener(scene.dir)
      local function connect(port)
        return scene:python(tier, ("import socket\nsocket.create_connection(('127.0.0.1', %s))")
                            :format(port))
      end
      assert.equal("confirmed", connect(listener.tcp).denial.verdict)
      local r = connect(1)
      assert.equal("connect", watch.about(r, "127.0.0.1:1").operation)
      assert.equal("none", r.denial.verdict)
      assert.matches("nobody listens", r.denial.reason)
      listener:close()
      -- a server of its own that was refused its port would have
      r = scene:python(tier, [[
import socket
try: socket.socket().bind(("127.0.0.1", 9))
except OSError: pass
socket.create_connection(("127.0.0.1", 9))]])
      assert.equal("confirmed", r.denial.verdict)
    end)

    it("leaves out what an ordinary user may not do anyway", function()
      if support.is_root then pending("tried as an ordinary user") end
      local r = scene:run(tier, "unshare -n true")
      assert.same({}, r.denial.evidence)
      assert.equal("none", r.denial.verdict)
      assert.equal("confirmed", scene:run(tier, "unshare -Ur true").denial.verdict)
    end)

    it("tells what stands where a device was a moment ago", function()
      if not support.is_root then pending("only root can make a device") end
      support.shell("mkdir %s/d; mknod -m 666 %s/d/nul c 1 3; chown 1000 %s/d; chmod 777 %s/d",
                    scene.work, scene.work, scene.work, scene.work)
      local target = scene.out .. "/write"
      local r = scene:run(tier, ("echo a >>d/nul; rm d/nul; ln -s %s d/nul; echo b >>d/nul"):format(
        target))
      assert.equal("write", watch.about(r, target).operation)
      assert.equal("denied", r.status)
    end)

    it("tells the socket that was wanted, and reaches nobody there", function()
      local listener = support.listener(scene.dir)
      local r = scene:python(tier, CONNECT .. ([[
def unix(path): return lambda: socket.socket(socket.AF_UNIX).connect(path)
attempt(unix(%q)); attempt(unix("/nonexistent/socket")); attempt(unix("\0abstract"))
attempt(lambda: socket.socket(socket.AF_UNIX).bind("own"))]]):format(listener.stream))
      assert.equal(("EPERM\n"):rep(4), r.stdout)
      support.sleep("0.2")
      assert.same({}, listener:heard())
      assert.equal("connect", watch.about(r, "unix:" .. listener.stream).operation)
      assert.is_nil(watch.about(r, "unix:/nonexistent/socket"))
      assert.equal("connect", watch.about(r, "unix:@abstract").operation)
      assert.same({ listener.stream }, r.denial.suggest.unix_sockets)
      listener:close()
    end)

    it("makes no other socket than TCP's, and nothing can be done with that", function()
      local r = scene:python(tier, CONNECT .. [[
S = socket
for family, kind, protocol in [(2, 2, 0), (2, 3, 1), (2, 5, 0), (2, 5, 132), (2, 1, 132),
        (2, 1, 262), (10, 2, 0), (10, 1, 262), (1, 2, 0), (16, 3, 0), (17, 3, 0),
        (38, 5, 0), (40, 1, 0), (43, 1, 0)]:
    attempt(lambda: S.socket(family, kind, protocol))
import fcntl, struct # SIOCGIFCONF: what the host's interfaces are
attempt(lambda: fcntl.ioctl(S.socket(), 0x8912, bytes(16)))
group = struct.pack("I4xHH4s120x", 1, 2, 0, bytes([239, 1, 2, 3]))
attempt(lambda: S.socket().setsockopt(0, 42, group)) # MCAST_JOIN_GROUP: would send a packet
attempt(lambda: S.socket(10, 1).setsockopt(41, 42, group))
attempt(lambda: S.socket().setsockopt(6, 31, b"smc"))
attempt(lambda: S.socket().setsockopt(6, 30, 1))
attempt(lambda: S.socket().setsockopt(6, 1, 1)); attempt(lambda: S.socket().setsockopt(1, 2, 1))
attempt(lambda: S.socket(10, 1).setsockopt(41, 26, 1)); attempt(lambda: S.socketpair())]])
      assert.equal(("EPERM\n"):rep(15) .. ("ENOPROTOOPT\n"):rep(4) .. ("OK\n"):rep(4), r.stdout)
      local families = {}
      for _, one in ipairs(r.denial.evidence) do
        assert.equal("socket", one.operation)
        assert.equal("EPERM", one.errno)
        families[one.family .. " " .. one.kind] = true
      end
      for _, what in ipairs({ "inet dgram", "inet raw", "unix dgram", "netlink raw" }) do
        assert.is_true(families[what], what)
      end
    end)

    it("tells what is outside of a loopback of its own", function()
      local r = scene:python(tier, CONNECT .. [[
server = socket.create_server(("127.0.0.1", 0))
attempt(tcp(server.getsockname())); attempt(tcp(("192.0.2.1", 80)))
attempt(lambda: socket.socket(2, 2).sendto(b"x", ("192.0.2.2", 53)))
attempt(lambda: socket.socket(2, 2).sendto(b"x", ("127.0.0.1", 53)))]],
        { policy = { network = "loopback" } })
      assert.equal("OK\nENETUNREACH\nENETUNREACH\nOK\n", r.stdout)
      assert.same({ "connect 192.0.2.1:80 ENETUNREACH", "send 192.0.2.2:53 ENETUNREACH" },
                  watch.lines(r))
    end)

    it("tells addresses of IPv4 in the form of IPv6 likewise, not those inside", function()
      local r = scene:python(tier, CONNECT .. [[
six = socket.AF_INET6
attempt(lambda: socket.socket(six).bind(("::ffff:127.0.0.1", 0)))
attempt(lambda: socket.socket(six).bind(("::ffff:0.0.0.0", 0)))
attempt(lambda: socket.socket(six).bind(("::1", 0)))
attempt(lambda: socket.socket(six).bind(("::", 0)))
attempt(tcp(("::ffff:192.0.2.1", 80), six)); attempt(tcp(("2001:db8::1", 80), six))]],
        { policy = { network = "loopback" } })
      assert.equal(("OK\n"):rep(4) .. ("ENETUNREACH\n"):rep(2), r.stdout, r.stderr)
      assert.same({ "connect [2001:db8::1]:80 ENETUNREACH",
                    "connect [::ffff:192.0.2.1]:80 ENETUNREACH" }, watch.lines(r))
    end)

    it("connects to listed sockets, and tells of others", function()
      local listener = support.listener(scene.dir)
      local r = scene:python(tier, CONNECT .. ([[
directory = %q
unix = lambda path: lambda: socket.socket(socket.AF_UNIX).connect(path)
attempt(unix(directory + "/stream.sock")); attempt(unix("../stream.sock"))
attempt(unix(directory + "/other")); attempt(unix("\0" + "abstract"))
attempt(unix(directory + "/missing"))
attempt(tcp(("127.0.0.1", %s)))]]):format(scene.dir, listener.tcp), {
        policy = { unix_sockets = { listener.stream } } })
      -- what is no socket is nobody's list's
      local expected = "OK\nOK\nENOENT\nEACCES\nENOENT\nEACCES\n"
      assert.equal(expected, r.stdout)
      assert.same({ "connect 127.0.0.1:" .. listener.tcp .. " EACCES",
                    "connect unix:@abstract EACCES" }, watch.lines(r))
      listener:close()
    end)

    it("tells of calls that the filter refuses", function()
      local r = scene:python(tier, [[
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(*args): print(libc.syscall(*args), ctypes.get_errno())
call(272, 0x10000000); call(321, 0, 0, 0) # unshare(CLONE_NEWUSER), bpf
os.close(os.open("own", os.O_CREAT | os.O_WRONLY))
try: os.chmod("own", 0o4755)
except OSError as e: print(e.errno)]])
      assert.equal("-1 1\n-1 1\n1\n", r.stdout)
      local calls = {}
      for _, one in ipairs(r.denial.evidence) do
        calls[one.syscall] = one.operation .. " " .. one.layer
      end
      assert.equal("other seccomp", calls.unshare)
      assert.equal("other seccomp", calls.bpf)
      assert.equal("metadata seccomp", calls.chmod or calls.fchmodat)
      assert.equal(3, #r.denial.evidence)
    end)

    it("tells what can't be read, and nothing of what can", function()
      if tier == "landlock" then return pending("deny_read needs the contained tier") end
      support.shell("mkdir %s/hidden; echo x >%s/hidden/f; echo x >%s/secret; echo x >%s/open",
                    scene.out, scene.out, scene.out, scene.out)
      local r = scene:run(tier, ("cat %s/hidden/f %s/secret %s/open; ls %s/hidden"):format(
        scene.out, scene.out, scene.out, scene.out), {
        policy = { deny_read = { scene.out .. "/hidden", scene.out .. "/secret" } } })
      assert.equal("x\n", r.stdout)
      assert.same({ "read " .. scene.out .. "/hidden EACCES",
                    "read " .. scene.out .. "/hidden/f EACCES",
                    "read " .. scene.out .. "/secret EACCES" }, watch.lines(r))
      assert.matches("deny_read", r.denial.evidence[1].rule)
    end)

    it("tells what readable leaves out", function()
      support.write(scene.out .. "/open", "x\n")
      support.write(scene.dir .. "/closed", "x\n")
      local r = scene:run(tier, ("cat %s/open %s/closed"):format(scene.out, scene.dir), {
        policy = { readable = { "${platform}", scene.out } } })
      assert.equal("x\n", r.stdout, r.stderr)
      local one = watch.about(r, scene.dir .. "/closed")
      assert.is_truthy(one)
      assert.equal("read EACCES landlock", ("%s %s %s"):format(one.operation, one.errno, one.layer))
      assert.is_nil(watch.about(r, scene.out .. "/open"))
    end)

    it("tells of protected names", function()
      if tier == "landlock" then return pending("only the contained tier holds this") end
      support.shell("mkdir %s/.git; echo x >%s/.git/config", scene.work, scene.work)
      local r = scene:run(tier, [[echo x >.git/config; mv .git git; rmdir .git/x .codex
        mkdir .git/hooks; chmod 777 .git; touch fine]])
      assert.same({
        "create " .. scene.work .. "/.git/hooks EROFS", "delete " .. scene.work .. "/.codex EBUSY",
        "metadata " .. scene.work .. "/.git EROFS", "rename " .. scene.work .. "/.git EBUSY",
        "write " .. scene.work .. "/.git/config EROFS",
      }, watch.lines(r))
      for _, one in ipairs(r.denial.evidence) do assert.matches("protect", one.rule) end
      assert.is_true(support.exists(scene.work .. "/fine"))
    end)

    it("tells root what it lacks the power for, and nobody else", function()
      if not support.is_root then
        local r = scene:run(tier, "mkdir /etc/x; touch /etc/passwd; rm /etc/hostname; chmod 1 /etc")
        assert.same({}, watch.lines(r))
        assert.is_true(r.denial.watched)
        return
      end
      support.shell("mkdir %s/theirs; chown 12345 %s/theirs; chmod 700 %s/theirs", scene.work,
                    scene.work, scene.work)
      local r = scene:run(tier, "touch theirs/x; chmod 755 theirs; mkdir mine")
      local one = watch.about(r, scene.work .. "/theirs/x")
      assert.equal("capabilities EACCES", one.layer .. " " .. one.errno)
      assert.is_nil(watch.about(r, scene.work .. "/mine"))
    end)
  end)
end
