-- What an installed copy consists of, and that a host in C can be built against it.
local source = assert(os.getenv("SBX_SOURCE"), "SBX_SOURCE is not set")
local prefix = assert(os.getenv("SBX_PREFIX"), "SBX_PREFIX is not set")

local function output_of(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local text = pipe:read("a")
  pipe:close()
  return text
end

local function exists(path)
  local file = io.open(path)
  if file then file:close() end
  return file ~= nil
end

describe("an installed copy", function()
  for _, path in ipairs({
    "bin/sbxlua", "bin/sbx-exec", "lib/lua/5.4/sbx/core.so", "lib/lua/5.4/sbx/sbx-exec",
    "lib/libsbx.a", "lib/libsbx.so", "include/sbx.h", "share/lua/5.4/sbx/init.lua",
    "share/sbxlua/policies/workspace-write.lua",
  }) do
    it("has " .. path, function() assert.is_true(exists(prefix .. "/" .. path)) end)
  end

  it("has one exported symbol in its module", function()
    local symbols = output_of("nm -D --defined-only " .. prefix .. "/lib/lua/5.4/sbx/core.so")
    assert.equal("luaopen_sbx_core", symbols:match("^%x+ %a (.-)%s*$"))
  end)

  it("has a library without Lua, which a host in C uses", function()
    if os.getenv("SBX_SANITIZED") then pending("the host is built without the sanitizers") end
    assert.not_matches("lua_", output_of("nm -D " .. prefix .. "/lib/libsbx.so"))
    local directory = output_of("mktemp -d"):gsub("%s+$", "")
    local text = output_of(([[
      set -e
      cc -Wall -I%s/include %s/tests/examples/host.c -L%s/lib -lsbx -o %s/host
      LD_LIBRARY_PATH=%s/lib %s/host %s/bin/sbx-exec sh -c 'echo hello; echo no > %s/x || exit 7'
    ]]):format(prefix, source, prefix, directory, prefix, directory, prefix, directory))
    local written = exists(directory .. "/x")
    os.execute("rm -rf " .. directory)
    assert.matches("^exit code 7, %d+ bytes: hello\n", text)
    assert.is_false(written)
  end)
end)
