-- --limit NAME=N: what a shell sees of it.

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
local program = dofile(here .. "program.lua")

local function run(...) return program.run({ "run", ... }) end

describe("--limit", function()
  it("ends the command with 137, and says by what", function()
    local got = run("--limit", "output_bytes=10K", "--sh", "cat /dev/zero")
    assert.equal(137, got.status)
    assert.matches("sbxlua: limit output_bytes: ", got.stderr)
    assert.is_true(#got.stdout >= 10240)
  end)

  it("leaves a command alone that keeps to it", function()
    local got = run("--limit", "output_bytes=10K", "--limit", "processes=50", "--limit",
                    "cpu_ms=60000", "--limit", "memory_bytes=1G", "--limit", "open_files=100",
                    "--limit", "file_bytes=1M", "--sh", "head -c 10240 /dev/zero; exit 3")
    assert.equal(3, got.status)
    assert.equal(10240, #got.stdout)
    assert.is_nil(got.stderr:find("limit ", 1, true))
  end)

  it("lifts the policy's", function()
    local policy = '{"limits": {"output_bytes": "1K"}}'
    local script = "head -c 3000 /dev/zero"
    assert.equal(137, run("--policy-json", policy, "--sh", script).status)
    local got = run("--policy-json", policy, "--limit", "output_bytes=none", "--sh", script)
    assert.equal(0, got.status, got.stderr)
    assert.equal(3000, #got.stdout)
  end)

  it("is in the object of --json", function()
    local got = run("--json", "--limit", "output_bytes=1000", "--sh", "head -c 3000 /dev/zero")
    assert.equal(137, got.status)
    for _, part in ipairs({ '"status":"limit"', '"kind":"limit"', '"limit":"output_bytes"',
                            '"exit_code":137', '"ok":false', '"timed_out":false' }) do
      assert.truthy(got.stdout:find(part, 1, true), part .. " " .. got.stdout)
    end
  end)

  it("is 125 for what is no limit", function()
    for _, word in ipairs({ "processes", "processes=", "processes=0", "processes=x", "procs=3",
                            "processes=1K", "=3", "memory_bytes=1" }) do
      local got = run("--limit", word, "touch", "/tmp/never")
      assert.equal(125, got.status, word)
      assert.matches("^sbxlua: [^\n]+\n$", got.stderr)
    end
    assert.matches("did you mean \"processes\"", run("--limit", "proceses=3", "true").stderr)
  end)
end)
