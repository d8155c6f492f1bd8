-- unix_sockets: what is listed can be connected to without network, by the supervisor on behalf of
-- the command; nothing else can, whatever the command does meanwhile.
-- Each tier is asked for by name: the suite's run for one alone has nothing to add.
if os.getenv("SBX_TIER") == "landlock" then return end

local sbx = require "sbx"
local support = require "tests.support"

local SERVER = [[
import os, socket, sys, time
kinds = {"stream": socket.SOCK_STREAM, "seqpacket": socket.SOCK_SEQPACKET}
for word in sys.argv[2:]:
    kind, name = word.split(":")
    s = socket.socket(socket.AF_UNIX, kinds[kind])
    s.bind(os.path.join(sys.argv[1], name))
    s.listen(0 if name == "full" else 64)
    if name != "full" and os.fork() == 0:
        log = open(os.path.join(sys.argv[1], name + ".log"), "w")
        while True:
            c, _ = s.accept()
            log.write("accepted\n"); log.flush()
            try: c.send(b"hello from " + name.encode())
            except OSError: pass # it was closed already
            c.close()
    globals()["kept_" + name] = s
open(os.path.join(sys.argv[1], "ready"), "w").close()
time.sleep(60)
]]

local CLIENT = [[
import os, signal, socket, sys, threading
def tell(*words): print(*words, flush=True)
def reach(path, kind=socket.SOCK_STREAM):
    s = socket.socket(socket.AF_UNIX, kind)
    try:
        s.connect(path)
        return s.recv(100).decode()
    except OSError as e: return os.strerror(e.errno)
    finally: s.close()
]]

