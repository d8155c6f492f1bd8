/* sbx.core: the engine as a Lua module. No C global: all state is in the module's own userdata. */
#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lua/border.h"

#define STATE "sbx.state"

struct state {
  sbx_engine *engine;
  bool in_process;
  char directory[PATH_MAX]; /* of the file that holds this code */
  char helper[PATH_MAX];    /* "": none found */
};

static int state_gc(lua_State *L) {
  struct state *state = lua_touserdata(L, 1);
  sbx_engine_free(state->engine);
  state->engine = NULL;
  return 0;
}

/* ---- where things are ---- */

static bool try_helper(struct state *state, const char *relative) {
  int size = snprintf(state->helper, sizeof state->helper, "%s/%s", state->directory, relative);
  if (size < (int)sizeof state->helper && access(state->helper, X_OK) == 0) return true;
  state->helper[0] = 0;
  return false;
}

/* The file that this code was loaded from. For the program itself the loader only knows argv[0],
 * which may name another file from here: /proc knows better. */
static const char anchor;

static void own_path(char path[PATH_MAX]) {
  Dl_info info;
  struct link_map *map = NULL;
  if (dladdr1(&anchor, &info, (void **)&map, RTLD_DL_LINKMAP) && map && *map->l_name &&
      realpath(map->l_name, path))
    return;
  ssize_t size = readlink("/proc/self/exe", path, PATH_MAX - 1);
  path[size > 0 ? size : 0] = 0;
}

static void locate(struct state *state) {
  char path[PATH_MAX];
  own_path(path);
  char *slash = strrchr(path, '/');
  if (!slash) return;
  *slash = 0;
  memcpy(state->directory, path, (size_t)(slash - path) + 1);
  (void)(try_helper(state, "sbx-exec") || try_helper(state, "../../../../bin/sbx-exec"));
}

static struct state *state_of(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, STATE);
  struct state *state = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return state;
}

const char *sbx_lua_helper(lua_State *L) {
  const struct state *state = state_of(L);
  return *state->helper ? state->helper : NULL;
}

sbx_engine *sbx_lua_engine(lua_State *L) {
  struct state *state = state_of(L);
  if (!state->engine) state->engine = sbx_engine_new(state->in_process ? NULL : state->helper);
  if (!state->engine) sbx_lua_misuse(L, "not enough memory");
  return state->engine;
}

const sbx_engine *sbx_lua_engine_made(lua_State *L) {
  return state_of(L)->engine;
}

static int core_module_dir(lua_State *L) {
  lua_pushstring(L, state_of(L)->directory);
  return 1;
}

static int no_helper(lua_State *L) {
  struct sbx_error err = {.kind = SBX_ERROR_SANDBOX, .step = "helper"};
  snprintf(err.message, sizeof err.message, "helper: no program sbx-exec beside %.200s",
           state_of(L)->directory);
  return sbx_lua_failure(L, &err);
}

/* core.helper_path() -> path, or nil and an error */
static int core_helper_path(lua_State *L) {
  const char *helper = sbx_lua_helper(L);
  if (!helper) return no_helper(L);
  lua_pushstring(L, helper);
  return 1;
}

/* core.use_helper(path): another helper program; the next command starts it */
static int core_use_helper(lua_State *L) {
  struct state *state = state_of(L);
  size_t size;
  const char *path = luaL_checklstring(L, 1, &size);
  luaL_argcheck(L, size < sizeof state->helper, 1, "too long");
  if (strcmp(path, state->helper) == 0) return 0;
  memcpy(state->helper, path, size + 1);
  sbx_engine_free(state->engine);
  state->engine = NULL;
  return 0;
}

/* core.in_process(true): this process forks supervisors itself. Only for a program with one
 * thread that ends with its command: its supervisors are its own children. */
static int core_in_process(lua_State *L) {
  struct state *state = state_of(L);
  luaL_argcheck(L, !state->engine, 1, "an engine runs already");
  state->in_process = lua_toboolean(L, 1);
  return 0;
}

/* ---- the primitives ---- */

