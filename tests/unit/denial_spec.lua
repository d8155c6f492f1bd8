-- The heuristic row by row, and the verdict of a watched run.
local denial = require "sbx.denial"

local LINUX, NONE, MACOS = "linux-seccomp", "none", "macos-seatbelt"

local function output(exit_code, stderr, aggregated)
  return { exit_code = exit_code, stdout = "", stderr = stderr or "",
           aggregated_output = aggregated or stderr or "" }
end

describe("denial.is_likely_sandbox_denied", function()
  for _, row in ipairs({
    { LINUX, output(1), false },
    { LINUX, output(1, "Operation not permitted"), true },
    { LINUX, output(127, "command not found"), false },
    { LINUX, output(127, "Permission denied"), true },
    { LINUX, output(0, "Operation not permitted"), false },
    { NONE, output(1, "Operation not permitted"), false },
    { MACOS, output(101, "",
                    "cargo failed: Read-only file system when writing target"), true },
    { LINUX, output(159), true },
    { MACOS, output(159), false },
    { LINUX, output(2, "usage"), false },
    { LINUX, output(126), false },
    { LINUX, output(1, "FAILED TO WRITE FILE"), true },
  }) do
    local kind, out, expected = row[1], row[2], row[3]
    it(string.format("%s, exit %d, %q: %s", kind, out.exit_code, out.aggregated_output,
                     tostring(expected)), function()
      local verdict, reason = denial.is_likely_sandbox_denied(kind, out)
      assert.equal(expected, verdict)
      assert.is_string(reason)
    end)
  end

  it("looks at stdout too, and does without streams", function()
    assert.is_true(denial.is_likely_sandbox_denied(LINUX, { exit_code = 1, stdout = "seccomp" }))
    assert.is_false((denial.is_likely_sandbox_denied(LINUX, { exit_code = 1 })))
  end)

  it("takes another keyword", function()
    denial.keywords[#denial.keywords + 1] = "No Way"
    local verdict = denial.is_likely_sandbox_denied(LINUX, output(1, "there is no way in"))
    denial.keywords[#denial.keywords] = nil
    assert.is_true(verdict)
  end)
end)

describe("denial.judge", function()
  local refused = { { operation = "write", path = "/etc/hosts", errno = "EACCES" } }

  local function verdict(...) return (denial.judge(...)) end

  it("asks the heuristic when nobody watched", function()
    assert.equal("likely", verdict(LINUX, output(1, "Permission denied"), {}, false))
    assert.equal("none", verdict(LINUX, output(1, "no such file"), {}, false))
  end)

  it("believes the watch, whatever the output says", function()
    assert.equal("none", verdict(LINUX, output(1, "Permission denied"), {}, true))
    assert.equal("confirmed", verdict(LINUX, output(1, "sh: /etc/hosts: no"), refused, true))
    assert.equal("confirmed", verdict(LINUX, output(1), refused, true))
    assert.equal("none", verdict(LINUX, output(1, "test 3 failed"), refused, true))
  end)

  it("has no verdict on another ending", function()
    local out = output(124, "Permission denied")
    out.timed_out = true
    assert.equal("none", verdict(LINUX, out, refused, true))
    assert.equal("none", verdict(LINUX, output(0), refused, true))
    assert.equal("none", verdict(NONE, output(1, "Permission denied"), {}, false))
  end)
end)
