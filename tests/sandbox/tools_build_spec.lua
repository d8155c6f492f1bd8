-- Compilers and build tools in workspace-write: what they make runs, as it does on the host.
local support = require "tests.support"
local tools = require "tests.tools"

tools.skip = function(why) pending(why) end

local COUNT = 24

-- `COUNT` units and a program that adds them up.
local function sources(place)
  local declared, summed = {}, {}
  for i = 1, COUNT do
    place:write(("unit%d.c"):format(i), ("int unit%d(void) { return %d; }\n"):format(i, i))
    declared[i] = ("int unit%d(void);"):format(i)
    summed[i] = ("unit%d()"):format(i)
  end
  place:write("main.c", ("#include <stdio.h>\n%s\nint main(void) { printf(\"%%d\\n\", %s); }\n")
    :format(table.concat(declared, "\n"), table.concat(summed, " + ")))
end

local SUM = COUNT * (COUNT + 1) // 2 .. "\n"

local MAKEFILE = [[
objects = $(patsubst %.c,%.o,$(wildcard *.c))
program: $(objects)
	$(CC) -pipe -o $@ $^
%.o: %.c
	$(CC) -save-temps=obj -MMD -c -o $@ $<
]]

local CMAKE = [[
cmake_minimum_required(VERSION 3.13)
project(example C)
file(GLOB sources *.c)
add_executable(program ${sources})
enable_testing()
add_test(NAME sums COMMAND program)
]]

local LEAK = [[
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv) {
  char *volatile kept = malloc(argc > 1 ? 100 : 10);
  if (argc > 1 && argv[1][0] == 'o') kept[100] = 1;
  if (argc == 1) free(kept);
  kept = NULL;
  return 0;
}
]]

tools.each_tier("builds", function(test)
  test("make -j with gcc, and again with nothing to do", { "make", "gcc" }, function(place)
    sources(place)
    place:write("Makefile", MAKEFILE)
    assert.equal(SUM, place:output("make -s -j2 CC=gcc program && ./program"))
    assert.matches("up to date", place:output("make CC=gcc program"))
    -- what was built is the host's too, and the host goes on from there
    place:host("touch unit1.c && make -s CC=gcc program && ./program >sum")
    assert.equal(SUM, place:read("sum"))
  end)

  test("many compilers at once, with temporary files in $TMPDIR and /tmp", { "make", "gcc" },
       function(place)
    sources(place)
    place:write("Makefile", MAKEFILE:gsub("%-pipe", ""))
    assert.equal(SUM, place:output("make -s -j8 CC=gcc program && ./program"))
    assert.equal(SUM, place:output("make -s -j8 -B CC=gcc program && ./program",
                                   { env = { TMPDIR = "/tmp" } }))
  end)

  test("cmake with make, and its tests", { "cmake", "make", "gcc" }, function(place)
    sources(place)
    place:write("CMakeLists.txt", CMAKE)
    place:output("cmake -S . -B build -G 'Unix Makefiles' && cmake --build build -j2")
    assert.matches("100%% tests passed", place:output("ctest --test-dir build"))
    assert.equal(SUM, place:output({ "build/program" }))
  end)

  test("cmake with ninja, and an install below the workspace", { "cmake", "ninja", "gcc" },
       function(place)
    sources(place)
    place:write("CMakeLists.txt", CMAKE .. "install(TARGETS program)\n")
    place:output("cmake -S . -B build -G Ninja -DCMAKE_INSTALL_PREFIX=$PWD/prefix"
                 .. " && cmake --build build && cmake --install build")
    assert.equal(SUM, place:output({ "prefix/bin/program" }))
    -- an install elsewhere is refused, and nothing is there
    local r, _, out = place:run({ "cmake", "--install", "build", "--prefix",
                                  place.directory .. "/elsewhere" })
    assert.equal(1, (r or out).exit_code)
    assert.is_false(support.exists(place.directory .. "/elsewhere"))
  end)

  test("cargo, offline", { "cargo" }, function(place)
    place:write("Cargo.toml", '[package]\nname = "example"\nversion = "0.1.0"\n')
    support.shell("mkdir %s", place.work .. "/src")
    place:write("src/main.rs", "fn main() { println!(\"built\"); }\n"
                .. "#[test] fn holds() { assert_eq!(1 + 1, 2); }\n")
    local env = { CARGO_HOME = place.home .. "/cargo", CARGO_NET_OFFLINE = "true" }
    assert.equal("built\n", place:output({ "cargo", "run", "-q" }, { env = env }))
    assert.matches("1 passed", place:output({ "cargo", "test" }, { env = env }))
  end)

  test("AddressSanitizer and LeakSanitizer find what they are for", { "gcc" }, function(place)
    if support.output("gcc -print-file-name=libasan.so") == "libasan.so\n" then
      return tools.skip("gcc has no AddressSanitizer here")
    end
    place:write("leak.c", LEAK)
    local env = { ASAN_OPTIONS = "detect_leaks=1", TERM = "dumb" }
    place:output("gcc -g -fsanitize=address -o leak leak.c && ./leak", { env = env })
    for word, said in pairs({ x = "detected memory leaks", o = "heap-buffer-overflow" }) do
      local r, _, out = place:run({ "./leak", word }, { env = env })
      assert.matches(said, (r or out).stderr, 1, true)
    end
  end)
end)
