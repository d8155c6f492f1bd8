-- sbxlua run --json: one object with every field, whatever happens; and signals to sbxlua itself.

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
local program = dofile(here .. "program.lua")

local null = require("cjson").null

local FIELDS = {
  "v", "ok", "status", "call_id", "setup_ms", "exit_code", "signal", "stdout", "stderr",
  "aggregated_output", "duration_ms", "timed_out", "truncated", "usage", "sandbox", "denial",
  "leftover", "env_dropped", "error",
}

local function object(words)
  local got = program.run({ "run", "--json", table.unpack(words) })
  local value = program.object(got)
  for _, name in ipairs(FIELDS) do assert.is_not_nil(value[name], name) end
  assert.equal("", got.stderr)
  return value, got
end

describe("sbxlua run --json", function()
  it("has every field of a run that went well", function()
    local value, got = object({ "--call-id", "c1", "--sh", "echo out; echo err >&2" })
    assert.equal(0, got.status)
    assert.is_true(value.ok)
    assert.equal("ok", value.status)
    assert.equal("c1", value.call_id)
    assert.equal("out\n", value.stdout)
    assert.equal("err\n", value.stderr)
    assert.equal("out\nerr\n", value.aggregated_output)
    assert.equal(null, value.signal)
    assert.equal(null, value.error)
    assert.is_false(value.timed_out)
    assert.same({ stdout = 0, stderr = 0, aggregated_output = 0 }, value.truncated)
    assert.equal("read-only", value.sandbox.policy)
    assert.equal("none", value.denial.verdict)
    assert.truthy(got.stdout:find('"evidence":[]', 1, true))
    assert.truthy(got.stdout:find('"env_dropped":[', 1, true))
    assert.truthy(got.stdout:find('"missing":[', 1, true))
  end)

  it("tells failures, time-outs and signals apart", function()
    local value, got = object({ "sh", "-c", "exit 3" })
    assert.same({ 3, 3, false, "failed" }, { got.status, value.exit_code, value.ok, value.status })
    assert.equal(null, value.error)
    value, got = object({ "-t", "300ms", "--sh", "echo first; sleep 60" })
    assert.same({ 124, 124, true, "timeout" },
      { got.status, value.exit_code, value.timed_out, value.status })
    assert.equal("timeout", value.error.kind)
    assert.equal("first\n", value.stdout)
    value, got = object({ "sh", "-c", "kill -TERM $$" })
    assert.same({ 143, 143, 15, "signal" },
      { got.status, value.exit_code, value.signal, value.status })
    value, got = object({ "--idle-timeout-ms", "300", "sleep", "60" })
    assert.same({ 137, "limit", "idle_timeout_ms", false },
      { got.status, value.status, value.error.limit, value.timed_out })
    value, got = object({ "sh", "-c", "echo Operation not permitted; exit 1" })
    assert.same({ 1, "denied", "denied", "likely" },
      { got.status, value.status, value.error.kind, value.denial.verdict })
  end)

  it("is there where nothing ran", function()
    for _, case in ipairs({
      { 125, "invalid_input", { "--nonsense" } }, { 125, "invalid_input", {} },
      { 125, "invalid_input", { "-t", "5", "true" } },
      { 125, "invalid_input", { "--pty", "true" } },
      { 125, "policy", { "-p", "no-such", "true" } },
      { 125, "invalid_input", { "-C", "/no/such", "true" } },
      { 127, "spawn", { "sbxlua-no-such-command" } }, { 126, "spawn", { "/etc/passwd" } },
      { 125, "unsupported", { "--sandbox", "macos-seatbelt", "true" } },
    }) do
      local value, got = object(case[3])
      assert.equal(case[1], got.status)
      assert.equal(case[2], value.error.kind)
      assert.equal("not_started", value.status)
      assert.is_false(value.ok)
      assert.equal(null, value.exit_code)
      assert.equal(null, value.stdout)
    end
    local value = object({ "sbxlua-no-such-command" })
    assert.same({ "ENOENT", "execve" }, { value.error.code, value.error.step })
    local got = program.run({ "run", "--nonsense", "--json", "true" })
    assert.equal("invalid_input", program.object(got).error.kind)
  end)

  it("is UTF-8 whatever the command prints, and never cuts a character", function()
    local value = object({ "--sh", [[printf 'a\377b\303']] })
    assert.equal("a\u{FFFD}b\u{FFFD}", value.stdout)
    value = object({ "--max-output", "10", "--sh", [[printf '€€€€€€']] })
    assert.is_truthy(utf8.len(value.stdout))
    assert.is_nil(value.stdout:find("\u{FFFD}", 1, true))
    assert.equal(18, #value.stdout + value.truncated.stdout)
  end)

  it("keeps head and tail, counts the rest, and stays below 128 MiB", function()
    local value = object({ "--max-output", "1000", "--", "head", "-c", "5000000", "/dev/zero" })
    assert.equal(1000, #value.stdout)
    assert.equal(4999000, value.truncated.stdout)
    -- the peak as the kernel has it, read until the program is gone
    local place = program.directory()
    local got = program.shell("$sbxlua run --json -- sh -c 'head -c 100000000 /dev/zero;"
      .. " head -c 50000000 /dev/zero >&2' >" .. place .. "/out & pid=$!; "
      .. "while grep VmHWM /proc/$pid/status 2>/dev/null; do sleep 0.02; done | tail -n 1")
    assert.is_true(#program.read(place .. "/out") > 6 * 3 * 10485760)
    program.remove(place)
    local peak = tonumber(got.stdout:match("VmHWM:%s*(%d+) kB"))
    if not os.getenv("SBX_SANITIZED") then assert.is_true(peak < 128 * 1024, peak) end
  end)
end)

describe("a signal to sbxlua run", function()
  local place
  before_each(function() place = program.directory() end)
  after_each(function() program.remove(place) end)

  -- Starts a tree with a daemon, waits until that is up, sends the signal; gives the status, what
  -- sbxlua printed, and whether the daemon still writes a second later.
  local function interrupt(signal, options)
    local tree = "(setsid sh -c 'while :; do echo x >>" .. place .. "/beat; sleep 0.1; done' &) ;"
      .. " echo up; sleep 60"
    program.write(place .. "/tree", tree)
    return program.shell(string.format(
      "env --default-signal=INT,TERM,HUP $sbxlua run -w %s %s -- sh %s/tree >%s/out & "
      .. "until_there %s/beat; kill -%s $!; wait $!; echo $?; cat %s/out;"
      .. " cp %s/beat %s/beat1; sleep 1; cmp %s/beat %s/beat1",
      place, options, place, place, place, signal, place, place, place, place, place))
  end

  it("ends the tree with 128 + the signal", function()
    for name, number in pairs({ INT = 2, TERM = 15, HUP = 1 }) do
      os.remove(place .. "/beat")
      assert.equal(128 + number .. "\nup\n", interrupt(name, "-q").stdout)
    end
  end)

  it("prints the object first", function()
    local got = interrupt("TERM", "--json")
    local value = require("cjson").decode(got.stdout:match("^143\n(.*)$"))
    assert.same({ 143, "cancelled", "cancelled", "up\n" },
      { value.exit_code, value.status, value.error.kind, value.stdout })
  end)

  it("is heard while nobody takes the output", function()
    local got = program.shell("mkfifo " .. place .. "/pipe; exec 3<>" .. place .. "/pipe; "
      .. "env --default-signal=TERM $sbxlua run -q -- yes >" .. place .. "/pipe & sleep 1; "
      .. "kill $!; wait $!; echo $?")
    assert.equal("143\n", got.stdout)
  end)
end)
