-- One spawner a host: replaced when the host has changed, without harm to what runs; and a library
-- that runs inside of somebody's sandbox finds its way to what still works there.

local sbx = require "sbx"
local support = require "tests.support"

-- Each changes this process for good, in a direction that is open to everybody.
local function lower_a_limit(n)
  support.shell(string.format("prlimit --pid %d --nofile=%d", support.own_pid, n))
end

describe("a host that changes between two runs", function()
  it("keeps the jobs that run", function()
    local job = assert(sbx.spawn({ "sh", "-c", "sleep 1; echo done" }))
    lower_a_limit(901)
    assert.equal("901\n", assert(sbx.run({ "sh", "-c", "ulimit -n" })).stdout)
    local r = assert(job:wait())
    assert.equal("done\n", r.stdout)
  end)

  it("is inherited from as it is now", function()
    for n = 890, 880, -5 do
      lower_a_limit(n)
      assert.equal(n .. "\n", assert(sbx.run({ "sh", "-c", "ulimit -n" })).stdout)
    end
  end)
end)

describe("inside of somebody's sandbox", function()
  local NESTED = [[
    local sbx = require "sbx"
    for i = 1, 10 do
      local r, err = sbx.run({ "echo", "inner" .. i, policy = "%s" })
      if not r then error(tostring(err)) end
      io.write(r.stdout)
    end
    local r = sbx.run({ "sh", "-c", "sleep 1000 & echo $!", policy = "read-only" })
    io.write("leftover ", r.leftover, "\n")]]

  for _, outer in ipairs({ "read-only", "danger-full-access" }) do
    it("the library falls to what works there, under " .. outer, function()
      local program = os.getenv("SBX_PREFIX") .. "/bin/sbxlua"
      local policy = { extends = outer, network = "none" }
      local r, err, out = sbx.run({ program, "-e", NESTED:format("read-only"), policy = policy,
                                    timeout_ms = 60000 })
      r = r or out
      assert.is_nil(err and tostring(err) .. r.stderr)
      for i = 1, 10 do assert.matches("inner" .. i .. "\n", r.stdout, 1, true) end
      assert.matches("leftover 1\n", r.stdout, 1, true)
    end)
  end
end)

describe("supervisors made ahead", function()
  -- at one time: the number of a namespace that is gone is given again
  it("serve one run each", function()
    local jobs, seen = {}, {}
    for i = 1, 6 do
      jobs[i] = assert(sbx.spawn({ script = "readlink /proc/self/ns/pid; read x", stdin = true }))
    end
    for _, job in ipairs(jobs) do
      local _, name = job:lines()()
      assert.matches("^pid:", name)
      assert.is_nil(seen[name])
      seen[name] = true
    end
    for _, job in ipairs(jobs) do job:kill() end
  end)

  it("take the request's own standing: directory, output, environment", function()
    for i = 1, 6 do
      local r = assert(sbx.run({ "sh", "-c", "pwd; echo $N; cat; echo err >&2", cwd = "/usr",
                                 env = { N = tostring(i) }, stdin = "in" .. i }))
      assert.equal("/usr\n" .. i .. "\nin" .. i, r.stdout)
      assert.equal("err\n", r.stderr)
    end
  end)
end)
