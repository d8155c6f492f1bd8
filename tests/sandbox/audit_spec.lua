-- The audit of a run, in a file and in a function: what is in it, and that a change shows.
local cjson = require("cjson").new()
local core = require "sbx.core"
local sbx = require "sbx"
local support = require "tests.support"

local function lines_of(path)
  local lines = {}
  for line in (support.read(path) or ""):gmatch("([^\n]*)\n") do lines[#lines + 1] = line end
  return lines
end

-- How many lines name the one before.
local function chained(lines)
  local prev, good = ("0"):rep(64), 0
  for _, line in ipairs(lines) do
    if cjson.decode(line).prev == prev then good = good + 1 end
    prev = core.sha256(line)
  end
  return good
end

describe("sha256", function()
  it("is that of the standard's examples", function()
    assert.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                 core.sha256("abc"))
    assert.equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                 core.sha256(""))
    assert.has_error(function() core.sha256() end)
  end)
end)

describe("an audit file", function()
  local dir, path

  before_each(function()
    dir = support.directory()
    path = dir .. "/audit"
  end)
  after_each(function() support.remove(dir) end)

  it("has a start and an end of each run, each line chained to the one before", function()
    assert(sbx.run({ "true", audit = path, call_id = "one" }))
    sbx.run({ "sh", "-c", "exit 3", audit = path })
    local lines = lines_of(path)
    assert.equal(4, #lines)
    assert.equal(4, chained(lines))
    local start, stop = cjson.decode(lines[1]), cjson.decode(lines[2])
    assert.same({ "start", "one", "read-only", { "true" } },
                { start.event, start.call_id, start.policy, start.command })
    assert.matches("^%x+$", start.policy_sha256)
    assert.equal(64, #start.plan_sha256)
    assert.equal(start.run, stop.run)
    assert.same({ "end", "ok", 0 }, { stop.event, stop.status, stop.exit_code })
    assert.is_number(stop.usage.user_ms)
    assert.equal(3, cjson.decode(lines[4]).exit_code)
    assert.equal("600\n", support.output("stat -c %a " .. path))
  end)

  it("shows what was changed or taken out", function()
    for _ = 1, 3 do assert(sbx.run({ "true", audit = path })) end
    local lines = lines_of(path)
    assert.equal(6, chained(lines))
    lines[3] = lines[3]:gsub("true", "that")
    assert.is_true(chained(lines) < 6)
    lines = lines_of(path)
    table.remove(lines, 2)
    assert.is_true(chained(lines) < #lines)
  end)

  it("tells what was refused, where it is watched", function()
    local _, _, out = sbx.run({ "touch", dir .. "/x", audit = path, watch = true })
    if not out.denial.watched then return pending("no watch here") end
    local lines = lines_of(path)
    local refused = cjson.decode(lines[2])
    assert.same({ "refused", "create", dir .. "/x" },
                { refused.event, refused.evidence.operation, refused.evidence.path })
    assert.equal("confirmed", cjson.decode(lines[3]).verdict)
    assert.equal(3, chained(lines))
  end)

  it("goes on behind a line that was cut", function()
    support.write(path, "half a li")
    assert(sbx.run({ "true", audit = path }))
    local lines = lines_of(path)
    assert.equal("half a li", lines[1])
    assert.equal(core.sha256("half a li"), cjson.decode(lines[2]).prev)
  end)

  it("keeps its chain with several writers at once", function()
    local jobs = {}
    for i = 1, 6 do jobs[i] = assert(sbx.spawn({ "sleep", "0.1", audit = path })) end
    for _, job in ipairs(jobs) do job:wait() end
    local lines = lines_of(path)
    assert.equal(12, #lines)
    assert.equal(12, chained(lines))
  end)

  it("has room for any command line, and goes on behind it", function()
    assert.is_nil((sbx.run({ "true", ("\1"):rep(1000000), audit = path })))
    assert(sbx.run({ "true", audit = path }))
    local lines = lines_of(path)
    assert.is_true(#lines[1] > 5000000)
    assert.equal("not_started", cjson.decode(lines[2]).status)
    assert.equal(4, chained(lines))
  end)

  it("is neither held up nor broken by who may only read it", function()
    assert(sbx.run({ "true", audit = path }))
    local other = assert(sbx.spawn({ "flock", "-x", path, "sh", "-c", "echo locked; sleep 20" }))
    assert.same({ "stdout", "locked" }, { other:lines()() })
    local jobs = {}
    for i = 1, 6 do jobs[i] = assert(sbx.spawn({ "sleep", "0.1", audit = path })) end
    for _, job in ipairs(jobs) do job:wait() end
    other:kill()
    assert.equal(14, chained(lines_of(path)))
    -- the lock is nobody's to open for reading
    assert.equal("200\n", support.output("stat -c %a " .. path .. ".lock"))
  end)

  it("has a digest of a policy with a function too", function()
    local policy = { network = { allow = {} }, on_connect = function() return false end }
    assert(sbx.run({ "true", audit = path, policy = policy }))
    assert.equal(64, #cjson.decode(lines_of(path)[1]).policy_sha256)
  end)

  it("that can't be written lets nothing run", function()
    for _, bad in ipairs({ dir .. "/no/such", dir, "/dev/null" }) do
      local r, err = sbx.run({ "touch", dir .. "/ran", audit = bad,
                               policy = { writable_roots = { dir } } })
      assert.is_nil(r)
      assert.is_true(err.kind == "sandbox" or err.kind == "invalid_input", err.kind)
      assert.matches("audit", err.message)
    end
    assert.is_false(support.exists(dir .. "/ran"))
  end)

  it("isn't one that the command may write", function()
    local r, err = sbx.run({ "true", audit = path, policy = { writable_roots = { dir } } })
    assert.is_nil(r)
    assert.equal("invalid_input", err.kind)
    assert.matches("could change", err.message)
  end)

  it("isn't one that has another name", function()
    support.write(path, "")
    support.shell("ln %s %s/other", path, dir)
    local r, err = sbx.run({ "true", audit = path })
    assert.is_nil(r)
    assert.equal("audit", err.step)
    assert.equal("", support.read(path))
  end)

  it("names a command that could not be started", function()
    assert.is_nil((sbx.run({ "/nonexistent/tool", audit = path })))
    local stop = cjson.decode(lines_of(path)[2])
    assert.same({ "not_started", "spawn", "ENOENT" },
                { stop.status, stop.error.kind, stop.error.code })
  end)
end)

describe("an audit function", function()
  it("gets each event with its line and digest, chained", function()
    local events = {}
    assert(sbx.run({ "true", audit = function(event) events[#events + 1] = event end }))
    assert.equal(2, #events)
    assert.equal(core.sha256(events[1].line), events[2].prev)
    assert.equal(events[1].hash, events[2].prev)
    assert.equal("end", events[2].event)
  end)
end)

describe("an audit function that fails", function()
  it("at the start lets nothing run", function()
    local dir = support.directory()
    local ok = pcall(sbx.run, { "touch", dir .. "/ran", policy = { writable_roots = { dir } },
                                audit = function() error("broken") end })
    assert.is_false(ok)
    assert.is_false(support.exists(dir .. "/ran"))
    support.remove(dir)
  end)

  it("at the end is heard of once, and the job has ended", function()
    local told = 0
    local job = assert(sbx.spawn({ "true", audit = function(event)
      if event.event ~= "end" then return end
      told = told + 1
      error("broken at the end")
    end }))
    local ok, err = pcall(job.wait, job)
    assert.is_false(ok)
    assert.matches("broken at the end", err)
    assert.equal("ok", job:wait().status)
    assert.is_true(job:poll(0))
    job:kill()
    assert.equal(1, told)
  end)
end)

describe("on_denied", function()
  local dir

  before_each(function() dir = support.directory() end)
  after_each(function() support.remove(dir) end)

  local function asked(watch, more)
    local calls = 0
    local opts = { "touch", dir .. "/x", watch = watch, on_denied = function(err, opts)
      calls = calls + 1
      local suggest = err.output.denial.suggest or { writable_roots = { dir } }
      return more ~= "no" and sbx.grant(opts, suggest) or nil
    end }
    if more == "likely" then opts.on_likely = true end
    local r, err = sbx.run(opts)
    return calls, r, err
  end

  it("runs it once more with what it grants", function()
    local calls, r, err = asked(true)
    if calls == 0 and err.output.denial.verdict == "likely" then return pending("no watch here") end
    assert.equal(1, calls)
    assert.equal("ok", r.status)
    assert.is_true(support.exists(dir .. "/x"))
  end)

  it("gives up on nil", function()
    local _, r, err = asked(true, "no")
    assert.is_nil(r)
    assert.equal("denied", err.kind)
    assert.is_false(support.exists(dir .. "/x"))
  end)

  it("is asked about a guess only where that is wanted", function()
    local calls, r = asked(false)
    assert.equal(0, calls)
    assert.is_nil(r)
    calls, r = asked(false, "likely")
    assert.equal(1, calls)
    assert.equal("ok", r.status)
  end)

  it("is misuse where it gives no options, says nothing, or belongs to spawn", function()
    assert.has_error(function()
      sbx.run({ "touch", dir .. "/x", on_likely = true, watch = false,
                on_denied = function() return 7 end })
    end)
    assert.has_error(function() sbx.run({ "true", on_likely = true }) end)
    assert.has_error(function() sbx.spawn({ "true", on_denied = print }) end)
  end)

  it("tells on_done of the last run alone", function()
    local told = {}
    sbx.run({ "touch", dir .. "/x", watch = false, on_likely = true, on_denied = function(_, opts)
      return sbx.grant(opts, { writable_roots = { dir } })
    end }, function(r) told[#told + 1] = r and r.status or "error" end)
    assert.same({ "ok" }, told)
  end)
end)
