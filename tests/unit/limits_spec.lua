-- How limits are read, and what becomes of them on machines that have more and less. No kernel.
local limits = require "sbx.limits"
local options = require "sbx.options"
local fields = require "sbx.fields"
local policy = require "sbx.policy"
local fake = require "tests.unit.fake"

local V1 = {
  memory = { path = "/cg/memory", version = 1 }, pids = { path = "/cg/pids", version = 1 },
  cpu = { path = "/cg/cpuacct", version = 1 },
}
local V2 = { path = "/cg/app", version = 2 }
local ALL_V2 = { memory = V2, pids = V2, cpu = V2 }

local function read(given)
  local o, err = options.read({ "ls", limits = given }, "run")
  if not o then return nil, err end
  return limits.resolve(nil, o.limits)
end

local function plan_of(given, more)
  local ctx = {
    cwd = "/w", env = {}, home = "/home/u", uid = 1000, limits = given,
    probe = { landlock_abi = 7, kernel = "6.18.1", groups = {} },
    fs = fake.fs({ ["/w"] = "directory", ["/tmp"] = "directory", ["/home/u"] = "directory" }),
  }
  for name, value in pairs(more or {}) do ctx[name] = value end
  return assert(policy.plan({ mode = "read-only" }, ctx))
end

local function first(given, uid, probe)
  local more = { uid = uid }
  if probe then
    probe.landlock_abi, probe.kernel = 7, probe.kernel or "6.18.1"
    more.probe = probe
  end
  return plan_of(given, more).alternatives[1]
end

describe("a limit", function()
  it("is a whole number in any form, or a size", function()
    for given, wanted in pairs({ [4096] = 4096, ["4096"] = 4096, ["64K"] = 65536,
                                 ["1.5k"] = 1536, ["4G"] = 4294967296, ["2MiB"] = 2097152 }) do
      assert.equal(wanted, read({ file_bytes = given }).file_bytes)
    end
    assert.equal(20, read({ processes = "20" }).processes)
    assert.equal("20", tostring(read({ processes = 20.0 }).processes))
  end)

  it("is refused as anything else", function()
    for _, given in ipairs({ 0, -1, 1.5, "0", "", "x", "4X", "1e3", 2 ^ 54, 0 / 0, math.huge }) do
      local none, err = read({ file_bytes = given })
      assert.is_nil(none)
      assert.equal("invalid_input", err.kind)
      assert.matches("limits%.file_bytes", err.message)
    end
    assert.equal("invalid_input", select(2, read({ processes = "1K" })).kind)
    assert.equal("invalid_input", select(2, read({ memory_bytes = 4096 })).kind)
    assert.error_matches(function() read({ file_bytes = {} }) end, "limits%.file_bytes")
    assert.error_matches(function() read({ file_byte = 1 }) end, 'did you mean "file_bytes"')
  end)

  it("is read alike in a policy", function()
    assert.is_nil(fields.problem({ limits = { memory_bytes = "4G", processes = false } }))
    assert.matches("processes", fields.problem({ limits = { processes = 0 } }))
    assert.matches("cpu_ms", fields.problem({ limits = { cpu_ms = {} } }))
  end)

  it("of opts stands over the policy's, one by one", function()
    assert.same({ processes = 5, file_bytes = 1024 },
                limits.resolve({ processes = 9, file_bytes = "1K", cpu_ms = 3 },
                               { processes = 5, cpu_ms = false }))
  end)
end)

describe("without limits", function()
  it("nothing is in a plan, and nobody is asked for cgroups", function()
    local plan = plan_of(nil, { probe = setmetatable({ landlock_abi = 7 }, {
      __index = function(_, name) assert(name ~= "groups" and name ~= "kernel", name) end,
    }) })
    for _, alternative in ipairs(plan.alternatives) do
      assert.is_nil(alternative.engine.bounds)
      assert.is_nil(alternative.engine.groups)
      assert.is_nil(alternative.enforced.limits)
    end
  end)
end)

