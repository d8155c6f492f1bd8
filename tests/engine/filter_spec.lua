-- Filters that the library which makes them can't be trusted with.

local core = require "sbx.core"

local UPPER = 2 ^ 32 // 1

local function plan(...)
  local rules = {}
  for i, args in ipairs({ ... }) do
    rules[i] = { call = "write", errno = "EPERM", args = args }
  end
  return { kill = "subreaper", namespaces = {}, no_new_privs = true, seccomp = rules }
end

describe("a filter", function()
  it("takes one rule for a call that goes on from other than equality", function()
    assert(core.sandbox(plan({ { 0, "ne", 5 }, { 1, "eq", 8 } })))
    assert(core.sandbox(plan({ { 0, "ne", 5 } }, { { 1, "ne", 5 } },
                             { { 0, "eq", 1 }, { 1, "ne", 2 } })))
    local same = { { 0, "ge", 5 }, { 1, "eq", 8 } }
    assert(core.sandbox(plan(same, same)))
  end)

  -- libseccomp 2.5.4 doesn't come back from these (alarm(2) in a program of its own shows it)
  it("refuses a second one, and says which call", function()
    for _, op in ipairs({ "ne", "lt", "le", "ge", "gt" }) do
      local sandbox, err = core.sandbox(plan({ { 0, op, 5 }, { 1, "eq", 8 } },
                                             { { 0, op, 5 }, { 1, "eq", UPPER } }))
      assert.is_nil(sandbox)
      assert.equal("seccomp", err.step)
      assert.matches("write: a second rule", err.message, 1, true)
    end
  end)
end)
