-- /proc in the command is its own: it shows the tree and not the host's processes.
local sbx = require "sbx"
local support = require "tests.support"

local function run(opts)
  local r, err = sbx.run(opts)
  return assert(r, tostring(err))
end

local POLICIES = { "read-only", "workspace-write" }

describe("/proc", function()
  local marker, sleeper

  before_each(function()
    marker = support.marker()
    sleeper = assert(sbx.spawn({ "sleep", marker, policy = "danger-full-access" }))
    assert(support.appears(marker))
  end)
  after_each(function()
    sleeper:kill()
    sleeper:wait()
  end)

  it("shows no process of the host", function()
    for _, policy in ipairs(POLICIES) do
      local r = run({ "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '; ls -d /proc/[0-9]* |"
                      .. " wc -l", policy = policy })
      assert.is_nil(r.stdout:find(marker, 1, true), policy)
      assert.is_true(tonumber(r.stdout:match("(%d+)\n$")) < 10)
      assert.is_nil(r.stdout:find("busted", 1, true))
    end
  end)

  it("is that of the command: self is itself", function()
    for _, policy in ipairs(POLICIES) do
      local r = run({ "sh", "-c", "readlink /proc/self/exe; [ $(readlink /proc/self) != $$ ];"
                      .. " cat /proc/$$/comm; kill -0 $$ && test -d /proc/$$/task/$$ && echo same",
                      policy = policy })
      assert.matches("/sh\n.*same\n$", r.stdout:gsub("readlink", "sh"), 1)
    end
  end)

  it("shows everything where nothing is restricted", function()
    local r = run({ "sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '",
                    policy = "danger-full-access" })
    assert.is_truthy(r.stdout:find(marker, 1, true))
  end)

  it("gives no secret of the host: environments, memory, descriptors", function()
    local r = run({ "sh", "-c", ("cat /proc/%d/environ; cat /proc/%d/maps; ls /proc/%d/fd/;"
                    .. " cat /proc/1/environ; true"):format(support.own_pid, support.own_pid,
                                                            support.own_pid) })
    assert.equal("", r.stdout)
  end)

  it("changes nothing of the kernel", function()
    -- what is there already: nothing changes where it goes through after all
    for _, policy in ipairs(POLICIES) do
      for _, name in ipairs({ "kernel/core_pattern", "vm/swappiness", "kernel/hostname" }) do
        local r = run({ "sh", "-c", ("v=$(cat /proc/sys/%s); { echo \"$v\" >/proc/sys/%s; }"
                        .. " 2>/dev/null && echo written; true"):format(name, name),
                        policy = policy })
        assert.equal("", r.stdout, name)
      end
    end
  end)

  it("and the mounts of the host stay as they are", function()
    local before = support.read("/proc/self/mountinfo")
    for _, policy in ipairs(POLICIES) do run({ "true", policy = policy }) end
    assert.equal(before, support.read("/proc/self/mountinfo"))
  end)
end)
