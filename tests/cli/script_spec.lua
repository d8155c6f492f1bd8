-- sbxlua as a Lua host: like lua, but careful about where modules come from.

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
local program = dofile(here .. "program.lua")

local function lua(words, options) return program.run(words, options) end

describe("sbxlua script.lua", function()
  local place
  before_each(function() place = program.directory() end)
  after_each(function() program.remove(place) end)

  local function script(source)
    program.write(place .. "/script.lua", source)
    return place .. "/script.lua"
  end

  it("passes arguments, and arg with what stands before the script", function()
    local got = lua({ script("print(arg[0], arg[1], arg[-1], select('#', ...), ...)"), "a", "-b" })
    assert.equal(place .. "/script.lua\ta\t" .. program.path .. "\t2\ta\t-b\n", got.stdout)
    assert.equal(0, got.status)
  end)

  it("ends with lua's exit codes", function()
    assert.equal(7, lua({ script("os.exit(7)") }).status)
    assert.equal(1, lua({ script("error('no')") }).status)
    assert.equal(1, lua({ script("x =") }).status)
    assert.equal(1, lua({ place .. "/missing.lua" }).status)
  end)

  it("says an error with its place and a traceback", function()
    local got = lua({ script("local function f() error('broken') end\nf()") })
    assert.truthy(got.stderr:find("^sbxlua: .*script.lua:1: broken\nstack traceback:\n"))
    got = lua({ script("error(setmetatable({}, {__tostring = function() return 'odd' end}))") })
    assert.equal("sbxlua: odd\n", got.stderr)
    assert.equal("sbxlua: (error object is a table value)",
      lua({ script("error({})") }).stderr:match("^[^\n]+"))
  end)

  it("has sbx on its path, and no global of that name", function()
    local got = lua({ "-e", "print(sbx, type(require('sbx').run))" })
    assert.equal("nil\tfunction\n", got.stdout)
  end)

  it("runs -e and stdin", function()
    assert.equal("1\n2\n", lua({ "-e", "x = 1 print(x)", "-eprint(x + 1)" }).stdout)
    local got = lua({ "-", "a" }, { stdin = "print(arg[0], ...)" })
    assert.equal("-\ta\n", got.stdout)
    assert.equal("hi\tb\n", lua({ "-e", "w = 'hi'", script("print(w, ...)"), "b" }).stdout)
  end)

  it("takes modules from the directories of -I", function()
    program.write(place .. "/mine.lua", "return 'mine'")
    assert.equal("mine\n", lua({ "-I", place, "-e", "print((require('mine')))" }).stdout)
    assert.equal("mine\n", lua({ "-I" .. place, script("print((require 'mine'))") }).stdout)
  end)

  it("ignores LUA_INIT, LUA_PATH and the working directory", function()
    program.write(place .. "/sbx.lua", "print('stolen')")
    program.write(place .. "/mine.lua", "return 'stolen'")
    local env = {
      LUA_INIT = "print('stolen')", LUA_INIT_5_4 = "print('stolen')",
      LUA_PATH = place .. "/?.lua", LUA_PATH_5_4 = place .. "/?.lua",
      LUA_CPATH = place .. "/?.so",
    }
    local code = "print((pcall(require, 'mine')), type(require('sbx')), "
      .. "package.path:find('%./?', 1, true), package.cpath:find('%./?', 1, true))"
    local got = lua({ "-e", code }, { env = env, cwd = place })
    assert.equal("false\ttable\tnil\tnil\n", got.stdout)
    for template in lua({ "-e", "print(package.path)" }).stdout:gmatch("[^;\n]+") do
      assert.equal("/", template:sub(1, 1))
    end
  end)

  it("loads C modules", function()
    assert.equal("[1]\n", lua({ "-e", "print(require('cjson').encode({1}))" }).stdout)
  end)

  it("is stopped by Ctrl-C with an error that a script can catch", function()
    local source = script("io.stderr:write('up\\n') print(pcall(function() while true do end end))")
    local got = program.shell("env --default-signal=INT $sbxlua " .. source .. " 2>" .. place
      .. "/up & until_there " .. place .. "/up; kill -INT $!; wait $!")
    assert.equal("false\tinterrupted!\n", got.stdout)
    assert.equal(0, got.status)
  end)
end)

describe("sbxlua with unknown words", function()
  it("names the nearest known one and ends with 125", function()
    local got = lua({ "doctro" })
    assert.equal(125, got.status)
    assert.truthy(got.stderr:find('^sbxlua: .*"doctro".*"doctor"'))
    assert.equal(125, lua({ "--nonsense" }).status)
    assert.equal(125, lua({ "-e" }).status)
  end)

  it("refuses the verbs of later versions by name", function()
    for _, verb in ipairs({ "test", "mcp", "serve" }) do
      local got = lua({ verb })
      assert.equal(125, got.status)
      assert.truthy(got.stderr:find("^sbxlua: .*" .. verb))
      assert.equal("", got.stdout)
    end
  end)

  it("helps without words", function()
    for _, words in ipairs({ {}, { "--help" } }) do
      local got = lua(words)
      assert.equal(0, got.status)
      assert.truthy(got.stdout:find("sbxlua run", 1, true))
    end
    assert.truthy(lua({ "--version" }).stdout:find("^sbxlua %d+%.%d+%.%d+ %(Lua 5%.4%)\n$"))
  end)

  it("is the helper under its other name, and runs nothing without a plan", function()
    local helper = program.path:gsub("sbxlua$", "sbx-exec")
    local got = program.shell(program.quote(helper) .. " /bin/echo ran")
    assert.equal(125, got.status)
    assert.equal("", got.stdout)
  end)
end)
