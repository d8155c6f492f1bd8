-- What the result says of a refusal, end to end: verdict, kind, the command's own exit code; and
-- what is no refusal.
local sbx = require "sbx"
local support = require "tests.support"

describe("a refused write", function()
  local dir

  before_each(function() dir = support.directory() end)
  after_each(function() support.remove(dir) end)

  it("is a denied run with the command's own exit code", function()
    local r, err, out = sbx.run({ "sh", "-c", "echo begun; echo x >" .. dir .. "/new" })
    assert.is_nil(r)
    assert.equal("denied", err.kind)
    assert.equal("denied", out.status)
    assert.equal("likely", out.denial.verdict)
    assert.equal(2, out.exit_code)
    assert.equal("begun\n", out.stdout)
    assert.equal(out, err.output)
    assert.is_nil(out.signal)
    assert.is_false(support.exists(dir .. "/new"))
  end)

  it("is none where the same command may write", function()
    local r = assert(sbx.run({ "sh", "-c", "echo x >new", cwd = dir,
                               policy = "workspace-write" }))
    assert.equal("ok", r.status)
    assert.equal("x\n", support.read(dir .. "/new"))
  end)

  it("that the command gets over is an ordinary end", function()
    local r = assert(sbx.run({ "sh", "-c", "echo x >" .. dir .. "/new; exit 0" }))
    assert.equal("ok", r.status)
    assert.equal("none", r.denial.verdict)
    assert.matches(support.tier() == "contained" and "Read%-only file system"
                   or "[Pp]ermission denied", r.stderr)
  end)

  it("is none when there is no sandbox", function()
    local r = assert(sbx.run({ "sh", "-c", "echo Permission denied >&2; exit 1",
                               policy = "danger-full-access" }))
    assert.equal("failed", r.status)
    assert.equal("none", r.denial.verdict)
    assert.equal("none", r.sandbox.type)
  end)

  it("is none when it timed out or died, whatever it printed", function()
    local _, err, out = sbx.run({ "sh", "-c", "echo Permission denied >&2; sleep 60",
                                  timeout_ms = 500 })
    assert.equal("timeout", err.kind)
    assert.equal("none", out.denial.verdict)
    _, err, out = sbx.run({ "sh", "-c", "echo Permission denied >&2; kill -KILL $$" })
    assert.equal("signal", err.kind)
    assert.equal("none", out.denial.verdict)
  end)
end)

describe("the order of the verdicts", function()
  -- behaviour.md, section 3: the table, with real commands
  local ROWS = {
    { "nothing said", "exit 1", "failed" },
    { "a keyword", "echo 'Operation not permitted' >&2; exit 1", "denied" },
    { "not found", "echo 'command not found' >&2; exit 127", "failed" },
    { "a keyword before the quick exits", "echo 'Permission denied' >&2; exit 127", "denied" },
    { "an exit of 0", "echo 'Operation not permitted' >&2; exit 0", "ok" },
    { "a keyword in any case, on stdout", "echo 'READ-ONLY FILE SYSTEM'; exit 101", "denied" },
    { "the exit of SIGSYS", "exit 159", "denied" },
    { "a misuse", "echo usage >&2; exit 2", "failed" },
  }

  for _, row in ipairs(ROWS) do
    it("is that of the table: " .. row[1], function()
      local r, _, out = sbx.run({ "sh", "-c", row[2] })
      out = r or out
      assert.equal(row[3], out.status)
      assert.equal(row[3] == "denied" and "likely" or "none", out.denial.verdict)
    end)
  end

  it("puts death by SIGSYS under signal", function()
    local _, err, out = sbx.run({ "sh", "-c", "kill -SYS $$" })
    assert.equal("signal", err.kind)
    assert.equal(31, err.signal)
    assert.equal(159, out.exit_code)
  end)
end)

describe("the denial script", function()
  local ROWS = {
    { "linux-seccomp", 1, "stderr", "", false },
    { "linux-seccomp", 1, "stderr", "Operation not permitted", true },
    { "linux-seccomp", 127, "stderr", "command not found", false },
    { "linux-seccomp", 127, "stderr", "Permission denied", true },
    { "linux-seccomp", 0, "stderr", "Operation not permitted", false },
    { "none", 1, "stderr", "Operation not permitted", false },
    { "macos-seatbelt", 101, "aggregated_output",
      "cargo failed: Read-only file system when writing target", true },
    { "linux-seccomp", 159, "stderr", "", true },
    { "macos-seatbelt", 159, "stderr", "", false },
    { "linux-seccomp", 2, "stderr", "bad option", false },
    { "linux-seccomp", 126, "stderr", "", false },
    { "linux-seccomp", 1, "stdout", "landlock said no", true },
    { "linux-seccomp", 1, "stdout", "Failed to write file x", true },
  }

  for index, row in ipairs(ROWS) do
    it("judges row " .. index, function()
      local denial = require "sbx.denial"
      local output = { exit_code = row[2], stdout = "", stderr = "", aggregated_output = "" }
      output[row[3]] = row[4]
      assert.equal(row[5], (denial.is_likely_sandbox_denied(row[1], output)))
    end)
  end

  it("is the user's where there is one, and an error where that doesn't load", function()
    local dir = support.directory()
    support.shell("mkdir -p %s", dir .. "/config/sbxlua")
    local code = [[
      local sbx = require "sbx"
      local r, err = sbx.run({ script = "echo no such luck; exit 9" })
      print(r and r.status or err.kind, err and err.message)
    ]]
    local function told()
      support.write(dir .. "/inner.lua", code)
      local host = support.host(dir, ("os.execute(\"XDG_CONFIG_HOME=%s/config lua5.4 inner.lua\")")
                                :format(dir))
      host:wait()
      return host:output()
    end
    assert.matches("^failed", told())
    support.write(dir .. "/config/sbxlua/denial.lua",
                  "local base = ...\nbase.keywords[#base.keywords + 1] = 'no such luck'\n"
                  .. "return base\n")
    assert.matches("^denied", told())
    support.write(dir .. "/config/sbxlua/denial.lua", "return {\n  keywords = \n}\n")
    assert.matches("^policy.*denial%.lua:3", told())
    support.write(dir .. "/config/sbxlua/denial.lua", "return 7\n")
    assert.matches("^policy.*denial%.lua", told())
    support.remove(dir)
  end)
end)