/* core.spawn(sandbox, request) -> job once execve has succeeded, or nil and an error */
static int core_spawn(lua_State *L) {
  struct sbx_error err = {0};
  struct sbx_request request;
  if (sbx_lua_request(L, 2, &request, &err) < 0) return sbx_lua_failure(L, &err);
  const struct state *state = state_of(L);
  if (!state->in_process && !*state->helper) return no_helper(L);
  sbx_job **box = sbx_lua_new_job(L);
  /* Last: what is called of Lua above may run a finalizer of the host, which may close either. */
  sbx_engine *engine = sbx_lua_engine(L);
  const sbx_sandbox *sandbox = sbx_lua_check_sandbox(L, 1);
  *box = sbx_spawn(engine, sandbox, &request, &err);
  return *box ? 1 : sbx_lua_failure(L, &err);
}

/* core.expect(): a command comes sooner or later; what can be made ahead for it is begun */
static int core_expect(lua_State *L) {
  const struct state *state = state_of(L);
  if (state->engine) sbx_engine_expect(state->engine);
  return 0;
}

static int push_words(lua_State *L) {
  char **argv = lua_touserdata(L, 1);
  lua_newtable(L);
  for (lua_Integer i = 0; argv[i]; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* core.helper_argv(plan, request) -> list of words, or nil and an error */
static int core_helper_argv(lua_State *L) {
  struct sbx_error err = {0};
  struct sbx_request request;
  const char *helper = sbx_lua_helper(L);
  if (!helper) return no_helper(L);
  const sbx_plan *plan = sbx_lua_plan(L, 1);
  if (sbx_lua_request(L, 2, &request, &err) < 0) return sbx_lua_failure(L, &err);
  lua_pushcfunction(L, push_words);
  char **argv = sbx_helper_argv(helper, plan, &request, &err);
  if (!argv) return sbx_lua_failure(L, &err);
  lua_pushlightuserdata(L, argv);
  int rc = lua_pcall(L, 1, 1, 0);
  free(argv);
  return rc == LUA_OK ? 1 : lua_error(L);
}

static const luaL_Reg functions[] = {{"sandbox", sbx_lua_sandbox},
                                     {"close_sandbox", sbx_lua_close_sandbox},
                                     {"spawn", core_spawn},
                                     {"expect", core_expect},
                                     {"helper_argv", core_helper_argv},
                                     {"helper_path", core_helper_path},
                                     {"use_helper", core_use_helper},
                                     {"in_process", core_in_process},
                                     {"module_dir", core_module_dir},
                                     {"world", sbx_lua_world},
                                     {"pollset", sbx_lua_pollset},
                                     {"probe", sbx_lua_probe},
                                     {"cgroup", sbx_lua_cgroup},
                                     {"group_directory", sbx_lua_group_directory},
                                     {NULL, NULL}};

static void open_state(lua_State *L) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, STATE) == LUA_TNIL) {
    struct state *state = lua_newuserdatauv(L, sizeof *state, 0);
    memset(state, 0, sizeof *state);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, state_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    locate(state);
    lua_setfield(L, LUA_REGISTRYINDEX, STATE);
  }
  lua_pop(L, 1);
}

SBX_API int luaopen_sbx_core(lua_State *L);
SBX_API int luaopen_sbx_core(lua_State *L) {
  luaL_checkversion(L);
  open_state(L);
  sbx_lua_open_job(L);
  sbx_lua_open_sandbox(L);
  sbx_lua_open_world(L);
  sbx_lua_open_pollset(L);
  sbx_lua_open_log(L);
  luaL_newlib(L, functions);
  luaL_setfuncs(L, sbx_lua_files, 0);
  luaL_setfuncs(L, sbx_lua_log, 0);
  luaL_setfuncs(L, sbx_lua_system, 0);
  lua_pushliteral(L, SBX_VERSION);
  lua_setfield(L, -2, "version");
  sbx_lua_push_signals(L);
  lua_setfield(L, -2, "signals");
  sbx_lua_push_errnos(L);
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, "sbx.errnos");
  lua_setfield(L, -2, "errnos");
  return 1;
}
