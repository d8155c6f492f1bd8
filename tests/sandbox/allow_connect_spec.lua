-- network = {allow = {…}}: what is listed is connected to, by the supervisor on behalf of the
-- command, whatever the command is and does; nothing else is, by no way.
-- Each tier is asked for by name: the suite's run for one alone has nothing to add.
if os.getenv("SBX_TIER") == "landlock" then return end

local sbx = require "sbx"
local support = require "tests.support"

-- Accepts at two ports, each of 127.0.0.1 and ::1, and writes down what came. At a third nobody is
-- let in any more: its queue is full, as behind a black hole nothing is answered.
local SERVER = [[
import select, socket, sys
log = open(sys.argv[1] + "/log", "w")
def listen(family, host, port, backlog=512):
    s = socket.socket(family); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((host, port)); s.setsockopt(socket.IPPROTO_TCP, 23, 5); s.listen(backlog); return s
def port(s): return s.getsockname()[1]
yes, no = listen(socket.AF_INET, "127.0.0.1", 0), listen(socket.AF_INET, "127.0.0.1", 0)
full = listen(socket.AF_INET, "127.0.0.1", 0, 0)
names = {yes: "yes", no: "no"}
for s in (yes, no):
    names[listen(socket.AF_INET6, "::1", port(s))] = names[s] + "6"
kept = [socket.socket() for _ in range(2)]
for c in kept: c.setblocking(False); c.connect_ex(full.getsockname())
log.write("ready %d %d %d\n" % (port(yes), port(no), port(full))); log.flush()
while True:
    for s in select.select(list(names), [], [])[0]:
        try:
            c, _ = s.accept()
            log.write("met " + names[s] + "\n"); log.flush()
            c.send(b"HTTP/1.0 200 OK\r\n\r\n" + names[s].encode())
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\1\0\0\0")
            c.close()
        except OSError: pass
]]

local dir, server, yes, no, full

local function start()
  dir = support.directory()
  support.write(dir .. "/server.py", SERVER)
  support.shell("chmod 755 %s", dir)
  server = tonumber(support.output(("python3 %s/server.py %s >/dev/null 2>&1 & echo $!")
    :format(dir, dir)))
  assert(support.wait_until(function()
    return (support.read(dir .. "/log") or ""):match("ready.*\n")
  end, 20))
  yes, no, full = support.read(dir .. "/log"):match("ready (%d+) (%d+) (%d+)")
end

local function stop()
  support.kill(server)
  support.remove(dir)
end

local function met(name)
  support.sleep("0.1")
  local _, count = support.read(dir .. "/log"):gsub("met " .. name .. "\n", "")
  return count
end

local function run(opts)
  opts.cwd, opts.timeout_ms = opts.cwd or dir, opts.timeout_ms or 60000
  local r, err, out = sbx.run(opts)
  return assert(r or out, tostring(err)), err
end

local function allow(list, more)
  local policy = { extends = "read-only", network = { allow = list } }
  for name, value in pairs(more or {}) do policy[name] = value end
  return policy
end

local function listed() return allow({ "127.0.0.1:" .. yes, "[::1]:" .. yes }) end

-- What each way to the other port gives, where it is not EACCES.
local GIVES = {
  listed = "ok", listed6 = "ok", mapped_listed = "ok", nodelay = "ok", keepalive = "ok", tos = "ok",
  v6only = "ok", too_long = "EINVAL", short = "EINVAL", negative = "EINVAL", nowhere = "EFAULT",
  defer = "ENOPROTOOPT", defer_high = "ENOPROTOOPT", queue = "ENOPROTOOPT", ulp = "ENOPROTOOPT",
  route = "ENOPROTOOPT", rthdr = "ENOPROTOOPT", device = "ENOPROTOOPT", ifindex = "ENOPROTOOPT",
  dontroute = "ENOPROTOOPT", transparent = "ENOPROTOOPT", unknown = "ENOPROTOOPT",
  level = "ENOPROTOOPT", fastopen = "EOPNOTSUPP", fastopen_msg = "EOPNOTSUPP",
  fastopen_mmsg = "EOPNOTSUPP", fastopen_high = "EOPNOTSUPP", fastopen_memory = "EPIPE",
  fastopen_used = "EOPNOTSUPP", udp = "EPERM", udp6 = "EPERM", mptcp_high = "EPERM",
  sctp = "EPERM", sctp_packets = "EPERM", raw = "EPERM", packet = "EPERM", netlink = "EPERM",
  vsock = "EPERM", unix = "EPERM", unix_datagram = "EPERM", io_uring = "ENOSYS", bind = "EPERM",
  listen = "EPERM", listen_used = "EPERM", supervisors = "EPERM", closed = "EBADF",
  listener = "EPERM",
}
-- Those that reach it with full network.
local REACHES = { "other", "other6", "mapped", "any", "long", "fastopen", "fastopen_msg",
                  "fastopen_mmsg", "fastopen_high", "passed_on", "own_filter", "high_size" }

