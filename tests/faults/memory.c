/* A Lua host that runs out of memory where it is told to: memory SCRIPT [ARGS]. Lua's memory and
 * that of C (the engine's, libseccomp's, the C library's) are counted apart. In the script:
 *   memory.attempt("c" | "lua" | "", n, f, x)  f(x), of which the n-th allocation fails (0: none):
 *                    whether one did, then what pcall gives
 *   memory.held()                blocks that C holds, bytes that Lua holds */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "counting.h"

extern void *__libc_realloc(void *block, size_t size);
extern void __libc_free(void *block);

static struct {
  long at, count; /* at: 0 for none */
  bool failed;
} of_c, of_lua;

static size_t lua_bytes;
static bool with_libseccomp;

/* libseccomp 2.5 crashes when some of its own allocations fail (README.md): these are left alone.
 */
static bool is_libseccomp(const void *caller) {
  Dl_info info;
  return dladdr(caller, &info) && info.dli_fname && strstr(info.dli_fname, "libseccomp");
}

bool counting_refuses(const void *caller) {
  if (of_c.at == 0 || (!with_libseccomp && is_libseccomp(caller)) || ++of_c.count != of_c.at)
    return false;
  of_c.failed = true;
  return true;
}

/* Lua tries once more after it has collected its garbage: that fails too. */
static bool lua_refuses(const void *block, size_t size) {
  static const void *refused_block;
  static size_t refused_size;
  if (of_lua.at == 0) return false;
  if (of_lua.count == of_lua.at && block == refused_block && size == refused_size) return true;
  if (of_lua.count++ + 1 != of_lua.at) return false;
  of_lua.failed = true;
  refused_block = block;
  refused_size = size;
  return true;
}

static void *allocate(void *context, void *block, size_t old, size_t size) {
  (void)context;
  if (!block) old = 0; /* then it says what the memory is for */
  if (size > old && lua_refuses(block, size)) return NULL;
  void *moved = NULL;
  if (size == 0)
    __libc_free(block);
  else if (!(moved = __libc_realloc(block, size)))
    return NULL;
  lua_bytes += size - old;
  return moved;
}

static void fail_at(const char *what, long at) {
  memset(&of_c, 0, sizeof of_c);
  memset(&of_lua, 0, sizeof of_lua);
  if (strcmp(what, "c") == 0) of_c.at = at;
  if (strcmp(what, "lua") == 0) of_lua.at = at;
}

/* Only what is called is short of memory, not what calls it. */
static int memory_attempt(lua_State *L) {
  const char *what = luaL_checkstring(L, 1);
  long at = (long)luaL_checkinteger(L, 2);
  lua_settop(L, 4);
  luaL_checkstack(L, 40, NULL);
  fail_at(what, at);
  int status = lua_pcall(L, 1, 3, 0);
  bool failed = of_c.failed || of_lua.failed;
  of_c.at = of_lua.at = 0;
  lua_pushboolean(L, failed);
  lua_replace(L, 1);
  lua_pushboolean(L, status == LUA_OK);
  lua_replace(L, 2);
  return lua_gettop(L);
}

static int memory_held(lua_State *L) {
  lua_pushinteger(L, counting_held());
  lua_pushinteger(L, (lua_Integer)lua_bytes);
  return 2;
}

static void set_arg(lua_State *L, int argc, char **argv) {
  lua_createtable(L, argc, 0);
  for (int i = 1; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i - 1);
  }
  lua_setglobal(L, "arg");
}

int main(int argc, char **argv) {
  static const luaL_Reg functions[] = {
      {"attempt", memory_attempt}, {"held", memory_held}, {NULL, NULL}};
  lua_State *L = argc < 2 ? NULL : lua_newstate(allocate, NULL);
  if (!L) return 2;
  luaL_openlibs(L);
  luaL_newlib(L, functions);
  lua_setglobal(L, "memory");
  set_arg(L, argc, argv);
  with_libseccomp = getenv("FAULTS_LIBSECCOMP") != NULL;
  int status = luaL_loadfile(L, argv[1]) || lua_pcall(L, 0, 0, 0);
  of_c.at = of_lua.at = 0;
  if (status != LUA_OK) fprintf(stderr, "%s\n", lua_tostring(L, -1));
  lua_close(L);
  return status == LUA_OK ? 0 : 1;
}
