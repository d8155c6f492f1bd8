-- The environment filter: a map in, a map out.
local env = require "sbx.env"

local inherited = {
  PATH = "/bin", HOME = "/h", LANG = "C", FOO = "1", AWS_SECRET_ID = "s", MY_KEY = "k",
  github_token = "t", BAR = "2",
}

local function names(map)
  local list = {}
  for name in pairs(map) do list[#list + 1] = name end
  table.sort(list)
  return list
end

describe("env.build", function()
  it("inherits the core by default", function()
    assert.same({ "HOME", "LANG", "PATH" }, names(env.build(nil, inherited)))
  end)

  it("inherits all but what looks like a secret", function()
    local map = env.build({ inherit = "all" }, inherited)
    assert.same({ "BAR", "FOO", "HOME", "LANG", "PATH" }, names(map))
  end)

  it("inherits secrets only when told to", function()
    local map = env.build({ inherit = "all", ignore_default_excludes = true }, inherited)
    assert.same(inherited, map)
  end)

  it("inherits nothing", function()
    assert.same({}, (env.build({ inherit = "none" }, inherited)))
  end)

  it("goes inherit, default excludes, exclude, set, include_only", function()
    local map = env.build({
      inherit = "all", exclude = { "ba?" }, set = { API_KEY = "set", OTHER = "x" },
      include_only = { "*KEY", "FOO", "BAR", "path" },
    }, inherited)
    -- set comes after the default excludes, include_only after set, names in any case
    assert.same({ API_KEY = "set", FOO = "1", PATH = "/bin" }, map)
  end)

  it("filters nothing with an empty include_only", function()
    local map = env.build({ inherit = "core", include_only = {} }, inherited)
    assert.same({ "HOME", "LANG", "PATH" }, names(map))
  end)

  it("takes everything but * and ? as itself", function()
    local odd = { ["A.B"] = "1", AXB = "2", ["A[B"] = "3", ["A%d"] = "4" }
    local function left(glob)
      return names((env.build({ inherit = "all", exclude = { glob } }, odd)))
    end
    assert.same({ "A%d", "AXB", "A[B" }, left("a.b"))
    assert.same({ "A%d", "A.B", "AXB" }, left("A[B"))
    assert.same({ "A.B", "AXB", "A[B" }, left("A%d"))
    assert.same({ "A%d" }, left("A?B"))
    assert.same({}, left("A*"))
  end)

  it("leaves what it was given alone", function()
    local before = names(inherited)
    env.build({ inherit = "all", exclude = { "*" }, set = { NEW = "1" } }, inherited)
    assert.same(before, names(inherited))
  end)

  it("fills what is not said from the default, which may be edited", function()
    local kept = env.default.inherit
    env.default.inherit = "all"
    local map = env.build({ exclude = { "FOO" } }, inherited)
    env.default.inherit = kept
    assert.same({ "BAR", "HOME", "LANG", "PATH" }, names(map))
  end)

  it("throws for a wrong field, type or word", function()
    for _, wrong in ipairs({ { inherits = "all" }, { exclude = "FOO" }, { inherit = "some" } }) do
      assert.has_error(function() env.build(wrong, inherited) end)
    end
  end)
end)
