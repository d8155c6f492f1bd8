-- The editable scripts, from files that are tables here.
local HERE = debug.getinfo(1, "S").source:match("^@(.*)/[^/]*$")
local fake = dofile(HERE .. "/fake.lua")
local errors = require "sbx.errors"
local scripts = require "sbx.scripts"

local ENV = { HOME = "/home/u" }
local USER, SYSTEM = "/home/u/.config/sbxlua/", "/etc/sbxlua/"

local function load_with(files, env) return scripts.load(fake.core(files), env or ENV) end

local function message_of(files)
  local list, err = load_with(files)
  assert.is_nil(list)
  assert.equal("policy", err.kind)
  return err.message
end

describe("scripts.load", function()
  it("gives the installed ones where there are no others", function()
    local list = assert(load_with({}))
    assert.is_function(list.policy.plan)
    assert.is_function(list.env.build)
    assert.is_function(list.denial.is_likely_sandbox_denied)
  end)

  it("hands each the next in the order", function()
    local edit = "local base = ... base.keywords[#base.keywords + 1] = '%s' return base"
    local list = assert(load_with({
      [USER .. "denial.lua"] = edit:format("user"),
      [SYSTEM .. "denial.lua"] = edit:format("system"),
    }))
    local keywords = list.denial.keywords
    assert.same({ "system", "user" }, { keywords[#keywords - 1], keywords[#keywords] })
  end)

  it("goes by XDG_CONFIG_HOME when it is absolute", function()
    local files = { ["/x/sbxlua/env.lua"] = "local b = ... b.mark = 'x' return b",
                    [USER .. "env.lua"] = "local b = ... b.mark = 'home' return b" }
    assert.equal("x", load_with(files, { HOME = "/home/u", XDG_CONFIG_HOME = "/x" }).env.mark)
    assert.equal("home", load_with(files, { HOME = "/home/u", XDG_CONFIG_HOME = "x" }).env.mark)
  end)

  it("is an error with file and line, and nothing stands in", function()
    local path = USER .. "policy.lua"
    local function of(text) return message_of({ [path] = text }) end
    assert.matches("^/home/u/.config/sbxlua/policy%.lua:2: ", of("local a\nlocal b = ="))
    assert.matches("^/home/u/.config/sbxlua/policy%.lua:1: boom", of("error('boom')"))
    assert.matches("^/home/u/.config/sbxlua/policy%.lua: the script returns a table", of(""))
    assert.matches("^/home/u/.config/sbxlua/policy%.lua: plan must be a function", of("return {}"))
    assert.matches("sets the global", of("leaked = 1 return ..."))
    assert.matches("compiled", of(string.dump(function() end)))
    assert.equal(path .. ": Permission denied",
                 of({ code = "EACCES", message = path .. ": Permission denied" }))
    assert.is_nil(rawget(_G, "leaked"))
  end)
end)

describe("scripts.call", function()
  local PATH = USER .. "env.lua"

  local function script(text) return assert(load_with({ [PATH] = text })).env end

  local function message(text)
    local env = script(text)
    local value, err = scripts.call(env, env.build)
    assert.is_nil(value)
    assert.equal("policy", err.kind)
    return err.message
  end

  it("gives what the script gives", function()
    local env = script("local b = ... b.build = function(x) return x, nil, 3 end return b")
    assert.same({ 1, nil, 3 }, { scripts.call(env, env.build, 1) })
  end)

  it("makes a throw an error with the file, and the line where there is one", function()
    assert.equal(PATH .. ":2: boom",
                 message("local b = ...\nb.build = function() error('boom') end return b"))
    assert.equal(PATH .. ": bare",
                 message("local b = ... b.build = function() error('bare', 0) end return b"))
    assert.equal(PATH .. ": it threw a table",
                 message("local b = ... b.build = function() error({}) end return b"))
    assert.equal(PATH .. ": it threw a nil",
                 message("local b = ... b.build = function() error() end return b"))
    assert.equal(PATH .. ":1: boom",
                 message("return { default = {}, build = function() error('boom') end }"))
  end)

  it("names the whole of a long path", function()
    local long = "/" .. ("x"):rep(200)
    local list = assert(load_with({
      [long .. "/sbxlua/env.lua"] = "local b = ... b.build = function() error('boom') end return b",
    }, { XDG_CONFIG_HOME = long }))
    local _, err = scripts.call(list.env, list.env.build)
    assert.equal(long .. "/sbxlua/env.lua:1: boom", err.message)
  end)

  it("lets the caller's misuse and the host's interrupt through", function()
    local env = script("return ...")
    local ok, thrown = pcall(scripts.call, env, function() errors.throw("wrong word") end)
    assert.is_false(ok)
    assert.matches("scripts_spec.lua:%d+: wrong word", thrown)
    assert.error_matches(function()
      scripts.call(env, function() error("interrupted!") end)
    end, "interrupted!")
  end)
end)