describe("sockets that are listed", function()
  local dir, server

  before_each(function()
    dir = support.directory()
    support.write(dir .. "/server.py", SERVER)
    support.shell("chmod 755 %s", dir)
    server = tonumber(support.output(("python3 %s/server.py %s stream:yes seqpacket:packet"
      .. " stream:no stream:full >/dev/null 2>&1 & echo $!"):format(dir, dir)))
    assert.is_true(support.wait_until(function() return support.exists(dir .. "/ready") end, 10))
  end)
  after_each(function()
    for _, pid in ipairs(support.children(server)) do support.kill(pid) end
    support.kill(server)
    support.remove(dir)
  end)

  local function run(tier, code, more)
    local policy = { extends = "read-only", exclude_slash_tmp = nil,
                     unix_sockets = { dir .. "/yes", dir .. "/packet", dir .. "/full" } }
    for name, value in pairs(more or {}) do policy[name] = value end
    local r, err, out = sbx.run({ "python3", "-c", CLIENT .. code, cwd = dir, policy = policy,
                                  tier = tier, timeout_ms = 30000 })
    return assert(r or out, err), err
  end

  local function accepted(name)
    local _, count = (support.read(dir .. "/" .. name .. ".log") or ""):gsub("accepted", "")
    return count
  end

  for _, tier in ipairs(sbx.probe().tiers) do
    it("are reached, and no other: " .. tier, function()
      local r = run(tier, ([[
tell(reach("%s/yes")); tell(reach("yes")); tell(reach("packet", socket.SOCK_SEQPACKET))
tell(reach("%s/no")); tell(reach("no")); tell(reach("/proc/self/cwd/no"))
tell(reach("missing")); tell(reach("\0abstract"))]]):format(dir, dir))
      assert.equal("hello from yes\nhello from yes\nhello from packet\nPermission denied\n"
        .. "Permission denied\nPermission denied\nNo such file or directory\nPermission denied\n",
        r.stdout)
      assert.equal(2, accepted("yes"))
      assert.equal(0, accepted("no"))
      assert.is_string(r.sandbox.enforced.unix_sockets)
      assert.is_string(r.sandbox.enforced.network)
    end)

    it("are the only kind: no datagram, no name, no other family: " .. tier, function()
      local r = run(tier, [[
def attempt(f):
    try: f(); tell("done")
    except OSError as e: tell(os.strerror(e.errno))
attempt(lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
attempt(lambda: socket.socket(socket.AF_INET))
attempt(lambda: socket.socket(socket.AF_UNIX).bind("/tmp/sbx-listed"))
attempt(lambda: socket.socket(socket.AF_UNIX).sendto(b"x", "no"))
a, b = socket.socketpair(); a.send(b"pair"); tell(b.recv(9).decode())]])
      assert.equal(("Operation not permitted\n"):rep(3) .. "Operation not supported\npair\n",
                   r.stdout)
      assert.is_false(support.exists("/tmp/sbx-listed"))
    end)

    it("are what was listed, not what a command puts at their path: " .. tier, function()
      -- in the contained tier it can't be moved to begin with
      local held = tier == "contained"
      local code = [[
try: os.rename("yes", "was"); os.%s("no", "yes")
except OSError as e: tell(os.strerror(e.errno))
tell(reach("yes"))]]
      for _, how in ipairs({ "rename", "link", "symlink" }) do
        local r = run(tier, code:format(how), { extends = "workspace-write",
                                                allow_missing = nil })
        assert.equal(held and "Device or resource busy\nhello from yes\n"
                     or "Permission denied\n", r.stdout, r.stderr)
        if not held then
          support.shell("cd %s; [ -e no ] || mv yes no; rm -f yes; mv was yes", dir)
        end
      end
      assert.equal(0, accepted("no"))
    end)

    it("are judged by what was looked at, not by what a thread makes of it: " .. tier, function()
      -- the address is changed between the listed path and the other one while it is being read
      local r = run(tier, ([[
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
yes, no = b"%s/yes\0", b"%s/no\0"
address = ctypes.create_string_buffer(110)
def put(path): ctypes.memmove(address, b"\1\0" + path.ljust(108, b"\0"), 110)
stop = False
def flip():
    while not stop: put(no); put(yes)
put(yes); t = threading.Thread(target=flip); t.start()
for i in range(300):
    s = socket.socket(socket.AF_UNIX); libc.connect(s.fileno(), address, 110); s.close()
stop = True; t.join(); tell("over")]]):format(dir, dir))
      assert.equal("over\n0", r.stdout .. r.stderr .. r.exit_code)
      assert.is_true(accepted("yes") > 0)
      assert.equal(0, accepted("no"))
    end)

    -- A call that was not taken up may still be interrupted: it is begun again where its handler
    -- says so, as most do (SA_RESTART).
    it("are reached under signals, and by many at once: " .. tier, function()
      local r = run(tier, [[
signal.signal(signal.SIGALRM, lambda *_: None); signal.siginterrupt(signal.SIGALRM, False)
signal.setitimer(signal.ITIMER_REAL, .001, .001)
good = sum(reach("yes") == "hello from yes" for i in range(100))
signal.setitimer(signal.ITIMER_REAL, 0)
results = []
def work():
    for i in range(10):
        answer = reach("yes")
        while answer == "Resource temporarily unavailable": answer = reach("yes")
        results.append(answer)
threads = [threading.Thread(target=work) for _ in range(24)]
[t.start() for t in threads]; [t.join() for t in threads]
tell(good, results.count("hello from yes"))]])
      assert.equal("100 240\n", r.stdout)
      assert.equal(340, accepted("yes"))
    end)

    it("one that doesn't answer holds up no other, and not the end: " .. tier, function()
      local r, err = run(tier, [[
s = [socket.socket(socket.AF_UNIX) for _ in range(5)]
for one in s: threading.Thread(target=lambda one=one: one.connect("full"), daemon=True).start()
import time; time.sleep(.3)
tell(reach("yes"))
os._exit(0)]])
      assert.is_nil(err)
      assert.equal("hello from yes\n", r.stdout)
      assert.is_true(r.duration_ms < 10000)
    end)
  end

  it("need network = none, or are a policy error", function()
    local r, err = sbx.run({ "true", cwd = dir, policy = {
      extends = "read-only", network = "loopback", unix_sockets = { dir .. "/yes" } } })
    assert.is_nil(r)
    assert.equal("policy", err.kind)
    assert.matches(dir .. "/yes", err.message, 1, true)
  end)

  it("can be given on the command line", function()
    local line = ("%s/bin/sbxlua run -q --unix-socket %s/yes -- python3 -c 'import socket;"
      .. "s=socket.socket(socket.AF_UNIX);s.connect(\"%s/yes\");print(s.recv(99).decode())'")
    assert.equal("hello from yes\n",
                 support.output(line:format(os.getenv("SBX_PREFIX"), dir, dir)))
  end)
end)
