-- Editable scripts that throw or talk nonsense: an error with the file, in each form, and never a
-- throw into the host. Each is tried in a host of its own, as scripts are read once.
local support = require "tests.engine.api_support"

local HOST = [[
local sbx = require "sbx"
local ok, r, err = pcall(sbx.run, { "sh", "-c", "exit 1", policy = "read-only",
                                    env_policy = %s })
if not ok then print("threw", r) else print(r and r.status, err and err.kind, tostring(err)) end
]]

describe("an editable script", function()
  local dir

  before_each(function()
    dir = support.scratch()
    os.execute("mkdir -p " .. dir .. "/sbxlua")
  end)
  after_each(function() support.remove(dir) end)

  -- What a host prints, with this edit of a script's `base`.
  local function told(name, edit, env_policy)
    os.execute("rm -f " .. dir .. "/sbxlua/*.lua")
    local text = "local base = ...\n" .. edit .. "\nreturn base\n"
    support.write(dir .. "/sbxlua/" .. name .. ".lua", text)
    support.write(dir .. "/host.lua", HOST:format(env_policy or "nil"))
    local pipe = assert(io.popen(("XDG_CONFIG_HOME=%s LUA_PATH='%s' LUA_CPATH='%s' lua5.4 %s 2>&1")
      :format(dir, package.path, package.cpath, dir .. "/host.lua")))
    local output = pipe:read("a")
    pipe:close()
    return output
  end

  local function blamed(name, edit, words)
    local output = told(name, edit)
    assert.matches("^nil\tpolicy\tpolicy: " .. dir:gsub("%p", "%%%0") .. "/sbxlua/" .. name
                   .. "%.lua:", output)
    assert.matches(words, output, 1, true)
  end

  it("that is sound changes what it changes", function()
    local same = "local old = base.%s base.%s = function(...) return old(...) end"
    for name, field in pairs({ env = "build", policy = "plan", denial = "judge" }) do
      assert.matches("^failed\tnil", told(name, same:format(field, field)))
    end
    assert.matches("^nil\tdenied", told("denial", "base.judge = function() return 'likely' end"))
  end)

  it("is named when its environment is none", function()
    blamed("env", "base.build = function() error('boom') end", "env.lua:2: boom")
    blamed("env", "base.build = function() error({}) end", "threw a table")
    blamed("env", "base.build = function() return nil end", "must give a map, not nil")
    blamed("env", "base.build = function() return { A = 1 } end", "build.A must be a string")
    blamed("env", "base.build = function() return { 'x' } end", "name that is no string")
    blamed("env", "base.build = function() return { ['A=B'] = 'x' } end", "is no name")
    blamed("env", "base.build = function() return { A = 'x\\0y' } end", "build.A contains a NUL")
    blamed("env", "base.default = { inherit = 'bogus' }", "bogus")
  end)

  it("is named when its plan is none", function()
    local edit = "local plan = base.plan base.plan = function(...) local made = plan(...) %s"
      .. " return made end"
    blamed("policy", "base.plan = function() error('boom') end", "policy.lua:2: boom")
    blamed("policy", "base.plan = function() end", "must give a table, not nil")
    blamed("policy", "base.plan = function() return 5 end", "must give a table, not number")
    blamed("policy", "base.plan = function() return {} end", "plan.type")
    blamed("policy", edit:format("made.alternatives = {}"), "alternatives is empty")
    blamed("policy", edit:format("made.alternatives[1].engine = 1"), "engine must be a table")
    blamed("policy", edit:format("made.alternatives[1].engine = {}"), "kill")
    blamed("policy", edit:format("made.alternatives[1].engine.kil = 'x'"), "kil")
    blamed("policy", edit:format("made.alternatives[1].engine.rlimits = { core = 'x' }"), "core")
    blamed("policy", edit:format("made.env = { A = {} }"), "plan.env.A")
    blamed("policy", edit:format("made.missing = { 'x' }"), "plan.missing[1]")
  end)

  it("is named when its verdict is none", function()
    blamed("denial", "base.judge = function() return 'yes' end", "the verdict yes")
    blamed("denial", "base.judge = function() error('boom') end", "denial.lua:2: boom")
    blamed("denial", "base.judge = nil base.is_likely_sandbox_denied = function() return 3 end",
           "must give a boolean, not number")
  end)

  it("stands in no way of the caller's misuse", function()
    local output = told("env", "base.build = function() return {} end", "{ inherit = 'bogus' }")
    assert.matches("^threw\t.*host%.lua:%d+: option \"env_policy\": .*bogus", output)
  end)
end)
