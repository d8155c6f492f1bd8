-- `unix_sockets`: sockets by path or abstract name are out of reach without network, wherever they
-- lie; what goes on inside the command's own tree works.
local sbx = require "sbx"
local support = require "tests.support"

local sockets = support.program("sockets")

describe("sockets of the host", function()
  local dir, listener

  before_each(function()
    dir = support.directory()
    listener = support.listener(dir)
  end)
  after_each(function()
    listener:close()
    support.remove(dir)
  end)

  it("are out of reach also when they lie in the writable root", function()
    for _, network in ipairs({ "none", "loopback" }) do
      local _, heard = listener:reach({ policy = { extends = "workspace-write",
                                                   network = network } })
      assert.same({}, heard)
    end
  end)

  it("are out of reach of a child's child, and of a program that restores its limits", function()
    local line = ("%s reach %s %s %s"):format(sockets, listener.tcp, listener.udp, dir)
    assert(sbx.run({ "sh", "-c", "(setsid " .. line .. ") & wait; nice " .. line,
                     policy = "workspace-write", cwd = dir }))
    support.sleep("0.1")
    assert.same({}, listener:heard())
  end)

  it("are reached by path with full network, which the result says", function()
    local opts = { policy = { extends = "read-only", network = "full" } }
    local answers, heard = listener:reach(opts)
    assert.equal("ok", answers.stream)
    assert.equal(1, heard.stream)
    local r = assert(sbx.run({ "true", policy = opts.policy }))
    assert.is_true(support.is_missing(r.sandbox, "unix_sockets"))
    assert.is_nil(r.sandbox.enforced.unix_sockets)
  end)

  it("stay out of reach where a listed one can't be told apart: refused by name", function()
    local opts = { "touch", "ran", cwd = dir, policy = {
      extends = "workspace-write", network = "loopback", unix_sockets = { listener.stream },
    } }
    local _, err = sbx.run(opts)
    assert.equal("policy", err.kind)
    assert.matches(listener.stream, err.message, 1, true)
    assert.is_false(support.exists(dir .. "/ran"))
    opts.allow_missing = { "unix_sockets" }
    assert(sbx.run(opts))
    assert.is_true(support.exists(dir .. "/ran"))
  end)
end)
