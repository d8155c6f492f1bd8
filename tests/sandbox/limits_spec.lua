-- Limits: each is held, by what the machine has and by what is left where it has less; just below
-- it nothing changes. The machines with less are this one, with the answers to questions changed.
local core = require "sbx.core"
local sbx = require "sbx"
local support = require "tests.support"

-- each tier is asked for by name
if os.getenv("SBX_TIER") == "landlock" then return end

local eater = support.program("eater")
local GIB = 1073741824
local asked = { group_directory = core.group_directory, fs_read = core.fs_read,
                fs_stat = core.fs_stat }

local function no_groups() return nil end

local function old_kernel(path)
  if path == "/proc/sys/kernel/osrelease" then return "5.10.0\n" end
  return asked.fs_read(path)
end

local function no_last_pid(path)
  if path == "/proc/sys/kernel/ns_last_pid" then return nil end
  return asked.fs_stat(path)
end

local MACHINES = {
  ["as it is"] = {},
  ["without cgroups"] = { group_directory = no_groups },
  ["without cgroups and ns_last_pid"] = { group_directory = no_groups, fs_stat = no_last_pid },
  ["with an old kernel"] = { group_directory = no_groups, fs_read = old_kernel },
}

local function on(machine)
  for name, original in pairs(asked) do core[name] = MACHINES[machine][name] or original end
  assert(sbx.reload())
end

local PLACES = {
  contained = { tier = "contained" }, landlock = { tier = "landlock" },
  none = { policy = "danger-full-access" },
}

-- Whoever is alive holds a lock on his: another's test may be under way.
local function groups_left()
  return support.output([[find /sys/fs/cgroup -maxdepth 6 -name 'sbxjob.*' -user "$(id -u)" |
    while read -r group; do flock -n -x "$group" echo "$group"; done 2>/dev/null]])
end

