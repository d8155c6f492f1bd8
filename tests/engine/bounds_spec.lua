-- The mechanism under limits: what a plan bounds must reach no further than its own namespaces,
-- whoever wrote the plan.
local core = require "sbx.core"
local sbx = require "sbx"
local support = require "tests.support"

local PID_MAX = "/proc/sys/kernel/pid_max"

-- never another value than the one that stands there: a plan that gets through changes nothing
local standing = tonumber(support.read(PID_MAX))

local function refused(words, plan)
  local sandbox, raw = core.sandbox(plan)
  assert.is_nil(sandbox)
  assert.equal("limits", raw.step)
  assert.equal("EINVAL", raw.code)
  assert.matches(words, raw.message, 1, true)
end

describe("bounds", function()
  it("of a PID namespace need one", function()
    local words = "pid_max without a PID namespace"
    for _, bounds in ipairs({ { pid_max = standing }, { last_pid = 300 } }) do
      refused(words, { kill = "subreaper", namespaces = {}, bounds = bounds })
      refused(words, { kill = "subreaper", namespaces = { mount = true }, bounds = bounds })
      assert(core.sandbox({ kill = "pidns", namespaces = { pid = true }, bounds = bounds }))
    end
    assert(core.sandbox({ kill = "subreaper", namespaces = {}, bounds = { memory_bytes = 1 } }))
  end)

  it("of file systems need a mount namespace", function()
    local bounds = { tmpfs_bytes = 1048576 }
    refused("tmpfs_bytes without a mount namespace",
            { kill = "pidns", namespaces = { pid = true }, bounds = bounds })
    assert(core.sandbox({ kill = "pidns", namespaces = { pid = true, mount = true },
                          bounds = bounds }))
  end)

  it("write no pid_max on a kernel where it is the machine's", function()
    if core.uid() ~= 0 then return end -- others are held by RLIMIT_NPROC
    if not sbx.run({ "true", tier = "contained" }) then return end
    local code = [[
      local core = require "sbx.core"
      core.group_directory = function() return nil end
      local out, err = require "sbx".run({ "/bin/true", tier = "contained",
                                           limits = { processes = 30 } })
      print(out and out.status, err and err.step, err and err.code)]]
    local line = ("LUA_PATH=%s LUA_CPATH=%s %%s lua5.4 -e %s 2>&1"):format(
      support.quote(package.path), support.quote(package.cpath), support.quote(code))
    assert.equal("ok\tnil\tnil\n", support.output(line:format("")))
    -- PER_UNAME26 (personality(2)): uname(2) says 2.6 from here on
    assert.equal("nil\tlimits\tEOPNOTSUPP\n", support.output(line:format("setarch --uname-2.6")))
    assert.equal(standing, tonumber(support.read(PID_MAX)))
  end)
end)
