-- What the matrix calls wrong: each finding with the report that has it, and its twin that has not.
local verdict = require "tests.faults.verdict"

local SANDBOX = "kill_tree=pidns outside=EROFS network=EPERM user:host "
local call = { role = "supervisor-1", phase = "supervisor", name = "mount", nth = 1 }

local function told(ran, kind, step, code, text)
  return { ran = ran, kind = kind, step = step, code = code, text = text or "" }
end
local function well() return told(true, "ok", "contained", "0", SANDBOX) end
local function report(changes)
  local made = { forced = call, outcome = told(false, "sandbox", "mounts", "EPERM"), next = well(),
                 descriptors = "a b", children = "0", state = "work d\n", trouble = {} }
  for name, value in pairs(changes or {}) do made[name] = value end
  return made
end

local recording = report({ outcome = well() })
local function wrong(changes, of) return (verdict.of(report(changes), of or call, recording)) end

describe("a cell is wrong", function()
  it("not when the run was refused with a step", function() assert.is_nil(wrong()) end)
  it("not when the sandbox is whole", function() assert.is_nil(wrong({ outcome = well() })) end)

  it("when the command ran all the same", function()
    assert.is_truthy(wrong({ outcome = told(true, "sandbox", "mounts", "EPERM") }))
    assert.is_nil(wrong({ outcome = told(true, "sandbox", "supervisor", "") }))
  end)
  it("when the sandbox is another one", function()
    local text = SANDBOX:gsub("EROFS", "done")
    assert.is_truthy(wrong({ outcome = told(true, "ok", "contained", "0", text) }))
    assert.is_truthy(wrong({ outcome = told(true, "ok", "landlock", "0", SANDBOX) }))
    text = SANDBOX:gsub("user:host", "user:own")
    assert.is_nil(wrong({ outcome = told(true, "ok", "contained", "0", text) }))
  end)
  it("when the command was not there", function()
    assert.is_truthy(wrong({ outcome = told(false, "ok", "contained", "0", SANDBOX) }))
  end)
  it("when the error has another kind, or no step, or was thrown", function()
    assert.is_truthy(wrong({ outcome = told(false, "denied", "mounts", "") }))
    assert.is_truthy(wrong({ outcome = told(false, "sandbox", "", "EPERM") }))
    assert.is_truthy(wrong({ outcome = told(false, "thrown", "", "", "attempt to index") }))
    local of_plan = { outcome = told(false, "policy", "", "") }
    assert.is_truthy(wrong(of_plan))
    assert.is_nil(wrong(of_plan, { phase = "transform", role = "host" }))
  end)
  it("when something died, hung, or said nothing", function()
    assert.is_truthy(wrong({ trouble = { "died supervisor-1 Aborted sbx-supervisor" } }))
    assert.is_truthy(wrong({ trouble = { "hang child-1 12 chdir" } }))
    assert.is_truthy((verdict.of({ forced = call, trouble = {}, next = well() }, call, recording)))
    assert.is_nil(wrong({ trouble = { "died spawner Segmentation fault " } }))
  end)
  it("when the next command is not as it should be", function()
    assert.is_truthy(wrong({ next = told(false, "sandbox", "spawner", "EPIPE") }))
  end)

  local LEAKS = { descriptors = "a b c", children = "1", state = "work d\nwork/.git d\n",
                  trouble = { "left supervisor-1 12 sbx-supervisor" } }
  for name, value in pairs(LEAKS) do
    it("when something is left: " .. name, function()
      local what, leaked = verdict.of(report({ [name] = value }), call, recording)
      assert.is_truthy(what)
      assert.equal(1, #leaked)
    end)
  end
end)
