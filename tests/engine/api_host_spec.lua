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

  it("gives descriptors by number: files and pipes, nothing else", function()
    local dir = support.scratch()
    support.write(dir .. "/in", "from a file")
    local code = SETUP .. [[
      print(sbx.run{'cat', stdin = 3}.stdout)
      print(sbx.run{'cat', stdin = 'inherit'}.stdout)
      for _, fd in ipairs({4, 5, 99}) do
        local r, err = sbx.run{'cat', stdin = fd}
        print(r, err.kind, (err.message:match('^%w+')))
      end
    ]]
    local r = assert(sbx.run({ "bash", "-c", [[
      lua5.4 -e "$1" 3<"$2/in" 4</dev/zero 5<"$2" <<<here ]], "bash", code, dir,
      policy = "danger-full-access" }))
    assert.equal("from a file\nhere\n\n" .. ("nil\tinvalid_input\tstdin\n"):rep(3), r.stdout)
    support.remove(dir)
  end)

  it("gives what it has open for writing too for reading alone, at its place", function()
    local dir = support.scratch()
    support.write(dir .. "/f", "first\nsecond\n")
    local code = SETUP .. [[
      local r = sbx.run{'sh', '-c', 'cat; echo written >&0', stdin = 3}
      print(r.status, r.stdout)
    ]]
    local line = [[exec 3<>"$2/f"; read -r line <&3; lua5.4 -e "$1"]]
    local r = assert(sbx.run({ "bash", "-c", line, "bash", code, dir,
                               policy = "danger-full-access" }))
    assert.equal("failed\tsecond\n\n", r.stdout)
    assert.equal("first\nsecond\n", support.read(dir .. "/f"))
    support.remove(dir)
  end)

  it("reads the user's scripts, and says where one is broken", function()
    local dir = support.scratch()
    os.execute("mkdir " .. dir .. "/sbxlua")
    local script = dir .. "/sbxlua/denial.lua"
    support.write(script, "local base = ...\nbase.keywords = {'my own word'}\nreturn base\n")
    local job = host(([[
      print(select(2, sbx.run{'sh', '-c', 'echo My own word; exit 1'}).kind)
      print(sbx.run{'sh', '-c', 'echo permission denied; exit 1'}.status)
      io.open('%s', 'w'):write('local base = ...\n)'):close()
      print(sbx.run{'true'}.status)
      local ok, err = sbx.reload()
      print(ok, err.kind, err.message:match('denial.lua:2: ') ~= nil)
      print(select(2, sbx.run{'true'}).kind)
    ]]):format(script), { env = { XDG_CONFIG_HOME = dir } })
    local r = assert(job:wait())
    assert.equal("denied\nfailed\nok\nnil\tpolicy\ttrue\npolicy\n", r.stdout)
    support.remove(dir)
  end)

  it("is not sent SIGPIPE by a command that doesn't read", function()
    local job = host("print(sbx.run{'true', stdin = ('x'):rep(1e6)}.status)")
    assert.equal("ok\n", assert(job:wait()).stdout)
  end)
end)
