-- Writes the library's modules, compiled, as a C table (modules.h), so that the program need not
-- read and compile a hundred files at each start.
--   lua5.4 embed.lua OUTPUT DIRECTORY FILE...   files relative to the directory, "sbx/run.lua"
--   --argparse PATH                             one more, of the system's
local output, directory = arg[1], arg[2]

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local function module_name(file)
  return (file:gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", "."))
end

-- Debug information stays: messages name file and line.
local function compile(path, display)
  local text = read(path)
  return string.dump(assert(load(text, "@[sbxlua]/" .. display, "t"))), #text
end

local out, table_of = {}, {}

local function add(name, file, path)
  local code, size = compile(path, file or name .. ".lua")
  local bytes = {}
  for i = 1, #code do bytes[i] = code:byte(i) end
  local at = #table_of + 1
  out[#out + 1] = ("static const unsigned char code_%d[] = {%s};\n"):format(at,
                                                                           table.concat(bytes, ","))
  table_of[at] = ('    {"%s", %s, %d, code_%d, sizeof code_%d},\n'):format(
    name, file and '"' .. file .. '"' or "NULL", file and size or 0, at, at)
end

local i = 3
while arg[i] do
  if arg[i] == "--argparse" then
    add("argparse", nil, arg[i + 1])
    i = i + 2
  else
    add(module_name(arg[i]), arg[i], directory .. "/" .. arg[i])
    i = i + 1
  end
end

local file = assert(io.open(output, "w"))
file:write("/* Made by src/embed.lua. */\n#include \"modules.h\"\n\n", table.concat(out),
           "\nconst struct sbx_module sbx_modules[] = {\n", table.concat(table_of),
           "    {NULL, NULL, 0, NULL, 0},\n};\n")
file:close()
