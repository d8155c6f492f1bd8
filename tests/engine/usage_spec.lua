-- usage: of the whole tree, whoever waited for its parts and however they ended.
local core = require "sbx.core"
local sbx = require "sbx"
local support = require "tests.support"

local eater = support.program("eater")
local MIB = 1048576

local function run(script, more)
  local opts = { command = { "sh", "-c", (script:gsub("EATER", eater)) }, timeout_ms = 30000 }
  for name, value in pairs(more or {}) do opts[name] = value end
  local r, err, out = sbx.run(opts)
  return assert(r or out, err)
end

local function cpu_ms(out) return out.usage.user_ms + out.usage.system_ms end

local original = core.group_directory

local function without_groups(test)
  core.group_directory = function() return nil end
  assert(sbx.reload())
  local ok, err = pcall(test)
  core.group_directory = original
  assert(sbx.reload())
  if not ok then error(err, 0) end
end

describe("usage", function()
  it("has processor time of children, daemons and those that were killed", function()
    local idle = run("sleep 0.3")
    assert.is_true(cpu_ms(idle) < 60, cpu_ms(idle))
    for name, script in pairs({
      child = "EATER burn 200 1; true",
      ["children of children"] = "(EATER burn 200 4; true); true",
      daemon = "(setsid EATER spin 200 & ) | read x",
      ["killed at the end"] = "{ EATER spin 200 & } | read x",
    }) do
      local out = run(script)
      assert.is_true(cpu_ms(out) >= 150, name .. ": " .. cpu_ms(out))
      assert.is_true(cpu_ms(out) < 3000, name .. ": " .. cpu_ms(out))
    end
    local job = assert(sbx.spawn({ "sh", "-c", "true; " .. eater .. " spin 200; true" }))
    for _, line in job:lines() do
      if line == "spun" then job:kill() end
    end
    local _, err, out = job:wait()
    assert.equal("cancelled", err.kind)
    assert.is_true(cpu_ms(out) >= 150, cpu_ms(out))
  end)

  it("has that of a command with much memory, too, which takes a while to go", function()
    local script = 't = ("x"):rep(150000000) print("full") io.stdout:flush() while true do end'
    for _ = 1, 4 do
      local job = assert(sbx.spawn({ "lua5.4", "-e", script, timeout_ms = 60000 }))
      for _, line in job:lines() do
        if line == "full" then job:kill() end
      end
      local _, err, out = job:wait()
      assert.equal("cancelled", err.kind)
      assert.is_true(cpu_ms(out) >= 20, cpu_ms(out))
      assert.is_true(out.usage.max_rss_bytes > 100000000, out.usage.max_rss_bytes)
    end
  end)

  it("has the processes that were started", function()
    local out = run("i=0; while [ $i -lt 10 ]; do /bin/true; i=$((i + 1)); done;"
                    .. " (true & wait); true")
    if out.usage.processes_by == "pid_namespace" then
      assert.equal(13, out.usage.processes)
    else
      assert.equal("waited", out.usage.processes_by)
      assert.equal(1, out.usage.processes)
    end
    out = run("sleep 30 & sleep 30 &", { policy = "danger-full-access" })
    assert.equal("waited", out.usage.processes_by)
    assert.equal(3, out.usage.processes)
    assert.equal(2, out.leftover)
  end)

  it("has the processes of a namespace whose ids begin later", function()
    without_groups(function()
      local out = run("/bin/true; /bin/true; true", { limits = { processes = 30 } })
      assert.equal(3, out.usage.processes)
    end)
  end)

  it("has the peak of memory: of one, or of all where it is bounded", function()
    local out = run("EATER memory 40 0; true")
    assert.equal("waited", out.usage.memory_by)
    assert.is_true(out.usage.max_rss_bytes > 39 * MIB, out.usage.max_rss_bytes)
    assert.is_true(out.usage.max_rss_bytes < 80 * MIB, out.usage.max_rss_bytes)
    local limits = { memory_bytes = "1G" }
    local function check(by)
      out = run("EATER memory 60 3; true", { limits = limits })
      assert.is_true(out.usage.max_rss_bytes > 57 * MIB, out.usage.max_rss_bytes)
      assert.is_true(out.usage.max_rss_bytes < 120 * MIB, out.usage.max_rss_bytes)
      if by then assert.equal(by, out.usage.memory_by) end
    end
    check()
    without_groups(function() check("sampled") end)
  end)

  it("has bytes read and written by all of it", function()
    local out = run("head -c 1000000 /dev/zero | cat | cat >/dev/null")
    assert.is_true(out.usage.written_bytes >= 3000000, out.usage.written_bytes)
    assert.is_true(out.usage.written_bytes < 3100000, out.usage.written_bytes)
    assert.is_true(out.usage.read_bytes >= 3000000 and out.usage.read_bytes < 3500000,
                   out.usage.read_bytes)
    out = run("(setsid sh -c 'head -c 500000 /dev/zero >/dev/null' & ); sleep 0.4")
    assert.is_true(out.usage.written_bytes >= 500000, out.usage.written_bytes)
  end)

  it("has nothing of the supervisor's own reading and writing", function()
    local function used(limits, policy)
      local out = assert(sbx.run({ "sleep", "2", limits = limits, policy = policy }))
      assert.equal(0, out.usage.written_bytes)
      return out.usage.read_bytes
    end
    local function check(limits, policy)
      local alone, looked_at = used(nil, policy), used(limits, policy)
      assert.is_true(alone > 0 and alone < 100000, alone)
      assert.is_true(math.abs(looked_at - alone) <= 500, looked_at - alone)
    end
    local limits = { memory_bytes = "1G", cpu_ms = 9000, processes = 30, open_files = 100 }
    check(limits)
    check(limits, "danger-full-access")
    without_groups(function()
      check(limits)
      check(limits, "danger-full-access")
    end)
  end)

  it("has nothing of the search for those that are left", function()
    local function read(seconds, left)
      local out = run("for i in 1 2 3 4 5 6 7 8; do sleep " .. seconds
                      .. " & done; sleep 1; true", { policy = "danger-full-access" })
      assert.equal(left, out.leftover)
      assert.equal(0, out.usage.written_bytes)
      return out.usage.read_bytes
    end
    assert.equal(read("0.2", 0), read("30", 8))
  end)

  it("has what went to storage", function()
    local directory = support.directory()
    support.shell("chmod 777 %s", directory)
    local policy = { extends = "read-only", writable_roots = { directory } }
    local out = run("cd " .. directory .. "; head -c 4194304 /dev/zero >file; sync file",
                    { policy = policy })
    support.remove(directory)
    assert.equal("ok", out.status, out.stderr)
    assert.is_true(out.usage.storage_written_bytes >= 4194304, out.usage.storage_written_bytes)
    assert.is_true(run("true").usage.storage_written_bytes < MIB)
  end)

  it("has switches, and is the same at each look", function()
    local job = assert(sbx.spawn({ "sh", "-c", "sleep 0.1; sleep 0.1" }))
    local out = assert(job:wait())
    assert.is_true(out.usage.voluntary_switches >= 2)
    assert.is_true(out.usage.involuntary_switches >= 0)
    assert.same(out.usage, job:wait().usage)
  end)
end)
