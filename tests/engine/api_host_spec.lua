-- A host of its own: Ctrl-C, the end of the state, os.exit, and a mute host's signals.
local sbx = require "sbx"
local support = require "tests.engine.api_support"

local SETUP = ("package.path = %q; package.cpath = %q; local sbx = require 'sbx'; ")
  :format(package.path, package.cpath)

local function host(code, opts)
  opts = opts or {}
  opts.command = { "lua5.4", "-e", SETUP .. code }
  opts.policy = "danger-full-access"
  return assert(sbx.spawn(opts))
end

local function wait_for(marker)
  for _ = 1, 50 do
    if support.count_processes(marker) > 1 then return end
    os.execute("sleep 0.1")
  end
  error("nothing started")
end

describe("a host", function()
  it("gets its interrupted! after the job is closed", function()
    local marker = support.marker()
    local job = host(("sbx.run{'sleep', '%s', timeout_ms = false}"):format(marker))
    wait_for(marker)
    job:signal("INT")
    local r = job:wait()
    assert.equal(1, r.exit_code)
    assert.matches("interrupted!", r.stderr)
    assert.is_true(support.gone(marker))
  end)

  it("can catch it and go on, and the job is cancelled", function()
    local marker = support.marker()
    local job = host(([[
      local job = sbx.spawn{'sh', '-c', 'echo kept; sleep %s'}
      local ok, err = pcall(job.wait, job)
      print(ok, (tostring(err):gsub('^.*: ', '')))
      local _, cancelled, out = job:wait()
      print(cancelled.kind, out.exit_code, out.stdout)
      print(sbx.run{'echo', 'again'}.stdout)
    ]]):format(marker))
    wait_for(marker)
    job:signal("INT")
    local r = assert(job:wait())
    assert.equal("false\tinterrupted!\ncancelled\t137\tkept\n\nagain\n\n", r.stdout)
    assert.is_true(support.gone(marker))
  end)

  for name, ending in pairs({
    ["the end of its state"] = "", ["os.exit"] = "os.exit(3, false)",
    ["an error"] = "error('x')",
  }) do
    it("leaves nothing behind at " .. name, function()
      local marker = support.marker()
      local job = host(("held = sbx.spawn{'sleep', '%s'} %s"):format(marker, ending))
      job:wait()
      assert.is_true(support.gone(marker))
    end)
  end

  it("is not sent SIGPIPE by a command that doesn't read", function()
    local job = host("print(sbx.run{'true', stdin = ('x'):rep(1e6)}.status)")
    assert.equal("ok\n", assert(job:wait()).stdout)
  end)
end)
