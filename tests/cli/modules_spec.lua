-- The program has its modules inside, and an edited one counts all the same.
local support = require "tests.support"

describe("the program's modules", function()
  local dir

  -- A copy of the program and of what it looks for beside itself.
  before_each(function()
    dir = support.directory()
    support.shell("mkdir -p %s/bin %s/share/lua/5.4 && cp %s/bin/sbxlua %s/bin", dir, dir,
                  os.getenv("SBX_PREFIX"), dir)
    support.shell("cp -rL %s/share/lua/5.4/sbx %s/share/lua/5.4 && cp -rL %s/share/sbxlua %s/share",
                  os.getenv("SBX_PREFIX"), dir, os.getenv("SBX_PREFIX"), dir)
    support.shell("find %s/share -exec touch -d 2020-01-01 {} +", dir)
  end)
  after_each(function() support.remove(dir) end)

  local function module(name) return dir .. "/share/lua/5.4/sbx/" .. name .. ".lua" end

  local function run(words)
    return support.output(("HOME=%s %s/bin/sbxlua %s 2>&1"):format(dir, dir, words))
  end

  local COMMAND = "run -p danger-full-access -- echo ran"

  it("are inside", function()
    local size = #support.read(module("job"))
    support.write(module("job"), ("?"):rep(size)) -- no Lua at all
    support.shell("touch -d 2020-01-01 %s", module("job"))
    assert.equal("ran\n", run(COMMAND))
  end)

  it("are read where they are newer than the program, or of another size", function()
    local text = support.read(module("job"))
    support.write(module("job"), "io.stderr:write('edited\\n')\n" .. text)
    support.shell("touch -d 2020-01-01 %s", module("job"))
    assert.equal("edited\nran\n", run(COMMAND))
    support.write(module("job"), ("?"):rep(#text))
    assert.matches("job.lua:1:", run(COMMAND))
  end)

  it("have the editable scripts with them, whose edits count likewise", function()
    local text = support.read(module("env"))
    support.write(module("env"), ("?"):rep(#text))
    support.shell("touch -d 2020-01-01 %s", module("env"))
    assert.equal("ran\n", run(COMMAND))
    support.write(module("env"), "error('edited')\n" .. text)
    assert.matches("sbx/env.lua:1: edited", run(COMMAND), 1, true)
    support.write(module("env"), (text:gsub("return M%s*$", "M.build = error return M")))
    assert.matches("env.lua", run(COMMAND), 1, true)
    support.shell("mkdir -p %s/.config/sbxlua", dir)
    support.write(module("env"), text)
    support.write(dir .. "/.config/sbxlua/env.lua",
                  "local base = ... base.default.set = { SEEN = 'yes' } return base")
    assert.equal("yes\n", run("run -p danger-full-access -- printenv SEEN"))
  end)

  it("are missed where the file is gone", function()
    support.shell("rm %s", module("job"))
    assert.matches("module 'sbx.job' not found", run(COMMAND))
  end)

  it("name the caller's line for misuse, and their own file elsewhere", function()
    support.write(dir .. "/wrong.lua", "local sbx = require 'sbx'\n\nsbx.run(5)\n")
    assert.matches("wrong.lua:3: ", run(dir .. "/wrong.lua"), 1, true)
    support.write(dir .. "/thrown.lua", "require('sbx.lists').has(5, 1)")
    assert.matches("[sbxlua]/sbx/lists.lua:", run(dir .. "/thrown.lua"), 1, true)
  end)

  it("take nothing from the directory that the program is called in", function()
    support.shell("mkdir -p %s/work/sbx", dir)
    for _, name in ipairs({ "work/sbx/job.lua", "work/argparse.lua", "work/cjson.lua" }) do
      support.write(dir .. "/" .. name, "print('taken')")
    end
    local words = ("cd %s/work; HOME=%s ../bin/sbxlua run --json -p danger-full-access -- echo ran")
      :format(dir, dir)
    local text = support.output(words .. " 2>&1")
    assert.is_nil(text:find("taken", 1, true))
    assert.matches("ran", text)
  end)
end)
