-- A web server and its client under network = "loopback": they talk to each other on 127.0.0.1 and
-- ::1; the host is neither reached nor reaches them.
local sbx = require "sbx"
local support = require "tests.support"
local tools = require "tests.tools"

tools.skip = function(why) pending(why) end

-- Serves the directory on both addresses at the port that is its argument, and asks itself.
local BOTH = [[
import http.server, socket, sys, threading, urllib.request
port = int(sys.argv[1])
class Six(http.server.ThreadingHTTPServer): address_family = socket.AF_INET6
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words): pass
def ask(address):
    with urllib.request.urlopen("http://%s:%d/page" % (address, port), timeout=10) as answer:
        print(address, answer.status, answer.read().decode().strip(), flush=True)
servers = [http.server.ThreadingHTTPServer(("127.0.0.1", port), Quiet), Six(("::1", port), Quiet)]
for server in servers: threading.Thread(target=server.serve_forever, daemon=True).start()
for address in ("127.0.0.1", "[::1]", "localhost"): ask(address)
if len(sys.argv) > 2:
    print("serving", flush=True); sys.stdin.read()
]]

local ANSWERS = "127.0.0.1 200 hello\n[::1] 200 hello\nlocalhost 200 hello\n"

local function policy(network) return { extends = "workspace-write", network = network } end

-- A port that nobody listens on just now.
local function free_port()
  return support.output([[python3 -c '
import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])']]):match("%d+")
end

local function host_connects(port, address)
  local line = ("timeout 2 bash -c 'exec 3<>/dev/tcp/%s/%s' 2>/dev/null && echo yes")
    :format(address or "127.0.0.1", port)
  return support.output(line) == "yes\n"
end

tools.each_tier("a web server and its client", function(test, tier)
  local function prepare(place)
    place:write("page", "hello\n")
    place:write("both.py", BOTH)
  end

  test("meet on 127.0.0.1 and ::1, also where the host listens on that port", { "python3" },
       function(place)
    prepare(place)
    local listener = support.listener(place.directory)
    finally(function() listener:close() end)
    assert.equal(ANSWERS, place:output({ "python3", "both.py", listener.tcp },
                                       { policy = policy("loopback") }))
    support.sleep("0.1")
    assert.same({}, listener:heard())
    -- the twin: with the host's network that port is the host's
    local r, _, out = place:run({ "python3", "both.py", listener.tcp }, { policy = policy("full") })
    assert.matches("Address already in use", (r or out).stderr)
    assert.equal(1, (r or out).exit_code)
  end)

  local function serve(place, network, port)
    local job = assert(sbx.spawn({ "python3", "both.py", port, "stay", cwd = place.work,
      tier = tier, policy = policy(network), stdin = true, timeout_ms = 20000,
      env = { HOME = place.home } }))
    finally(function() job:kill() end)
    for _, line in job:lines() do
      if line == "serving" then return job end
    end
  end

  test("aren't reached by the host, which reaches a server with full network",
       { "python3", "bash" }, function(place)
    prepare(place)
    for network, reached in pairs({ loopback = false, full = true }) do
      local port = free_port()
      local job = serve(place, network, port)
      assert.is_truthy(job, network)
      assert.equal(reached, host_connects(port), network)
      assert.equal(reached, host_connects(port, "::1"), network)
      job:write(nil)
      local r, err = job:wait()
      assert.equal(0, assert(r, tostring(err)).exit_code)
    end
  end)

  test("aren't reached by another command with a loopback of its own", { "python3", "bash" },
       function(place)
    prepare(place)
    local port = free_port()
    local job = serve(place, "loopback", port)
    assert.is_truthy(job)
    local r, _, out = place:run({ "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/" .. port },
                                { policy = policy("loopback") })
    assert.are_not.equal(0, (r or out).exit_code)
    job:write(nil)
    assert(job:wait())
  end)

  test("are refused without a network", { "python3" }, function(place)
    prepare(place)
    local r, err, out = place:run({ "python3", "both.py", free_port() })
    assert.is_nil(r)
    assert.equal("denied", err.kind)
    assert.matches("PermissionError", out.stderr)
  end)

  test("are any programs: http.server and curl", { "python3", "curl" }, function(place)
    prepare(place)
    local text = place:output([[
      python3 -m http.server --bind 127.0.0.1 8000 >log 2>&1 &
      for i in 1 2 3 4 5 6 7 8 9 10; do
        curl -sf --noproxy '*' http://127.0.0.1:8000/page && break; sleep 0.3
      done
      kill $!; grep -c 'GET /page' log]], { policy = policy("loopback") })
    assert.equal("hello\n1\n", text)
  end)
end)