--- Runs the eater; the result whatever came of it, and the error.
local function run(place, limits, words, more)
  local opts = { eater, timeout_ms = 20000, limits = limits }
  for _, word in ipairs(words) do opts[#opts + 1] = tostring(word) end
  for _, map in ipairs({ PLACES[place], more or {} }) do
    for name, value in pairs(map) do opts[name] = value end
  end
  local r, err, out = sbx.run(opts)
  return assert(r or out, err), err
end

local function ended(name, code, out, err)
  assert.is_not_nil(err, out.stdout:sub(1, 200))
  assert.equal("limit", err.kind, err.message)
  assert.equal(name, err.limit)
  assert.equal("limit", out.status)
  assert.equal(code, out.exit_code)
  assert.is_false(out.timed_out)
  assert.matches(name, out.sandbox.enforced.limits)
end

local function passes(out, err)
  assert.is_nil(err)
  assert.equal("ok", out.status)
end

local function each(machines, test)
  for _, machine in ipairs(machines) do
    for place in pairs(PLACES) do
      it(("%s (%s)"):format(machine, place), function()
        on(machine)
        test(place, machine)
      end)
    end
  end
end

local BOTH = { "as it is", "without cgroups" }

describe("limits", function()
  after_each(function() on("as it is") end)
  teardown(function() assert.equal("", groups_left()) end)

  describe("processes", function()
    each({ "as it is", "without cgroups", "with an old kernel" }, function(place)
      local out, err = run(place, { processes = 12 }, { "fork", 40 })
      if out.sandbox.enforced.limits:find("sampled") then
        ended("processes", 137, out, err)
      else
        ended("processes", 1, out, err)
        assert.equal("children 11 refused\n", out.stdout)
      end
      passes(run(place, { processes = 12 }, { "fork", 11 }))
    end)

    it("are threads, too", function()
      local out, err = run("contained", { processes = 12 }, { "threads", 20 })
      ended("processes", 1, out, err)
      assert.equal("threads 11 refused\n", out.stdout)
      passes(run("contained", { processes = 12 }, { "threads", 11 }))
    end)

    it("can be one", function()
      for machine in pairs(MACHINES) do
        on(machine)
        passes(run("contained", { processes = 1 }, {}, { [1] = "/bin/true" }))
        local out, err = run("contained", { processes = 1 }, { "fork", 1 })
        local more = out.sandbox.missing[#out.sandbox.missing]
        if not (more and more.reason:find("300 more", 1, true)) then
          assert.equal("processes", (err or {}).limit, machine)
        end
      end
    end)

    it("are never refused below it, whatever ids were given out", function()
      for machine in pairs(MACHINES) do
        on(machine)
        local script = "i=0; while [ $i -lt 700 ]; do /bin/true || exit 3; i=$((i + 1)); done; "
          .. eater .. " fork 10"
        local r = assert(sbx.run({ script = script, limits = { processes = 13 },
                                   timeout_ms = 60000 }))
        assert.equal("children 10\n", r.stdout)
      end
    end)

    it("are the job's own: two at a time have each their own", function()
      local function start()
        return assert(sbx.spawn({ eater, "fork", "11", limits = { processes = 12 } }))
      end
      local first, second = start(), start()
      assert.equal("children 11\n", assert(first:wait()).stdout)
      assert.equal("children 11\n", assert(second:wait()).stdout)
    end)

    it("do no harm to the host's own", function()
      local before = support.read("/proc/sys/kernel/pid_max")
      for machine in pairs(MACHINES) do
        on(machine)
        run("contained", { processes = 12 }, { "fork", 20 })
      end
      assert.equal(before, support.read("/proc/sys/kernel/pid_max"))
    end)

    it("refused to a command that ends well say nothing", function()
      passes(run("contained", { processes = 4 }, {}, {
        [1] = "sh", [2] = "-c", [3] = eater .. " fork 9; exit 0",
      }))
    end)

    it("stop a bomb, and the host goes on", function()
      for _, machine in ipairs(BOTH) do
        on(machine)
        local turns, began = 0, core.now()
        local job = assert(sbx.spawn({ eater, "bombs", timeout_ms = 2000,
                                       limits = { processes = 40 } }))
        while not job:poll(10) do turns = turns + 1 end
        local _, err = job:wait()
        assert.truthy(err.kind == "timeout" or err.kind == "limit", err.kind)
        assert.is_true(turns > 20, turns .. " turns")
        assert.is_true(core.now() - began < 10000)
      end
    end)
  end)

  describe("memory_bytes", function()
    each(BOTH, function(place, machine)
      for _, children in ipairs({ 0, 4 }) do
        local out, err = run(place, { memory_bytes = "48M" }, { "memory", 400, children })
        ended("memory_bytes", 137, out, err)
        assert.is_true(out.usage.max_rss_bytes < 300 * 1048576)
      end
      local out, err = run(place, { memory_bytes = "48M" }, { "memory", 30, 4 })
      passes(out, err)
      assert.is_true(out.usage.max_rss_bytes > 29 * 1048576, out.usage.max_rss_bytes)
      if machine == "without cgroups" then
        assert.equal("sampled", out.usage.memory_by)
        assert.equal("limits", out.sandbox.missing[#out.sandbox.missing].property)
      end
    end)

    it("counts shared memory once", function()
      on("without cgroups")
      passes(run("contained", { memory_bytes = "48M" }, { "shared", 30, 6 }))
    end)

    it("counts files in memory of the job's own", function()
      for _, machine in ipairs(BOTH) do
        on(machine)
        local opts = { policy = { extends = "workspace-write", exclude_slash_tmp = true } }
        local name = "/dev/shm/sbx-limits-spec"
        local out, err = run("contained", { memory_bytes = "32M" }, { "tmpfs", name, 200 }, opts)
        ended("memory_bytes", 137, out, err)
        passes(run("contained", { memory_bytes = "32M" }, { "tmpfs", name, 20 }, opts))
        assert.is_false(support.exists(name))
      end
    end)

    it("counts once what is mapped of such a file", function()
      for _, machine in ipairs(BOTH) do
        on(machine)
        local opts = { policy = { extends = "workspace-write", exclude_slash_tmp = true } }
        local words = { "mapped", "/dev/shm/sbx-limits-spec", 30 }
        passes(run("contained", { memory_bytes = "48M" }, words, opts))
        words[3] = 60
        ended("memory_bytes", 137, run("contained", { memory_bytes = "48M" }, words, opts))
      end
    end)
  end)

  describe("cpu_ms", function()
    each(BOTH, function(place)
      for _, children in ipairs({ 1, 5 }) do
        local out, err = run(place, { cpu_ms = 200 }, { "burn", 5000, children })
        ended("cpu_ms", 137, out, err)
        assert.is_true(out.usage.user_ms + out.usage.system_ms < 2500)
      end
      passes(run(place, { cpu_ms = 800 }, { "burn", 150, 5 }))
    end)

    it("counts those that nobody waits for", function()
      for _, machine in ipairs(BOTH) do
        on(machine)
        local out, err = run("contained", { cpu_ms = 200 }, { "orphans", 4000, 40 })
        ended("cpu_ms", 137, out, err)
      end
    end)

    it("is told of one that died of SIGXCPU, which comes before SIGKILL", function()
      local function shell(limits, script)
        return run("contained", limits, {}, { [1] = "sh", [2] = "-c", [3] = script })
      end
      local out, err = shell({ cpu_ms = 9000 }, "kill -XCPU $$")
      ended("cpu_ms", 128 + core.signals.XCPU, out, err)
      assert.equal("signal", shell({ file_bytes = "1M" }, "kill -XCPU $$").status)
      assert.equal("11\n12\n", shell({ cpu_ms = 9000 }, "ulimit -St; ulimit -Ht").stdout)
    end)

    it("doesn't count sleep", function()
      passes(run("contained", { cpu_ms = 100 }, {}, { [1] = "sleep", [2] = "0.6" }))
    end)
  end)

  describe("open_files", function()
    each({ "as it is" }, function(place)
      local out, err = run(place, { open_files = 40 }, { "open", 60 })
      ended("open_files", 1, out, err)
      assert.equal("descriptors 40 refused\n", out.stdout)
      passes(run(place, { open_files = 40 }, { "open", 40 }))
      -- one below, and a failure of its own
      out = run(place, { open_files = 41 }, {}, {
        [1] = "sh", [2] = "-c", [3] = eater .. " open 40; exit 3",
      })
      assert.equal("failed", out.status)
    end)
  end)

  describe("file_bytes", function()
    each({ "as it is" }, function(place)
      local directory = support.directory()
      local more = place ~= "none" and {
        policy = { extends = "read-only", writable_roots = { directory } },
      } or {}
      local file = directory .. "/file"
      local out, err = run(place, { file_bytes = "2M" }, { "tmpfs", file, 9 }, more)
      ended("file_bytes", 128 + core.signals.XFSZ, out, err)
      assert.equal(core.signals.XFSZ, out.signal or err.signal)
      assert.equal(2097152, tonumber(support.output("stat -c %s " .. file)))
      passes(run(place, { file_bytes = "2M" }, { "tmpfs", file, 2 }, more))
      support.remove(directory)
    end)
  end)

  describe("output_bytes", function()
    each({ "as it is" }, function(place)
      for _, words in ipairs({ { "flood", 100000 }, { "lines", 1000000000 } }) do
        collectgarbage()
        local out, err = run(place, { output_bytes = "3M" }, words, { max_output_bytes = 100000 })
        ended("output_bytes", 137, out, err)
        assert.equal(100000, #out.stdout)
        local total = #out.stdout + out.truncated.stdout
        assert.is_true(total > 3145728 and total < 3145728 + 1572864, total)
      end
      passes(run(place, { output_bytes = "3M" }, { "flood", 3 }))
      local _, err = run(place, { output_bytes = 3145727 }, { "flood", 3 })
      assert.equal("output_bytes", err.limit)
    end)

    it("ends it for a loop that has the job's descriptor, too", function()
      local job = assert(sbx.spawn({ eater, "flood", "100000", timeout_ms = 20000,
                                     limits = { output_bytes = "1M" } }))
      assert(job:pollfd())
      local text, steps = 0, 0
      local event, piece, _
      repeat
        event, _, piece = job:step()
        text, steps = text + #(piece or ""), steps + 1
        if not event then support.sleep("0.005") end
      until event == "end" or steps > 10000
      local none, err, out = job:wait()
      assert.is_nil(none)
      ended("output_bytes", 137, out, err)
      assert.equal(text, #out.stdout)
      assert.is_true(text <= 3 * 1048576, text)
    end)

    it("counts both streams", function()
      local script = "head -c 60000 /dev/zero; head -c 60000 /dev/zero >&2"
      assert.equal("ok", run("contained", { output_bytes = 120000 }, {}, {
        [1] = "sh", [2] = "-c", [3] = script }).status)
      assert.equal("limit", run("contained", { output_bytes = 119999 }, {}, {
        [1] = "sh", [2] = "-c", [3] = script }).status)
    end)

    it("can't be held by who doesn't read the output", function()
      local opts = { "true", limits = { output_bytes = 10 } }
      local none, err = sbx.transform(opts)
      assert.is_nil(none)
      assert.equal("policy", err.kind)
      opts.allow_missing = { "limits" }
      assert(sbx.transform(opts))
    end)
  end)

  describe("a host", function()
    it("turns while lines come, with bounded memory", function()
      local turns = 0
      local job = assert(sbx.spawn({ eater, "lines", "1000000000", timeout_ms = 1500,
                                     max_output_bytes = 65536 }))
      while not job:poll(10) do turns = turns + 1 end
      local _, err, out = job:wait()
      assert.equal("timeout", err.kind)
      assert.equal(65536, #out.stdout)
      local peak = tonumber(support.read("/proc/self/status"):match("VmHWM:%s*(%d+)"))
      -- AddressSanitizer keeps what was freed for a while
      if not os.getenv("SBX_SANITIZED") then assert.is_true(peak < GIB / 4096, peak) end
    end)

    it("isn't held up by one that stops itself, nor by one in memory", function()
      for _, words in ipairs({ { "stop" }, { "memory", "8000", "2" } }) do
        local turns, began = 0, core.now()
        local opts = { eater, timeout_ms = words[1] == "stop" and 700 or 30000,
                       limits = { memory_bytes = "64M" } }
        for _, word in ipairs(words) do opts[#opts + 1] = word end
        local job = assert(sbx.spawn(opts))
        while not job:poll(10) do turns = turns + 1 end
        local _, err = job:wait()
        assert.equal(words[1] == "stop" and "timeout" or "limit", err.kind)
        assert.is_true(core.now() - began < 30000)
        assert.is_true(turns > 0)
      end
    end)
  end)

  describe("in a policy", function()
    it("hold, and opts stand over them one by one", function()
      local policy = { extends = "read-only", limits = { processes = 12, file_bytes = "1M" } }
      local _, err = run("contained", nil, { "fork", 40 }, { policy = policy })
      assert.equal("processes", err.limit)
      passes(run("contained", { processes = 60 }, { "fork", 40 }, { policy = policy }))
      passes(run("contained", { processes = false }, { "fork", 40 }, { policy = policy }))
    end)

    it("are the helper's too", function()
      local exec = assert(sbx.transform({ eater, "fork", "40", limits = { processes = 12 } }))
      local words = {}
      for i, word in ipairs(exec.command) do words[i] = support.quote(word) end
      local env = {}
      for name, value in pairs(exec.env) do env[#env + 1] = support.quote(name .. "=" .. value) end
      local line = "env -i " .. table.concat(env, " ") .. " " .. table.concat(words, " ")
      assert.equal("children 11 refused\n", support.output(line))
    end)
  end)

  it("required are refused where they are less than they say", function()
    on("without cgroups")
    local opts = { "true", limits = { memory_bytes = "64M" }, require = { "limits" } }
    local none, err = sbx.run(opts)
    assert.is_nil(none)
    assert.equal("policy", err.kind)
    assert.matches("sampled", err.message)
    opts.limits = { file_bytes = "64M" }
    assert(sbx.run(opts))
  end)

  it("that can't be set up are an error, and nothing runs", function()
    local directory = support.directory()
    support.shell("chmod 777 %s", directory)
    core.group_directory = function() return directory, 1 end -- no cgroup's
    assert(sbx.reload())
    local policy = { extends = "read-only", writable_roots = { directory } }
    local none, err = sbx.run({ "touch", directory .. "/ran", limits = { processes = 9 },
                                policy = policy })
    assert.is_nil(none)
    assert.equal("sandbox", err.kind)
    assert.equal("limits", err.step)
    assert.is_false(support.exists(directory .. "/ran"))
    assert.equal("", support.output("ls " .. directory))
    support.remove(directory)
  end)

  it("leave no cgroup behind, whether a sandbox is new or was made ahead", function()
    for _ = 1, 4 do
      assert(sbx.run({ "true", limits = { processes = 9, memory_bytes = "64M", cpu_ms = 9000 } }))
      assert.equal("", groups_left())
    end
  end)

  it("leave no cgroup behind where nothing is started, or the host is killed", function()
    local limits = { processes = 9, memory_bytes = "64M", cpu_ms = 9000 }
    local none, err = sbx.run({ "/no/such/command", limits = limits })
    assert.is_nil(none)
    assert.equal("spawn", err.kind)
    assert.equal("", groups_left())
    local directory = support.directory()
    local host = support.host(directory, [[
      local job = assert(require "sbx".spawn({ "sleep", "30",
        limits = { processes = 9, memory_bytes = "64M", cpu_ms = 9000 } }))
      print("started")
      io.stdout:flush()
      job:wait()]])
    assert.truthy(host:says("started"))
    host:kill()
    assert.is_true(support.wait_until(function() return groups_left() == "" end, 2))
    support.remove(directory)
  end)

  it("of a file's size count what is allocated beyond it, and in its middle", function()
    local directory = support.directory()
    local function try(line, limits)
      local r, err, out = sbx.run({ "sh", "-c", line, cwd = directory, limits = limits,
                                    policy = { writable_roots = { directory } } })
      return assert(r or out, tostring(err)).exit_code
    end
    local keep, insert = "fallocate -n -l 4M f", "fallocate -i -o 0 -l 4M g"
    support.shell("head -c 65536 /dev/zero >%s/g; chmod -R a+rwX %s", directory, directory)
    assert.are_not.equal(0, try(keep, { file_bytes = "1M" }))
    assert.are_not.equal(0, try(insert, { file_bytes = "1M" }))
    local function blocks(name)
      local said = support.output("stat -c %b " .. directory .. "/" .. name .. " 2>/dev/null")
      return tonumber(said) or 0
    end
    assert.is_true(blocks("f") < 4096 and blocks("g") < 4096)
    -- the twins, where the file system can
    if try(keep) == 0 then assert.is_true(blocks("f") >= 8192) end
    assert.equal(0, try("fallocate -l 64K f; fallocate -p -o 0 -l 4K f", { file_bytes = "1M" }))
    support.remove(directory)
  end)

  it("of a supervisor that was killed leave nothing that stays", function()
    local job = assert(sbx.spawn({ "sleep", "30", limits = { processes = 9 } }))
    local parent = support.read("/proc/" .. job.pid .. "/status"):match("PPid:%s*(%d+)")
    support.kill(parent)
    local _, err = job:wait()
    assert.equal("supervisor", err.step)
    assert.is_true(support.wait_until(function()
      assert(sbx.run({ "true", limits = { processes = 9 } }))
      return groups_left() == ""
    end))
  end)
end)
