-- README's code is run as it stands there. In a Lua block "--> text" is a line that it prints, in a
-- shell block "#> text"; "host" after the language: by lua5.4 instead of sbxlua.
local source = assert(os.getenv("SBX_SOURCE"), "SBX_SOURCE is not set")
local prefix = assert(os.getenv("SBX_PREFIX"), "SBX_PREFIX is not set")

local function read_file(path)
  local file = assert(io.open(path))
  local text = file:read("a")
  file:close()
  return text
end

local function write_file(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

local function output_of(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local text = pipe:read("a")
  pipe:close()
  return text
end

local function blocks(text)
  local found, section = {}, ""
  local block
  local number = 0
  for line in text:gmatch("([^\n]*)\n") do
    number = number + 1
    local info = line:match("^```(.*)$")
    if info and block then
      found[#found + 1], block = block, nil
    elseif info then
      block = {info = info, section = section, line = number, lines = {}}
    elseif block then
      table.insert(block.lines, line)
    else
      section = line:match("^#+ (.*)") or section
    end
  end
  return found
end

local function expected_output(block)
  local mark = block.info:match("^lua") and "%-%->" or "#>"
  local lines = {}
  for _, line in ipairs(block.lines) do
    local text = line:match(mark .. " ?(.*)$")
    if text then lines[#lines + 1] = text .. "\n" end
  end
  return table.concat(lines)
end

local HOST = 'LUA_PATH="build/share/lua/5.4/?.lua;build/share/lua/5.4/?/init.lua"'
  .. ' LUA_CPATH="build/lib/lua/5.4/?.so" lua5.4 '

local function runner(info)
  if info:match("^sh") then return "sh -eu " end
  return info:match("host") and HOST or "build/bin/sbxlua "
end

describe("README", function()
  local directory
  before_each(function()
    directory = output_of("mktemp -d"):gsub("%s+$", "")
    os.execute(("ln -s '%s' '%s/build'"):format(prefix, directory))
  end)
  after_each(function() os.execute("rm -rf '" .. directory .. "'") end)

  local readme = read_file(source .. "/README.md")

  it("starts with the two commands and says where it runs", function()
    local first, second, third = readme:match("^([^\n]*)\n([^\n]*)\n([^\n]*)\n")
    assert.matches("bin/quickstart", first, 1, true)
    assert.matches("bin/test", second, 1, true)
    assert.matches("Linux 5.13 or newer, x86-64 and aarch64", third, 1, true)
  end)

  for _, block in ipairs(blocks(readme)) do
    it(("%s, line %d: prints what it says"):format(block.section, block.line), function()
      write_file(directory .. "/block", table.concat(block.lines, "\n") .. "\n")
      local command = ("cd '%s' && %s block </dev/null"):format(directory, runner(block.info))
      assert.equal(expected_output(block), output_of(command))
    end)
  end
end)
