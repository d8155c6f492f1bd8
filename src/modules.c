#include "modules.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

static const struct sbx_module *find(const char *name) {
  for (const struct sbx_module *module = sbx_modules; module->name; module++)
    if (strcmp(module->name, name) == 0) return module;
  return NULL;
}

static bool is_newer(const struct timespec *a, const struct timespec *b) {
  return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

static bool is_as_built(const struct sbx_module *module, const char *path,
                        const struct timespec *built) {
  struct stat file;
  if (!module->file) return true;
  return stat(path, &file) == 0 && S_ISREG(file.st_mode) &&
         (size_t)file.st_size == module->file_size && !is_newer(&file.st_mtim, built);
}

/* A searcher (Lua 5.4 manual, package.searchers): a loader and its file, or nothing. The code is
 * that of another Lua where the program was built with one; then the file is read. */
static int search(lua_State *L) {
  const struct sbx_module *module = find(luaL_checkstring(L, 1));
  if (!module) return 0;
  const char *path = lua_pushfstring(L, "%s/%s", lua_tostring(L, lua_upvalueindex(1)),
                                     module->file ? module->file : "");
  if (!is_as_built(module, path, lua_touserdata(L, lua_upvalueindex(2)))) return 0;
  const char *code = (const char *)module->code;
  if (luaL_loadbufferx(L, code, module->code_size, module->name, "b") != LUA_OK) return 0;
  lua_insert(L, -2);
  return 2;
}

/* Behind package.preload. */
void sbx_modules_open(lua_State *L, const char *directory) {
  struct stat program;
  if (stat("/proc/self/exe", &program) < 0) return;
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchers");
  for (lua_Integer i = luaL_len(L, -1); i >= 2; i--) {
    lua_geti(L, -1, i);
    lua_seti(L, -2, i + 1);
  }
  lua_pushstring(L, directory);
  *(struct timespec *)lua_newuserdatauv(L, sizeof program.st_mtim, 0) = program.st_mtim;
  lua_pushcclosure(L, search, 2);
  lua_getfield(L, -3, "loaded");
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "sbx.embedded"); /* for scripts.lua, which gives a chunk other globals */
  lua_pop(L, 1);
  lua_seti(L, -2, 2);
  lua_pop(L, 2);
}
