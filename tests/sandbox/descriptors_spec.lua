-- The command starts with what a program expects and with nothing of its host's: descriptors,
-- signals, session, working directory.
local sbx = require "sbx"
local support = require "tests.support"

local POLICIES = { "read-only", "workspace-write", "danger-full-access" }

local function run(opts)
  local r, err = sbx.run(opts)
  return assert(r, tostring(err))
end

describe("descriptors", function()
  for _, policy in ipairs(POLICIES) do
    it("are 0, 1 and 2 alone under " .. policy, function()
      -- held open by the host, without close-on-exec where Lua's io can do it
      local held = { assert(io.open("/etc/passwd")), assert(io.popen("sleep 5", "w")) }
      local r = run({ "sh", "-c", "ls /proc/$$/fd; true", policy = policy })
      assert.equal("0\n1\n2\n", r.stdout)
      held[1]:close()
    end)

    it("are /dev/null and two pipes under " .. policy, function()
      local r = run({ "sh", "-c", "readlink /proc/$$/fd/0; readlink /proc/$$/fd/1;"
                      .. " readlink /proc/$$/fd/2", policy = policy })
      assert.matches("^/dev/null\npipe:%S+\npipe:%S+\n$", r.stdout)
      assert.equal("", run({ "cat", policy = policy }).stdout)
    end)
  end

  it("that a host left open on purpose don't arrive", function()
    local dir = support.directory()
    local cpath = support.module("sbxhost")
    support.write(dir .. "/secret", "of the host\n")
    local host = support.host(dir, [[
      package.cpath = arg[1] .. ";" .. package.cpath
      local host, sbx = require "sbxhost", require "sbx"
      for _ = 1, 20 do host.open("secret") end
      for _, policy in ipairs({ "read-only", "danger-full-access" }) do
        print(assert(sbx.run({ script = "exec 2>&1; ls /proc/$$/fd; cat <&7; true",
                               policy = policy })).stdout)
      end
    ]], cpath)
    host:wait()
    local text = host:output()
    host:close()
    support.remove(dir)
    assert.is_nil(text:match("of the host"))
    assert.matches("Bad file descriptor", text)
  end)

  it("given by number are files, pipes and terminals, nothing else", function()
    local dir = support.directory()
    local cpath = support.module("sbxhost")
    support.write(dir .. "/input", "from a file\n")
    local host = support.host(dir, [[
      package.cpath = arg[1] .. ";" .. package.cpath
      local host, sbx = require "sbxhost", require "sbx"
      print(assert(sbx.run({ "cat", stdin = host.open("input") })).stdout)
      local zero = host.open("/dev/zero")
      local nothing, err = sbx.run({ "head", "-c1", stdin = zero })
      print("device", nothing, err.kind)
      nothing, err = sbx.run({ "cat", stdin = 9999 })
      print("none", nothing, err.kind)
    ]], cpath)
    host:wait()
    local text = host:output()
    host:close()
    support.remove(dir)
    assert.matches("from a file\n", text)
    assert.matches("device\tnil\tinvalid_input", text)
    assert.matches("none\tnil\tinvalid_input", text)
  end)
end)

describe("signals", function()
  local FIELDS = "grep -E '^(SigBlk|SigIgn|SigCgt)' /proc/self/status"

  it("are at their defaults and none is blocked", function()
    for _, policy in ipairs(POLICIES) do
      local text = run({ "sh", "-c", "exec " .. FIELDS, policy = policy }).stdout
      assert.equal("0000000000000000", text:match("SigBlk:\t(%x+)"), policy)
      assert.equal("0000000000000000", text:match("SigIgn:\t(%x+)"), policy)
    end
  end)

  it("are so too when the host ignores and blocks them", function()
    local dir = support.directory()
    local host = support.host(dir, [[
      package.cpath = arg[1] .. ";" .. package.cpath
      local host, sbx = require "sbxhost", require "sbx"
      for _, signal in ipairs({ 1, 2, 13, 15, 10, 34 }) do host.ignore(signal) end
      host.block_all()
      for _, policy in ipairs({ "read-only", "danger-full-access" }) do
        io.write(assert(sbx.run({ script = "exec ]] .. FIELDS .. [[", policy = policy })).stdout)
        local _, err = sbx.run({ script = "kill -PIPE $$; echo survived", policy = policy })
        print("died", err and err.kind, err and err.signal)
      end
      print("still ignored", host.is_ignored(13))
    ]], support.module("sbxhost"))
    host:wait()
    local text = host:output()
    host:close()
    support.remove(dir)
    local count = 0
    for name, mask in text:gmatch("(Sig%a+):\t(%x+)") do
      if name ~= "SigCgt" then
        count = count + 1
        assert.equal("0000000000000000", mask, name)
      end
    end
    assert.equal(4, count)
    assert.matches("died\tsignal\t13.*died\tsignal\t13", text)
    assert.matches("still ignored\ttrue", text)
  end)
end)

describe("the session", function()
  it("is the command's own, without a terminal", function()
    for _, policy in ipairs(POLICIES) do
      local stat = run({ "sh", "-c", "cat /proc/$$/stat", policy = policy }).stdout
      local pid, group, session, terminal = stat:match("^(%d+) %b() %a %d+ (%d+) (%d+) (%-?%d+)")
      assert.equal(pid, group, policy)
      assert.equal(pid, session, policy)
      assert.equal("0", terminal, policy)
    end
  end)

  it("starts in cwd, with the umask of the host", function()
    local dir = support.directory()
    local r = run({ "sh", "-c", "pwd -P; umask", cwd = dir, policy = "workspace-write" })
    assert.equal(dir .. "\n" .. support.output("umask"), r.stdout)
    support.remove(dir)
  end)
end)