describe("processes", function()
  it("are held by a pids cgroup, of either version", function()
    for version, probe in pairs({ { groups = V1 }, { groups = ALL_V2 } }) do
      local found = first({ processes = 20 }, 1000, probe)
      assert.same({ "pids.max 20" }, found.engine.groups[1].set)
      assert.same({ { "refused_tasks", "pids.events max" } }, found.engine.groups[1].read)
      assert.equal("processes: cgroup v" .. version .. " (pids)", found.enforced.limits)
      assert.same({}, found.engine.bounds)
    end
  end)

  it("else by RLIMIT_NPROC in a user namespace, for an ordinary user", function()
    local found = first({ processes = 20 }, 1000)
    assert.equal(21, found.engine.rlimits.nproc)
    assert.equal(1, found.engine.rlimits.core)
    assert.equal(20, found.engine.bounds.tasks)
    assert.same({}, found.missing)
  end)

  it("else by the PID namespace's pid_max, for root", function()
    local found = first({ processes = 20 }, 0, { groups = {}, last_pid = true })
    assert.same({ pid_max = 320, last_pid = 300, tasks = 20 }, found.engine.bounds)
    assert.same({}, found.missing)
    found = first({ processes = 20 }, 0, { groups = {} })
    assert.same({ pid_max = 321, tasks = 20 }, found.engine.bounds)
    assert.matches("300 more", found.missing[1].reason)
  end)

  it("else by counting, which is said: an older kernel's pid_max is the host's", function()
    for _, kernel in ipairs({ "6.13.9", "5.13.0", "4.19", "nonsense" }) do
      local found = first({ processes = 20 }, 0, { groups = {}, kernel = kernel })
      assert.same({ tasks_ended = 20 }, found.engine.bounds)
      assert.is_nil(found.engine.rlimits.nproc)
      assert.equal("limits", found.missing[1].property)
      assert.matches("sampled", found.missing[1].reason)
    end
    local plan = plan_of({ processes = 20 })
    local last = plan.alternatives[#plan.alternatives]
    assert.equal("subreaper", last.engine.kill)
    assert.equal(20, last.engine.bounds.tasks_ended)
  end)
end)

describe("memory", function()
  it("is held by a memory cgroup", function()
    local found = first({ memory_bytes = "64M" }, 0, { groups = V1 })
    assert.equal("memory.limit_in_bytes 67108864", found.engine.groups[1].set[1])
    found = first({ memory_bytes = "64M" }, 0, { groups = ALL_V2 })
    assert.equal("memory.max 67108864", found.engine.groups[1].set[1])
    assert.is_nil(found.engine.bounds.memory_bytes)
  end)

  it("else sampled, which is said", function()
    local found = first({ memory_bytes = "64M" })
    assert.same({ memory_bytes = 67108864, tmpfs_bytes = 67108864 }, found.engine.bounds)
    assert.matches("sampled", found.enforced.limits)
    assert.equal("limits", found.missing[1].property)
  end)
end)

describe("cgroups", function()
  it("of version 2 are one for all limits", function()
    local given = { memory_bytes = "64M", processes = 20, cpu_ms = 1500 }
    local engine = first(given, 1000, { groups = ALL_V2 }).engine
    assert.equal(1, #engine.groups)
    assert.equal(4, #engine.groups[1].set)
    assert.equal(1500000, engine.bounds.cpu_us)
    assert.equal(4, engine.rlimits.cpu)
    engine = first(given, 0, { groups = V1 }).engine
    assert.equal(3, #engine.groups)
  end)

  it("of version 2 are not two at a time", function()
    local engine = first({ memory_bytes = "64M", processes = 20 }, 1000,
                         { groups = { memory = V2, pids = { path = "/cg", version = 2 } } }).engine
    assert.equal(1, #engine.groups)
    assert.equal(21, engine.rlimits.nproc)
  end)

  it("of version 2 tell the processor time, whichever they were made for", function()
    local given = { memory_bytes = "64M", cpu_ms = 1500 }
    local places = { memory = V2, cpu = { path = "/cg/app/own", version = 2 } }
    local one = first(given, 1000, { groups = places })
    assert.equal(1, #one.engine.groups)
    assert.equal("/cg/app", one.engine.groups[1].path)
    local read_by = one.engine.groups[1].read
    assert.same({ "cpu_us", "cpu.stat usage_usec" }, read_by[#read_by])
    assert.matches("cpu_ms: cgroup v2", one.enforced.limits)
    one = first(given, 1000, { groups = { memory = V1.memory } })
    assert.matches("cpu_ms: sampled", one.enforced.limits)
  end)

  it("of version 2 don't take a tree out of the one that ends it", function()
    local plan = plan_of({ processes = 20 }, { probe = {
      landlock_abi = 7, kernel = "6.18", groups = ALL_V2, cgroup = "/cg/app",
    } })
    for _, alternative in ipairs(plan.alternatives) do
      if alternative.engine.kill == "cgroup" then assert.same({}, alternative.engine.groups) end
    end
  end)
end)

describe("where nothing holds a command", function()
  local ctx = {
    cwd = "/w", env = {}, home = "/home/u", uid = 0, limits = { open_files = 9, cpu_ms = 5 },
    probe = { landlock_abi = 7, kernel = "6.18.1", groups = V1 }, fs = fake.fs({}),
  }

  it("it is said that it can leave them", function()
    local plan = assert(policy.plan({ mode = "danger-full-access" }, ctx))
    assert.equal("none", plan.type)
    local only = plan.alternatives[1]
    assert.equal(9, only.engine.rlimits.nofile)
    assert.is_nil(only.engine.rlimits.core)
    assert.matches("leave a cgroup", only.missing[1].reason)
  end)

  it("another platform's sandbox refuses them", function()
    ctx.sandbox = "macos-seatbelt"
    local none, err = policy.plan({ mode = "read-only" }, ctx)
    assert.is_nil(none)
    assert.equal("policy", err.kind)
    assert.matches("limits%.%l+_%l+ can't be held", err.message)
    ctx.allow_missing = { "limits" }
    assert(policy.plan({ mode = "read-only" }, ctx))
  end)
end)

describe("the end", function()
  local GIVEN = { memory_bytes = 5, processes = 6, file_bytes = 7, open_files = 8, output_bytes = 9,
                  cpu_ms = 10 }
  local SIGNALS = { XFSZ = 25, XCPU = 24 }
  local function of(raw, given) return (limits.of_end(raw, given or GIVEN, SIGNALS)) end

  it("by a bound has its name", function()
    for bound, name in pairs({ memory = "memory_bytes", cpu = "cpu_ms", tasks = "processes",
                               output = "output_bytes" }) do
      assert.equal(name, of({ ended_by = "bound", bound = bound, exit_code = 137 }))
    end
  end)

  it("after a refusal is a limit's, where the command failed", function()
    assert.equal("processes", of({ ended_by = "exit", exit_code = 1, reached = { tasks = true } }))
    local python = "OSError: [Errno 24] Too many open files: 'x'\n"
    assert.equal("open_files", of({ ended_by = "exit", exit_code = 1, stderr = python }))
    assert.is_nil(of({ ended_by = "exit", exit_code = 1, stderr = python }, { processes = 6 }))
    assert.is_nil(of({ ended_by = "exit", exit_code = 0, stderr = python }))
    local bash = "bash: fork: retry: Resource temporarily unavailable\n"
    assert.equal("processes", of({ ended_by = "exit", exit_code = 254, stderr = bash }))
    assert.is_nil((limits.of_end({ ended_by = "exit", exit_code = 254, stderr = bash }, GIVEN,
                                 SIGNALS, "processes: cgroup v2 (pids)")))
    assert.equal("open_files", of({ ended_by = "signal", signal = 6, exit_code = 134,
                                    reached = { files = true } }))
    assert.is_nil(of({ ended_by = "exit", exit_code = 0, reached = { tasks = true } }))
    assert.is_nil(of({ ended_by = "exit", exit_code = 1 }))
    assert.is_nil(of({ ended_by = "timeout", exit_code = 124, reached = { tasks = true } }))
  end)

  it("by SIGXFSZ is one where there is such a limit", function()
    local raw = { ended_by = "signal", signal = 25, exit_code = 153 }
    assert.equal("file_bytes", of(raw))
    assert.is_nil(of(raw, { processes = 1 }))
  end)

  it("by SIGXCPU, too", function()
    local raw = { ended_by = "signal", signal = 24, exit_code = 152 }
    assert.equal("cpu_ms", of(raw))
    assert.is_nil(of(raw, { file_bytes = 1 }))
  end)
end)
