-- The library keeps to what 5.1, LuaJIT, 5.3 and 5.4 share; the program's own scripts and the tests
-- run on 5.4 alone.
std = "min"
max_line_length = 100
cache = false
exclude_files = {"build*", ".git"}

-- Looked for before use: what some of the versions have and others lack.
read_globals = {
  "unpack", "loadstring", "setfenv",
  table = {fields = {"unpack", "pack"}},
  coroutine = {fields = {"isyieldable"}},
}

files["lua/sbx/cli"] = {std = "lua54"}
files["tests"] = {std = "lua54+busted"}
files["tests/bench"] = {std = "lua54"}
files[".busted"] = {std = "lua54"}
files[".luacheckrc"] = {std = "luacheckrc"}
