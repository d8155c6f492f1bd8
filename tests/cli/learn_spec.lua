-- What sbxlua learn gives a command, and what it doesn't: in real runs.
local program = require "tests.cli.program"
local support = require "tests.support"

local function watched()
  local got = program.command({ "--watch", "--json", "true" })
  return program.object(got).denial.watched
end

describe("sbxlua learn", function()
  local place

  before_each(function() place = program.directory() end)
  after_each(function() program.remove(place) end)

  local function learn(words, options)
    local got = program.run({ "learn", table.unpack(words) }, options)
    local make = assert(load(got.stdout), got.stdout .. got.stderr)
    return make(), got
  end

  local function python(text, tier)
    program.write(place .. "/command.py", text)
    return learn({ "--tier", tier, "python3", place .. "/command.py" })
  end

  local function each_tier(act)
    if not watched() then return pending("no watch here") end
    for _, tier in ipairs({ "contained", "landlock" }) do
      local got = program.command({ "--tier", tier, "true" })
      if got.status == 0 then act(tier) end
    end
  end

  it("grants the whole network to nobody without leave: it opens sockets of services", function()
    each_tier(function(tier)
      local text = [[
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
]]
      local policy, got = python(text, tier)
      assert.same({ extends = "read-only" }, policy)
      assert.truthy(got.stdout:find("the whole network, and with it .* sockets of services;"
                                    .. " %-%-allow%-sensitive grants it, and so does a start from"
                                    .. " %-%-network full"), got.stdout)
      policy, got = learn({ "--allow-sensitive", "--tier", tier, "python3",
                            place .. "/command.py" })
      assert.same({ 0, "full" }, { got.status, policy.network })
    end)
  end)

  it("grants no port 53, and no address that a cloud's machine has its keys from", function()
    if not watched() then return pending("no watch here") end
    for _, address in ipairs({ "127.0.0.1/53", "169.254.169.254/80", "127.0.0.1/2375" }) do
      local policy, got = learn({ "bash", "-c", "exec 3<>/dev/tcp/" .. address })
      assert.same({ extends = "read-only" }, policy)
      assert.truthy(got.stdout:find("--allow-sensitive grants it", 1, true), got.stdout)
    end
  end)

  it("grants the address that is connected to after a look for IPv6", function()
    if not watched() then return pending("no watch here") end
    local listener = support.listener(place)
    local policy = python(([[
import socket
try: socket.socket(socket.AF_INET6).bind(("::1", 0))
except OSError: pass
socket.getaddrinfo("127.0.0.1", %d)
socket.create_connection(("127.0.0.1", %d))
]]):format(listener.tcp, listener.tcp), "auto")
    listener:close()
    assert.same({ allow = { "127.0.0.1:" .. listener.tcp } }, policy.network)
  end)

  it("grants a server a loopback", function()
    if not watched() then return pending("no watch here") end
    local policy = learn({ "-t", "1s", "python3", "-m", "http.server", "8765" })
    assert.equal("loopback", policy.network)
  end)

  it("grants one place for temporary files, not each that was tried", function()
    if not watched() then return pending("no watch here") end
    local prefix = place:match("[^/]+$") .. "-"
    program.write(place .. "/command.py",
                  "import tempfile; tempfile.mkdtemp(prefix='" .. prefix .. "')")
    local policy, got = learn({ "python3", place .. "/command.py" },
                              { env = { TMPDIR = "" }, cwd = place })
    assert.same({ "/tmp" }, policy.writable_roots)
    assert.equal(0, got.status)
    program.shell("rmdir /tmp/" .. prefix .. "*")
  end)

  -- Asks for one harmless file, then uses the directory that was granted for it.
  it("gives no keys and no repository with the directory that they lie in", function()
    each_tier(function(tier)
      program.shell(("cd %s && rm -rf d && mkdir -p d/repo/.git/hooks d/bob/.ssh"
                     .. " && echo key > d/server.pem"):format(place))
      local policy, got = learn({ "--tier", tier, "--sh", ([[
cd %s/d || exit 1
echo note > note.txt || exit 1
echo x > repo/.git/hooks/post-checkout
echo x > bob/.ssh/authorized_keys
mv bob bob2 && mkdir -p bob/.ssh
echo x > server.pem]]):format(place) })
      assert.equal("key\n", program.read(place .. "/d/server.pem"))
      assert.equal("", program.shell("cd " .. place .. "/d && ls repo/.git/hooks bob/.ssh | grep -v"
                                     .. " :$; test -d bob2 && echo bob2").stdout:gsub("\n", ""))
      if tier == "contained" then
        assert.same({ place .. "/d" }, policy.writable_roots)
        assert.same({ place .. "/d/bob/.ssh", place .. "/d/repo/.git", place .. "/d/server.pem" },
                    policy.read_only)
        assert.truthy(got.stdout:find("server.pem\", -- lies in what was granted: keys", 1, true))
      else
        assert.is_nil(policy.writable_roots)
        assert.truthy(got.stdout:find("it holds " .. place .. "/d/", 1, true), got.stdout)
      end
    end)
  end)

  it("says where it has not looked at all that lies below", function()
    if not watched() then return pending("no watch here") end
    program.shell("mkdir " .. place .. "/d && cd " .. place .. "/d && seq 2500 | xargs touch")
    local policy, got = learn({ "touch", place .. "/d/x" })
    assert.same({ place .. "/d" }, policy.writable_roots)
    assert.truthy(got.stdout:find("-- Not all that lies below " .. place .. "/d was looked at", 1,
                                  true))
  end)
end)
