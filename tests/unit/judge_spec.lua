-- What the judge says of what it could not see, and that what a command writes can't keep it busy.
local denial = require "sbx.denial"

local function judge(stderr, evidence, command)
  evidence.command = command
  local out = { exit_code = 1, stdout = "", stderr = stderr, aggregated_output = stderr }
  return denial.judge("linux-seccomp", out, evidence, true)
end

describe("a watched run with calls that could not be looked at", function()
  it("is guessed, and their number told", function()
    local verdict, reason = judge("open: Read-only file system\n", { unread = 2 })
    assert.equal("likely", verdict)
    assert.matches("2 calls could not be looked at", reason, 1, true)
    verdict, reason = judge("no luck\n", { unread = 1 })
    assert.equal("none", verdict)
    assert.matches("1 call could not be looked at", reason, 1, true)
  end)
end)

describe("a line that the command chose to slow the host", function()
  local refused = { pid = 2, operation = "create", path = "/o/x", errno = "EROFS", seq = 1,
                    program = "x" }
  local failed = { pid = 2, ppid = 1, program = "x", code = 1, seq = 2 }

  -- CPU seconds of the host
  local function cost(text, command)
    local before = os.clock()
    judge(text, { refused, failures = { failed } }, command)
    return os.clock() - before
  end

  it("costs no more than any other", function()
    for _, piece in ipairs({ "1", "test ", "tests ", "error", "a", " ", "/", "'", ": ", "git ",
                             "o/x/", "x:" }) do
      local long = piece:rep(100000 // #piece)
      assert.is_true(cost(long) < 0.5, piece)
      assert.is_true(cost((long:sub(1, 999) .. "\n"):rep(20)) < 0.5, piece)
      assert.is_true(cost("", { "sh", "-c", long }) < 0.5, piece)
      assert.is_true(cost("", { "sh", "-c", "x | " .. long }) < 0.5, piece)
    end
  end)
end)
