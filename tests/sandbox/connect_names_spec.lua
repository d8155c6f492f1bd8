-- Names in network.allow: resolved once, when a command starts, and told inside; nothing else is
-- looked up, and what can't be held is said.
if os.getenv("SBX_TIER") == "landlock" then return end

local sbx = require "sbx"
local support = require "tests.support"

local function policy(allow, more)
  local made = { extends = "read-only", network = { allow = allow } }
  for name, value in pairs(more or {}) do made[name] = value end
  return made
end

local function has_tier(name)
  for _, tier in ipairs(sbx.probe().tiers) do
    if tier == name then return true end
  end
  return false
end

local NAMES = [[
import socket, sys
for name in sys.argv[1:]:
    try: print(sorted(set(a[4][0] for a in socket.getaddrinfo(name, 1)))[0])
    except OSError as e: print("unknown")
]]

describe("names", function()
  local dir, listener
  -- this machine's own name has an address everywhere
  local own = support.output("hostname"):gsub("\n", "")

  setup(function()
    dir = support.directory()
    listener = support.listener(dir)
  end)
  teardown(function()
    listener:close()
    support.remove(dir)
  end)

  local function run(opts)
    opts.cwd, opts.timeout_ms = dir, 30000
    local r, err, out = sbx.run(opts)
    return r or out, err
  end

  for _, tier in ipairs(sbx.probe().tiers) do
    it("that the host's own file has are reached: " .. tier, function()
      local r, err = run({ "curl", "-s", "-o", "/dev/null", "-w", "%{remote_port}",
                           "http://localhost:" .. listener.tcp, tier = tier,
                           policy = policy({ "localhost:" .. listener.tcp }) })
      assert(r, tostring(err))
      assert.equal(listener.tcp, r.stdout, r.stderr)
    end)

    it("without an address are a policy error that names the entry: " .. tier, function()
      local path = dir .. "/names.lua"
      support.write(path, "return {\n  extends = \"read-only\",\n  network = {\n    allow = {\n"
        .. "      \"127.0.0.1:1\",\n      \"no.such.name.invalid:1\",\n    },\n  },\n}\n")
      for _, spec in ipairs({ path, policy({ "no.such.name.invalid:1" }) }) do
        local r, err = run({ "true", policy = spec, tier = tier,
                             allow_missing = { "policy_entry" } })
        assert.is_nil(r)
        assert.equal("policy", err.kind)
        assert.matches('network.allow "no.such.name.invalid:1"', err.message, 1, true)
        if spec == path then assert.matches(path .. ":6: ", err.message, 1, true) end
      end
    end)
  end

  if has_tier("contained") then
    it("are told inside, the file is the same to the rest, and no other is known", function()
      local before = support.read("/etc/hosts")
      local r, err = run({ "cat", "/etc/hosts", tier = "contained",
                           policy = policy({ own .. ":1", own .. ":2", "localhost:3" }) })
      assert(r, tostring(err))
      local lines = assert(r.stdout:sub(1, #r.stdout - #before))
      assert.equal(before, r.stdout:sub(#lines + 1))
      assert.matches(" " .. own .. "\n", lines, 1, true)
      assert.matches(" localhost\n", lines, 1, true)
      for line in lines:gmatch("[^\n]+") do
        local _, count = ("\n" .. lines):gsub("\n" .. line:gsub("%p", "%%%0") .. "\n", "")
        assert.equal(1, count, line)
      end
      assert.equal(before, support.read("/etc/hosts"))
      r = run({ "python3", "-c", NAMES, own, "example.org", tier = "contained",
                policy = policy({ own .. ":1" }) })
      assert.matches("^[%x.:]+\nunknown\n$", r.stdout)
    end)

    it("can't be changed inside", function()
      local r = run({ "sh", "-c", "(echo 1.2.3.4 x >>/etc/hosts; mv /etc/hosts /tmp/x; rm -f"
                      .. " /etc/hosts; umount /etc/hosts) 2>&1; stat -c %a /etc/hosts",
                      tier = "contained", policy = policy({ own .. ":1" }) })
      assert.matches("444\n$", r.stdout)
      assert.is_nil(r.stdout:find("1.2.3.4", 1, true))
    end)

    it("are refused where the file can't be read, and run where that may be missing", function()
      local policies = {
        policy({ "example.org:1" }, { deny_read = { "/etc" } }),
        policy({ "example.org:1" }, { readable = { "/usr" } }),
      }
      for _, spec in ipairs(policies) do
        local r, err = run({ "true", policy = spec, tier = "contained" })
        assert.is_nil(r)
        assert.equal("policy", err.kind)
        assert.matches('network.allow "example.org:1"', err.message, 1, true)
      end
    end)

    it("and unrestricted files go together", function()
      local r, err = run({ "python3", "-c", NAMES, own, policy = {
        extends = "danger-full-access", network = { allow = { own .. ":1" } } },
        tier = "contained" })
      assert(r, tostring(err))
      assert.matches("^[%x.:]+\n$", r.stdout)
    end)
  end

  it("that a command can't look up are refused in the landlock tier, or said", function()
    local spec = policy({ "no.such.name.invalid:1" })
    local r, err = run({ "true", policy = spec, tier = "landlock" })
    assert.is_nil(r)
    assert.equal("policy", err.kind)
    assert.matches("allow_missing", err.message, 1, true)
    assert.matches('network.allow "no.such.name.invalid:1"', err.message, 1, true)
  end)

  it("are resolved within the time of the set-up", function()
    if not has_tier("contained") then return end -- what follows needs namespaces
    -- a look-up that has no end: the file that it begins with is a pipe that nobody writes
    local pipe, script = dir .. "/pipe", dir .. "/script.lua"
    support.write(script, [[
      local r, err = require "sbx".run { "true", setup_timeout_ms = 300, policy = {
        extends = "read-only", network = { allow = { "no.such.name.invalid:1" } } } }
      print(r, err.kind, err.step)]])
    local line = "mkfifo %s && unshare -Urm --propagation private sh -c"
      .. " 'mount --bind %s /etc/hosts && exec %s/bin/sbxlua %s'"
    assert.equal("nil\tsandbox\tsetup_timeout\n",
                 support.output(line:format(pipe, pipe, os.getenv("SBX_PREFIX"), script)))
  end)

  it("are not resolved by transform", function()
    local opts = { "true", policy = policy({ "no.such.name.invalid:1" }), cwd = dir }
    local exec = assert(sbx.transform(opts))
    local words = {}
    for i, word in ipairs(exec.command) do words[i] = support.quote(word) end
    local env = { "env -i" }
    for name, value in pairs(exec.env) do env[#env + 1] = support.quote(name .. "=" .. value) end
    local text = support.output(table.concat(env, " ") .. " " .. table.concat(words, " ")
                                .. " 2>&1; echo $?")
    assert.matches("no.such.name.invalid: .*\n125\n$", text)
  end)

  it("leave no process behind", function()
    run({ "true", policy = policy({ own .. ":1" }) })
    assert.is_truthy(support.wait_until(function()
      return support.output("ps -u $(id -u) -o comm= | grep -c '^sbx-resolver' || true") == "0\n"
    end))
  end)
end)

describe("under somebody else's listener", function()
  it("such a policy is refused, and another runs", function()
    local line = "%s %s/bin/sbxlua run -q %s -- true 2>&1; echo $?"
    local listening, prefix = support.program("listening"), os.getenv("SBX_PREFIX")
    local text = support.output(line:format(listening, prefix, "--allow-connect 127.0.0.1:1"))
    assert.matches("listener.*\n125\n$", text)
    assert.equal("0\n", support.output(line:format(listening, prefix, "")))
    assert.equal("0\n", support.output(line:format("", prefix, "--allow-connect 127.0.0.1:1")))
  end)
end)

describe("bad entries", function()
  it("are errors that say what to write", function()
    for entry, problem in pairs({
      ["127.0.0.1"] = "host and port", ["127.0.0.1:"] = "port", ["127.0.0.1:0"] = "port",
      ["127.0.0.1:65536"] = "port", ["::1:80"] = "host and port", ["[::1]"] = "host and port",
      ["[127.0.0.1]:80"] = "no host", ["256.0.0.1:1"] = "no host", ["1.2.3:1"] = "no host",
      ["01.2.3.4:1"] = "no host", [":80"] = "no host", ["*.example.org:1"] = "patterns",
      ["0.0.0.0:1"] = "127.0.0.1", ["[::]:1"] = "127.0.0.1", ["[::ffff:1.2.3.4]:1"] = "IPv4",
      ["10.0.0.1/8:1"] = "behind the 8", ["10.0.0.0/33:1"] = "more bits",
      ["http://x:1"] = "host and port", ["-x:1"] = "no host", ["a b:1"] = "no host",
      ["[fe80::1%eth0]:1"] = "no host", ["x:http"] = "port",
    }) do
      local ok, err = pcall(sbx.run, { "true", cwd = "/", policy = policy({ entry }) })
      assert.is_false(ok, entry)
      assert.matches("network.allow", tostring(err), 1, true)
      assert.matches(problem, tostring(err), 1, true)
    end
  end)

  it("of a file name file and line, of the command line the option's value", function()
    local here = support.directory()
    support.write(here .. "/p.lua",
                  "return {\n  extends = \"read-only\",\n  network = { allow = { \"x\" } },\n}")
    local _, err = sbx.run({ "true", cwd = "/", policy = here .. "/p.lua" })
    assert.equal("policy", err.kind)
    assert.matches(here .. "/p.lua:3: network.allow \"x\"", err.message, 1, true)
    support.remove(here)
    local text = support.output(os.getenv("SBX_PREFIX")
                                .. "/bin/sbxlua run --allow-connect x -- true 2>&1; echo $?")
    assert.matches("\"x\".*\n125\n$", text)
  end)

  it("can't be held for another platform", function()
    local _, err = sbx.transform({ "true", cwd = "/", sandbox = "macos-seatbelt",
                                   policy = policy({ "127.0.0.1:1" }) })
    assert.equal("policy", err.kind)
  end)
end)
