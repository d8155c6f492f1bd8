-- The command sees the variables that the policy lets through, and those alone. Tried in hosts with
-- an environment made for it.
local support = require "tests.support"

-- Runs `env -0` under opts, in a host with these variables besides those of the test.
local function seen(dir, variables, opts)
  local words = {}
  for name, value in pairs(variables) do
    words[#words + 1] = name .. "=" .. support.quote(value)
  end
  support.write(dir .. "/env.sh",
                "export " .. table.concat(words, " ") .. "\nexec lua5.4 host2.lua")
  support.write(dir .. "/host2.lua", ([[
    local sbx = require "sbx"
    local opts = %s
    opts.command = { "env", "-0" }
    local r, err = sbx.run(opts)
    if not r then print("error " .. tostring(err)) return end
    io.write(r.stdout, "\0dropped ", table.concat(r.env_dropped, " "))
  ]]):format(opts))
  local host = support.host(dir, [[os.execute("sh env.sh")]])
  host:wait()
  local map = {}
  local text = host:output()
  for name, value in text:gmatch("([%w_]+)=(%Z*)%z") do map[name] = value end
  map.dropped = text:match("%zdropped ([^%z\n]*)$")
  host:close()
  return map
end

describe("the environment", function()
  local dir

  before_each(function() dir = support.directory() end)
  after_each(function() support.remove(dir) end)

  it("is the core of the host's, and names what it left out", function()
    local env = seen(dir, { LANG = "C.UTF-8", USER = "tester", SHELL = "/bin/sh", OTHER = "x",
                            LOGNAME = "tester", LC_ALL = "C", TERM = "dumb", TMP = "/tmp",
                            API_TOKEN = "t", LD_LIBRARY_PATH = "/x" }, "{}")
    assert.equal("tester", env.USER)
    assert.equal("tester", env.LOGNAME)
    assert.equal("/bin/sh", env.SHELL)
    assert.equal("C", env.LC_ALL)
    assert.equal("/tmp", env.TMP)
    assert.is_nil(env.OTHER)
    assert.is_nil(env.TERM)
    assert.is_nil(env.API_TOKEN)
    assert.is_nil(env.LD_LIBRARY_PATH)
    assert.is_nil(env.LUA_PATH)
    assert.equal("1", env.CODEX_SANDBOX_NETWORK_DISABLED)
    assert.equal("1", env.SBX_NETWORK_DISABLED)
    for _, name in ipairs({ "OTHER", "API_TOKEN" }) do
      assert.matches(name, env.dropped, 1, true)
    end
  end)

  it("is all but secrets with inherit all, by name without regard to case", function()
    local variables = { A_KEY = "1", my_secret_x = "2", GitHubToken = "3", PLAIN = "4",
                        MONKEYS = "5" }
    local env = seen(dir, variables, "{ env_policy = { inherit = 'all' } }")
    assert.equal("4", env.PLAIN)
    assert.is_nil(env.A_KEY)
    assert.is_nil(env.my_secret_x)
    assert.is_nil(env.GitHubToken)
    assert.is_nil(env.MONKEYS)
    env = seen(dir, variables,
               "{ env_policy = { inherit = 'all', ignore_default_excludes = true } }")
    assert.equal("1", env.A_KEY)
    assert.equal("3", env.GitHubToken)
  end)

  it("follows exclude, set and include_only in that order", function()
    local env = seen(dir, { ONE = "1", TWO = "2", THREE = "3" }, [[{ env_policy = {
      inherit = "all", exclude = { "tw?" }, set = { TWO = "set", FOUR = "set", API_KEY = "set" },
      include_only = { "T*", "FOUR", "API*" },
    } }]])
    assert.is_nil(env.ONE)
    assert.equal("set", env.TWO)
    assert.equal("3", env.THREE)
    assert.equal("set", env.FOUR)
    assert.equal("set", env.API_KEY)
    assert.is_nil(env.PATH)
    assert.equal("1", env.SBX_NETWORK_DISABLED)
  end)

  it("is merged over by env, and false removes", function()
    local env = seen(dir, { USER = "tester" }, [[{ env = {
      USER = false, ADDED = "a=b\n'c'", API_TOKEN = "mine", SBX_NETWORK_DISABLED = "maybe",
    } }]])
    assert.is_nil(env.USER)
    assert.equal("a=b\n'c'", env.ADDED)
    assert.equal("mine", env.API_TOKEN)
    assert.equal("maybe", env.SBX_NETWORK_DISABLED)
    assert.equal("1", env.CODEX_SANDBOX_NETWORK_DISABLED)
  end)

  it("is only what env says with clear_env", function()
    local env = seen(dir, { USER = "tester" },
                     "{ clear_env = true, env = { ONLY = '1', PATH = '/usr/bin:/bin' } }")
    env.dropped = nil
    assert.same({ ONLY = "1", PATH = "/usr/bin:/bin", CODEX_SANDBOX_NETWORK_DISABLED = "1",
                  SBX_NETWORK_DISABLED = "1" }, env)
  end)

  it("is nothing with inherit none", function()
    local env = seen(dir, { USER = "tester" }, "{ env_policy = { inherit = 'none' } }")
    assert.is_nil(env.USER)
    assert.is_nil(env.HOME)
  end)
end)
