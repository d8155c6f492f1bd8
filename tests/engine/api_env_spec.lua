-- The command's environment.
local sbx = require "sbx"

local function environment(opts)
  opts.command = { "/usr/bin/env", "-0" }
  local map, r = {}, assert(sbx.run(opts))
  for name, value in r.stdout:gmatch("([^=%z]+)=([^%z]*)%z") do map[name] = value end
  return map, r
end

describe("the environment", function()
  it("says that there is no network, sandboxed or not", function()
    for _, sandbox in ipairs({ "auto", "none" }) do
      local map = environment({ sandbox = sandbox })
      assert.equal("1", map.CODEX_SANDBOX_NETWORK_DISABLED)
      assert.equal("1", map.SBX_NETWORK_DISABLED)
    end
    assert.is_nil(environment({ policy = "danger-full-access" }).SBX_NETWORK_DISABLED)
  end)

  it("lets env have the last word", function()
    local map = environment({ env = { SBX_NETWORK_DISABLED = false, A = "b c\nd", HOME = "/x" } })
    assert.is_nil(map.SBX_NETWORK_DISABLED)
    assert.equal("1", map.CODEX_SANDBOX_NETWORK_DISABLED)
    assert.equal("b c\nd", map.A)
    assert.equal("/x", map.HOME)
    assert.is_nil(environment({ env = { PATH = false } }).PATH)
  end)

  it("starts from nothing with clear_env", function()
    local map, r = environment({ clear_env = true, env = { ONLY = "this" } })
    assert.same({ ONLY = "this", CODEX_SANDBOX_NETWORK_DISABLED = "1",
                  SBX_NETWORK_DISABLED = "1" }, map)
    assert.is_true(#r.env_dropped > 0)
  end)

  it("is filtered by env_policy", function()
    local map = environment({ env_policy = { inherit = "none", set = { X = "1", MY_KEY = "2" } } })
    assert.equal("1", map.X)
    assert.is_nil(map.HOME)
    map = environment({ env_policy = { inherit = "core", include_only = { "PA*" } } })
    assert.truthy(map.PATH)
    assert.is_nil(map.HOME)
  end)

  it("does not depend on what ran before", function()
    environment({ env = { LEFT = "over" } })
    assert.is_nil(environment({}).LEFT)
  end)
end)
