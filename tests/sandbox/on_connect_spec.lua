-- on_connect: a function of the host's decides on an address when a command wants it. Only a yes in
-- time is one; the host's own loop is never held up.
if os.getenv("SBX_TIER") == "landlock" then return end

local sbx = require "sbx"
local support = require "tests.support"

local dir, listener

local function policy(allow)
  return { extends = "read-only", network = { allow = allow or {} } }
end

-- Connects to each port in turn; "in", or why not.
local CLIENT = [[
import socket, sys, time
for port in sys.argv[1:]:
    try:
        s = socket.create_connection(("127.0.0.1", int(port))); print("in", flush=True)
    except OSError as e: print(e.strerror, flush=True)
]]

local function run(on_connect, more)
  local opts = { "python3", "-c", CLIENT, listener.tcp, cwd = dir, policy = policy(),
                 on_connect = on_connect, timeout_ms = 30000 }
  for name, value in pairs(more or {}) do opts[name] = value end
  local r, err, out = sbx.run(opts)
  return assert(r or out, tostring(err))
end

local function met() return listener:heard().tcp or 0 end

describe("on_connect", function()
  setup(function()
    dir = support.directory()
    listener = support.listener(dir)
  end)
  teardown(function()
    listener:close()
    support.remove(dir)
  end)

  for _, tier in ipairs(sbx.probe().tiers) do
    it("is told who wants what, and its yes connects: " .. tier, function()
      local asked, before = {}, met()
      local r = run(function(request)
        asked[#asked + 1] = request
        return true
      end, { tier = tier })
      assert.equal("in\n", r.stdout, r.stderr)
      assert.equal(1, #asked)
      assert.same({ "127.0.0.1", tonumber(listener.tcp), "inet", "python3" },
                  { asked[1].address, asked[1].port, asked[1].family,
                    asked[1].program:match("^python3") })
      assert.is_true(asked[1].pid > 0)
      assert.is_nil(asked[1].host)
      assert.is_truthy(support.wait_until(function() return met() == before + 1 end))
      assert.matches("on_connect", r.sandbox.enforced.network)
    end)

    it("anything but true is a no: " .. tier, function()
      local before = met()
      for _, no in ipairs({
        function() return false end, function() return nil end, function() return "yes" end,
        function() return 1 end, function() error("broken") end, function() error({}) end,
      }) do
        assert.equal("Permission denied\n", run(no, { tier = tier }).stdout)
      end
      support.sleep("0.1")
      assert.equal(before, met())
    end)

    it("what it says no to is told, live and in the result, by the process's number: " .. tier,
       function()
      local told = {}
      local r = run(function(request) return request.port == 1 and error("broken") or false end, {
        tier = tier, "sh", "-c", [[python3 -c "$0" 1; exec python3 -c "$0" "$1"]], CLIENT,
        listener.tcp, on_refused = function(entry) told[#told + 1] = entry.address end,
      })
      if not r.denial.watched then return pending("no watch here") end
      local addresses = { "127.0.0.1:1", "127.0.0.1:" .. listener.tcp }
      assert.same(addresses, told)
      assert.same(addresses, { r.denial.evidence[1].address, r.denial.evidence[2].address })
      assert.are_not.equal(r.denial.evidence[1].pid, r.denial.evidence[2].pid)
      assert.matches("on_connect", r.denial.evidence[1].rule)
      assert.matches("broken", r.denial.callback_error)
    end)

    it("more of that than is kept is counted: " .. tier, function()
      local r = run(function() return false end, { tier = tier, watch = true, "python3", "-c", [[
import socket
for i in range(300):
    try: socket.create_connection(("127.1.%d.%d" % (i // 250, i % 250 + 1), 9))
    except OSError: pass]] })
      if not r.denial.watched then return pending("no watch here") end
      assert.equal(300, #r.denial.evidence + r.denial.dropped)
      assert.equal("127.1.1.50:9", r.denial.evidence[#r.denial.evidence].address)
    end)

    it("a yes after more than a second is a no: " .. tier, function()
      local before = met()
      local r = run(function()
        support.sleep("1.4")
        return true
      end, { tier = tier })
      assert.equal("Permission denied\n", r.stdout)
      support.sleep("0.1")
      assert.equal(before, met())
    end)

    it("isn't asked about what is listed: " .. tier, function()
      local asked = 0
      local r = run(function() asked = asked + 1 end,
                    { tier = tier, policy = policy({ "127.0.0.1:" .. listener.tcp }) })
      assert.equal("in\n", r.stdout)
      assert.equal(0, asked)
    end)

    it("is told the name of an address that is listed by name: " .. tier, function()
      local host
      run(function(request)
        host = request.host
        return false
      end, { tier = tier, policy = policy({ "localhost:1" }) })
      assert.equal("localhost", host)
    end)
  end

  it("is asked for each of many at once, and for each anew", function()
    local asked = 0
    local r = run(function(request)
      asked = asked + 1
      return request.port == tonumber(listener.tcp) and asked % 2 == 1
    end, { "python3", "-c", CLIENT, listener.tcp, listener.tcp, listener.tcp })
    assert.equal("in\nPermission denied\nin\n", r.stdout)
    asked = 0
    r = run(function()
      asked = asked + 1
      return true
    end, { "bash", "-c", ("for i in {1..20}; do (exec 3<>/dev/tcp/127.0.0.1/%s && echo in) & done;"
      .. " wait"):format(listener.tcp) })
    assert.equal(20, asked)
    assert.equal(("in\n"):rep(20), r.stdout)
  end)

  it("may stand in a policy's file, and the caller's own goes before it", function()
    support.write(dir .. "/asking.lua", ([[
return {
  extends = "read-only", network = { allow = {} },
  on_connect = function(request) return request.port == %s end,
}]]):format(listener.tcp))
    local file = { policy = dir .. "/asking.lua" }
    assert.equal("in\n", run(nil, file).stdout)
    assert.equal("Permission denied\n", run(function() return false end, file).stdout)
    local line = "%s/bin/sbxlua run -q -p %s/asking.lua -- python3 -c %s %s"
    line = line:format(os.getenv("SBX_PREFIX"), dir, support.quote(CLIENT), listener.tcp)
    assert.equal("in\n", support.output(line))
  end)

  it("is asked while a host's own loop goes on", function()
    local turns, answered = 0, false
    local r, err
    local co = coroutine.create(function()
      r, err = sbx.run({ "python3", "-c", CLIENT, listener.tcp, cwd = dir, policy = policy(),
                         on_connect = function()
                           answered = true
                           return true
                         end,
                         loop = function(job, ms) return coroutine.yield(job, ms) end })
    end)
    local ok, job = coroutine.resume(co)
    while coroutine.status(co) == "suspended" do
      assert.is_true(ok, tostring(job))
      turns = turns + 1
      support.sleep("0.01")
      ok, job = coroutine.resume(co, true)
    end
    assert.is_true(ok, tostring(job))
    assert.equal("in\n", assert(r, tostring(err)).stdout)
    assert.is_true(answered and turns > 1)
  end)

  it("is asked in steps, polls, pieces and lines", function()
    local function spawn()
      return assert(sbx.spawn({ "python3", "-c", CLIENT, listener.tcp, cwd = dir,
                                policy = policy(), on_connect = function() return true end,
                                timeout_ms = 20000 }))
    end
    local job = spawn()
    while not job:poll(1000) do end
    assert.equal("in\n", job:wait().stdout)
    job = spawn()
    local event
    repeat
      event = job:step()
      if not event then support.sleep("0.01") end
    until event == "end"
    assert.equal("in\n", job:wait().stdout)
    job = spawn()
    local text = ""
    for _, line in job:lines() do text = text .. line end
    assert.equal("in", text)
    -- who listens to output, too
    local heard = ""
    local r = run(function() return true end,
                  { on_output = function(_, piece) heard = heard .. (piece or "") end })
    assert.equal("in\n", heard)
    assert.equal("in\n", r.stdout)
  end)

  it("finds nobody to ask in a host that doesn't look: a no", function()
    local job = assert(sbx.spawn({ "python3", "-c", CLIENT, listener.tcp, cwd = dir,
                                   policy = policy(), on_connect = function() return true end,
                                   timeout_ms = 20000 }))
    support.sleep("2.5")
    assert.equal("Permission denied\n", job:wait().stdout)
  end)

  it("can't be asked so often that the host misses the end", function()
    local job = assert(sbx.spawn({ "python3", "-c", [[
import socket, threading
def work():
    for _ in range(4):
        try: socket.create_connection(("127.0.0.1", 9))
        except OSError: pass
threads = [threading.Thread(target=work) for _ in range(60)]
[t.start() for t in threads]; [t.join() for t in threads]
print("over")]], cwd = dir, policy = policy(), on_connect = function() return false end,
                                   timeout_ms = 30000 }))
    support.sleep("9")
    local r, err = job:wait()
    assert.equal("over\n", assert(r, tostring(err)).stdout)
  end)

  it("can kill the job that asks, and close it", function()
    local job
    job = assert(sbx.spawn({ "sh", "-c", "sleep 0.2; exec python3 -c '" .. CLIENT .. "' "
                             .. listener.tcp, cwd = dir, policy = policy(),
                             on_connect = function() job:kill() end }))
    local _, err = job:wait()
    assert.equal("cancelled", err.kind)
    job = assert(sbx.spawn({ "python3", "-c", CLIENT, listener.tcp, cwd = dir, policy = policy(),
                             on_connect = function() return true end }))
    support.sleep("0.5")
    job:close()
  end)
end)

describe("misuse of on_connect", function()
  local function thrown(opts)
    opts[1], opts.cwd = "true", "/"
    local ok, err = pcall(sbx.run, opts)
    assert.is_false(ok)
    return tostring(err)
  end

  it("throws, or is a policy error with its place", function()
    local yes = function() return true end
    assert.matches("must be a function", thrown({ on_connect = true }))
    assert.matches("on_connect must be a function",
                   thrown({ policy = { extends = "read-only", on_connect = "x",
                                       network = { allow = {} } } }))
    assert.matches("allow = {}", thrown({ on_connect = yes }), 1, true)
    assert.matches("allow = {}", thrown({ policy = { extends = "read-only", network = "loopback",
                                                     on_connect = yes } }), 1, true)
    assert.matches("sandbox = \"none\"", thrown({ on_connect = yes, sandbox = "none" }), 1, true)
    local here = support.directory()
    support.write(here .. "/p.lua",
                  "return {\n  extends = \"read-only\",\n  on_connect = error,\n}")
    local _, err = sbx.run({ "true", cwd = "/", policy = here .. "/p.lua" })
    assert.equal("policy", err.kind)
    assert.matches(here .. "/p.lua:3: on_connect", err.message, 1, true)
    support.remove(here)
    local exec
    exec, err = sbx.transform({ "true", cwd = "/", policy = {
      extends = "read-only", network = { allow = {} }, on_connect = yes } })
    assert.is_nil(exec)
    assert.equal("policy", err.kind)
    assert.has_error(function() sbx.transform({ "true", cwd = "/", on_connect = yes }) end)
  end)
end)