describe("addresses that are listed", function()
  setup(start)
  teardown(stop)

  for _, tier in ipairs(sbx.probe().tiers) do
    it("are reached, and no other by any way: " .. tier, function()
      local before = met("no") + met("no6")
      local r = run({ support.program("allowed"), "doors", yes, no, policy = listed(),
                      tier = tier })
      local answers = support.answers(r.stdout)
      for name, answer in pairs(answers) do
        assert.equal(GIVES[name] or "EACCES", answer, name)
      end
      for name in pairs(GIVES) do assert.is_string(answers[name], name) end
      assert.equal(before, met("no") + met("no6"))
      assert.matches("^supervisor", r.sandbox.enforced.network)
      assert.is_string(r.sandbox.enforced.unix_sockets)
      local exec = sbx.transform({ "true", cwd = dir, policy = listed(), tier = tier })
      assert.equal("allow", exec.plan.network)
    end)

    it("are the address that was judged, not what a thread makes of it: " .. tier, function()
      local r = run({ support.program("allowed"), "race", yes, no, "400",
                      policy = allow({ "127.0.0.1:" .. yes }), tier = tier })
      local refused, right, wrong = r.stdout:match("refused (%d+)\nright (%d+)\nwrong (%d+)")
      assert.equal("0", wrong)
      assert.is_true(tonumber(right) > 0 and tonumber(refused) > 0, r.stdout)
    end)

    it("are reached by many at once: " .. tier, function()
      local r = run({ support.program("allowed"), "many", yes, "50",
                      policy = allow({ "127.0.0.1:" .. yes }), tier = tier })
      assert.equal("up 50\n", r.stdout .. r.stderr)
    end)

    it("are reached on a thread's own descriptors, and after the first has gone: " .. tier,
       function()
      local r = run({ support.program("allowed"), "threads", yes, no,
                      policy = allow({ "127.0.0.1:" .. yes }), tier = tier })
      assert.equal("own up\nlast up\n", r.stdout .. r.stderr)
    end)

    it("count no process of the supervisor's as the command's: " .. tier, function()
      local r = run({ "python3", "-c", ([[
import os, socket
for _ in range(20): socket.create_connection(("127.0.0.1", %s))
if os.fork() == 0: os._exit(0)
os.wait()]]):format(yes), policy = allow({ "127.0.0.1:" .. yes }), tier = tier })
      assert.equal("", r.stderr)
      assert.equal(2, r.usage.processes)
    end)

    it("are reached by curl, and by one that blocks or not: " .. tier, function()
      local one = allow({ "127.0.0.1:" .. yes })
      local url = "http://127.0.0.1:%s/"
      assert.equal("yes", run({ "curl", "-sS", url:format(yes), policy = one,
                                tier = tier }).stdout)
      local r = run({ "curl", "-sS", url:format(no), policy = one, tier = tier })
      assert.equal(7, r.exit_code)
      r = run({ "python3", "-c", ([[
import asyncio, socket
s = socket.create_connection(("127.0.0.1", %s)); print(s.recv(100)[-3:])
async def main(port):
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        print((await reader.read(100))[-3:])
    except OSError as e: print(e.strerror)
asyncio.run(main(%s)); asyncio.run(main(%s))
]]):format(yes, yes, no), policy = one, tier = tier })
      assert.equal("b'yes'\nb'yes'\nPermission denied\n", r.stdout, r.stderr)
    end)

    it("one that doesn't answer holds up no other, and not the end: " .. tier, function()
      local r = run({ "python3", "-c", ([[
import os, socket, threading, time
def hang():
    s = socket.socket()
    s.connect(("127.0.0.1", %s))
for _ in range(20): threading.Thread(target=hang, daemon=True).start()
time.sleep(.3)
print(socket.create_connection(("127.0.0.1", %s)).recv(100)[-3:], flush=True)
s = socket.socket(); s.settimeout(.3)
try: s.connect(("127.0.0.1", %s))
except OSError as e: print(e, flush=True)
os._exit(0)
]]):format(full, yes, full), policy = allow({ "127.0.0.1:" .. yes, "127.0.0.1:" .. full }),
        tier = tier })
      assert.equal("b'yes'\ntimed out\n", r.stdout, r.stderr)
      assert.is_true(r.duration_ms < 15000)
      assert.equal(0, r.leftover)
    end)

    it("a command that is killed in the middle leaves nothing: " .. tier, function()
      local marker = support.marker()
      local _, err = run({ "python3", "-c", ([[
import socket, threading
for _ in range(8):
    threading.Thread(target=lambda: socket.create_connection(("127.0.0.1", %s))).start()
]]):format(full), marker, policy = allow({ "127.0.0.1:" .. full }), tier = tier,
        timeout_ms = 700 })
      assert.equal("timeout", err.kind)
      assert.is_true(support.gone(marker))
    end)

    it("are reached by one command after the other, each by its own list: " .. tier, function()
      for i = 1, 8 do
        local mine, other = i % 2 == 0 and yes or no, i % 2 == 0 and no or yes
        local r = run({ "bash", "-c", ("(exec 3<>/dev/tcp/127.0.0.1/%s) && echo in; "
          .. "(exec 3<>/dev/tcp/127.0.0.1/%s) && echo out"):format(mine, other),
          policy = allow({ "127.0.0.1:" .. mine }), tier = tier })
        assert.equal("in\n", r.stdout)
      end
    end)

    it("may be a network: " .. tier, function()
      local words = { "bash", "-c", ("(exec 3<>/dev/tcp/127.0.0.1/%s) && echo in"):format(yes) }
      for list, said in pairs({ ["127.0.0.0/8:"] = "in\n", ["0.0.0.0/0:"] = "in\n",
                                ["127.0.0.2/31:"] = "", ["10.0.0.0/8:"] = "" }) do
        words.policy, words.tier = allow({ list .. yes }), tier
        assert.equal(said, run(words).stdout, list)
      end
    end)

    it("go together with sockets that are listed: " .. tier, function()
      local path = dir .. "/socket-" .. tier
      local pid = tonumber(support.output(([[python3 -c 'import os, socket
s = socket.socket(socket.AF_UNIX); s.bind("%s"); s.listen(9)
while True: s.accept()[0].send(b"by path")' >/dev/null 2>&1 & echo $!]]):format(path)))
      assert.is_truthy(support.wait_until(function() return support.exists(path) end, 10))
      local r = run({ "python3", "-c", ([[
import socket
s = socket.socket(socket.AF_UNIX); s.connect("%s"); print(s.recv(100))
print(socket.create_connection(("127.0.0.1", %s)).recv(100)[-3:])
for other in ("%s/none", "\0abstract"):
    try: socket.socket(socket.AF_UNIX).connect(other)
    except OSError as e: print(e.strerror)
try: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
except OSError as e: print(e.strerror)
]]):format(path, yes, dir), tier = tier,
        policy = allow({ "127.0.0.1:" .. yes }, { unix_sockets = { path } }) })
      support.kill(pid)
      assert.equal("b'by path'\nb'yes'\nNo such file or directory\nPermission denied\n"
        .. "Operation not permitted\n", r.stdout, r.stderr)
    end)
  end

  it("are not the only ones with full network: the twin", function()
    local before = met("no") + met("no6")
    local r = run({ support.program("allowed"), "doors", yes, no, policy = {
      extends = "read-only", network = "full" } })
    local answers = support.answers(r.stdout)
    for _, name in ipairs(REACHES) do assert.equal("ok", answers[name], name) end
    assert.is_true(met("no") + met("no6") >= before + #REACHES)
  end)
end)
