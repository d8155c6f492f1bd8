-- sbx.run on real commands: results, endings, input and output.
local sbx = require "sbx"
local support = require "tests.engine.api_support"

local FULL = "danger-full-access"

describe("sbx.run", function()
  it("gives a plain result with every field", function()
    local r = assert(sbx.run({ "sh", "-c", "echo out; echo err >&2", call_id = "c1",
                               justification = "a test", with_escalated_permissions = false }))
    assert.equal("ok", r.status)
    assert.equal(0, r.exit_code)
    assert.is_nil(r.signal)
    assert.equal("out\n", r.stdout)
    assert.equal("err\n", r.stderr)
    assert.equal(8, #r.aggregated_output)
    assert.is_false(r.timed_out)
    assert.same({ stdout = 0, stderr = 0, aggregated_output = 0 }, r.truncated)
    assert.equal("number", type(r.duration_ms))
    assert.equal("number", type(r.setup_ms))
    assert.equal("number", type(r.usage.user_ms))
    assert.equal("number", type(r.usage.max_rss_bytes))
    assert.same({ verdict = "none", evidence = {}, failures = {}, watched = false, dropped = 0,
                  unread = 0 }, r.denial)
    assert.equal("linux-seccomp", r.sandbox.type)
    assert.equal(sbx.probe().tiers[1], r.sandbox.tier)
    assert.equal("read-only", r.sandbox.policy)
    assert.equal("table", type(r.sandbox.enforced))
    assert.equal("table", type(r.sandbox.missing))
    assert.equal("table", type(r.env_dropped))
    assert.equal(0, r.leftover)
    assert.equal("c1", r.call_id)
    assert.equal("a test", r.justification)
    assert.is_false(r.with_escalated_permissions)
    assert.is_nil(getmetatable(r))
  end)

  it("shares nothing between two results", function()
    local a = assert(sbx.run({ "true" }))
    a.sandbox.enforced.fs, a.sandbox.missing[1], a.env_dropped[1] = "mine", "mine", "mine"
    local b = assert(sbx.run({ "true" }))
    assert.are_not.equal("mine", b.sandbox.enforced.fs)
    assert.are_not.equal("mine", b.sandbox.missing[1])
    assert.are_not.equal("mine", b.env_dropped[1])
  end)

  it("takes an ordinary failure for a result", function()
    local r, err = sbx.run({ "sh", "-c", "exit 3" })
    assert.is_nil(err)
    assert.equal("failed", r.status)
    assert.equal(3, r.exit_code)
    assert.equal("none", r.denial.verdict)
    assert.equal(159, sbx.run({ "sh", "-c", "exit 159", policy = FULL }).exit_code)
  end)

  it("takes a shell's own 128 + n for an ordinary exit code", function()
    local r = assert(sbx.run({ "sh", "-c", "exit 143" }))
    assert.equal("failed", r.status)
    assert.equal(143, r.exit_code)
  end)

  it("tells death by a signal", function()
    local r, err, out = sbx.run({ "sh", "-c", "echo before; kill -SEGV $$" })
    assert.is_nil(r)
    assert.equal("signal", err.kind)
    assert.equal(11, err.signal)
    assert.equal(139, out.exit_code)
    assert.equal(11, out.signal)
    assert.equal("signal", out.status)
    assert.equal("before\n", out.stdout)
    assert.equal(out, err.output)
    assert.equal("none", out.denial.verdict)
  end)

  it("kills the tree at the time-out and keeps its output", function()
    local marker = support.marker()
    local r, err, out = sbx.run({
      "bash", "-c", "sleep " .. marker .. " & echo started; sleep " .. marker, timeout_ms = 300,
    })
    assert.is_nil(r)
    assert.equal("timeout", err.kind)
    assert.equal(124, out.exit_code)
    assert.is_true(out.timed_out)
    assert.equal("timeout", out.status)
    assert.equal("started\n", out.stdout)
    assert.is_true(support.gone(marker))
  end)

  it("has timed out even when the command ends well on TERM", function()
    local _, err, out = sbx.run({
      "sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done",
      timeout_ms = 200, kill_grace_ms = 5000,
    })
    assert.equal("timeout", err.kind)
    assert.equal(124, out.exit_code)
  end)

  it("ends at silence", function()
    local _, err, out = sbx.run({ "sh", "-c", "echo a; sleep 60", idle_timeout_ms = 200 })
    assert.equal("limit", err.kind)
    assert.equal("idle_timeout_ms", err.limit)
    assert.equal("limit", out.status)
    assert.equal(137, out.exit_code)
    assert.is_false(out.timed_out)
    assert.equal("a\n", out.stdout)
  end)

  it("doesn't wait for who holds the output, and counts it", function()
    local marker = support.marker()
    local r = assert(sbx.run({ "sh", "-c", "printf hello; sleep " .. marker .. " &" }))
    assert.equal("hello", r.stdout)
    assert.equal(1, r.leftover)
    assert.is_true(r.duration_ms < 5000)
    assert.is_true(support.gone(marker))
  end)

  it("can be asserted: one readable line", function()
    local ok, err = pcall(function() assert(sbx.run({ "sleep", "60", timeout_ms = 100 })) end)
    assert.is_false(ok)
    assert.equal("timeout: killed after 100 ms", tostring(err))
  end)

  it("calls on_done with what it returns", function()
    local heard
    local r = sbx.run({ "true" }, function(...) heard = table.pack(...) end)
    assert.equal(r, heard[1])
    local _, err = sbx.run({}, function(...) heard = table.pack(...) end)
    assert.equal(err, heard[2])
    assert.error_matches(function() sbx.run({ "true" }, "done") end, "function")
  end)
end)

describe("output", function()
  it("has a cap with head and tail, counted exactly", function()
    local r = assert(sbx.run({ "sh", "-c", "seq 1 20000", max_output_bytes = 1000 }))
    assert.equal(1000, #r.stdout)
    assert.equal("1\n2\n3\n", r.stdout:sub(1, 6))
    assert.equal("20000\n", r.stdout:sub(-6))
    assert.equal(108894, #r.stdout + r.truncated.stdout)
    assert.equal(1000, #r.aggregated_output)
    assert.equal(108894 - 1000, r.truncated.aggregated_output)
    assert.equal(108894, #assert(sbx.run({ "seq", "20000", max_output_bytes = false })).stdout)
  end)

  it("keeps bytes that are no text", function()
    local r = assert(sbx.run({ "printf", "\\000\\377\\303(" }))
    assert.equal("\0\255\195(", r.stdout)
  end)

  it("merges stderr in exact order", function()
    local r = assert(sbx.run({ "sh", "-c", "echo 1; echo 2 >&2; echo 3", merge_stderr = true }))
    assert.equal("1\n2\n3\n", r.stdout)
    assert.equal("", r.stderr)
  end)

  it("goes live in pieces of at most 8192 bytes, then nil for each stream", function()
    local text, ends, longest = {}, {}, 0
    local r = assert(sbx.run({ "sh", "-c", "seq 1 20000; echo e >&2", call_id = "c7",
      on_output = function(stream, chunk, about)
        assert.equal("c7", about.call_id)
        if chunk then
          longest = math.max(longest, #chunk)
          if stream == "stdout" then text[#text + 1] = chunk end
        else
          ends[#ends + 1] = stream
        end
      end }))
    table.sort(ends)
    assert.same({ "stderr", "stdout" }, ends)
    assert.equal(r.stdout, table.concat(text))
    assert.is_true(longest <= 8192)
  end)

  it("goes live as it comes", function()
    local seen
    local _, _, out = sbx.run({ "sh", "-c", "echo now; sleep 60", timeout_ms = 1000,
                                on_output = function(_, text) seen = seen or text end })
    assert.equal("now\n", seen)
    assert.equal("now\n", out.stdout)
  end)

  it("tells at most max_output_deltas pieces and captures on", function()
    local pieces, ends = 0, 0
    local r = assert(sbx.run({ "sh", "-c", "seq 1 100000", max_output_deltas = 3,
      on_output = function(_, text)
        if text then pieces = pieces + 1 else ends = ends + 1 end
      end }))
    assert.equal(3, pieces)
    assert.equal(2, ends)
    assert.equal(588895, #r.stdout)
  end)

  it("comes as whole lines, the last partial one too", function()
    local lines = {}
    assert(sbx.run({ "sh", "-c", "printf 'a\\nb'; sleep 0.1; printf 'c\\n\\nlast'",
      on_line = function(stream, line)
        lines[#lines + 1] = stream .. ":" .. tostring(line)
      end }))
    assert.same({ "stdout:a", "stdout:bc", "stdout:", "stdout:last" },
                { lines[1], lines[2], lines[3], lines[4] == "stdout:last" and lines[4]
                  or lines[5] })
  end)

  it("passes an error of on_output on, after the job is closed", function()
    local marker = support.marker()
    local ok, err = pcall(sbx.run, {
      "sh", "-c", "echo go; exec sleep " .. marker, on_output = function() error("mine", 0) end,
    })
    assert.is_false(ok)
    assert.equal("mine", err)
    assert.is_true(support.gone(marker))
  end)
end)

describe("stdin", function()
  it("is /dev/null when nothing is said", function()
    assert.equal("/dev/null\n", assert(sbx.run({ "readlink", "/proc/self/fd/0" })).stdout)
  end)

  it("is a string of any size", function()
    local text = ("x"):rep(300000) .. "\0end"
    local r = assert(sbx.run({ "cat", stdin = text }))
    assert.equal(#text, #r.stdout)
    assert.equal(text, r.stdout)
    assert.equal("", assert(sbx.run({ "cat", stdin = "" })).stdout)
  end)

  it("may stay unread", function()
    assert(sbx.run({ "true", stdin = ("x"):rep(1000000) }))
  end)
end)

describe("the command", function()
  it("has its arg0", function()
    local r = assert(sbx.run({ "/bin/sh", "-c", "echo $0", arg0 = "other" }))
    assert.equal("other\n", r.stdout)
  end)

  it("may be a script", function()
    assert.equal("3\n", assert(sbx.run({ script = "echo $((1 + 2))" })).stdout)
    assert.equal("3\n", assert(sbx.run(sbx.sh("echo $((1 + 2))"))).stdout)
    assert.error_matches(function() sbx.sh("ls", { command = { "x" } }) end, "leave it out")
  end)

  it("runs in its cwd, also a relative one", function()
    assert.equal("/usr\n", assert(sbx.run({ "pwd", cwd = "/usr" })).stdout)
    local own = assert(sbx.run({ "pwd", "-P" })).stdout
    assert.equal(own, assert(sbx.run({ "pwd", "-P", cwd = "." })).stdout)
  end)

  it("is looked up from cwd with a slash, in the child's PATH without", function()
    local dir = support.scratch()
    support.write(dir .. "/tool", "#!/bin/sh\necho found\n")
    os.execute("chmod 755 " .. dir .. "/tool")
    assert.equal("found\n", assert(sbx.run({ "./tool", cwd = dir })).stdout)
    assert.equal("found\n", assert(sbx.run({ "tool", env = { PATH = dir .. ":/bin" } })).stdout)
    support.remove(dir)
  end)
end)

describe("many runs", function()
  it("leave no descriptor behind", function()
    for _ = 1, 20 do assert(sbx.run({ "true" })) end
    collectgarbage()
    collectgarbage()
    local before = support.open_files()
    for i = 1, 100 do
      assert(sbx.run({ "true" }))
      sbx.run({ "sh", "-c", "exit " .. i % 3 })
      sbx.run({ "/nonexistent" })
    end
    collectgarbage()
    collectgarbage()
    assert.is_true(support.open_files() <= before)
  end)
end)
