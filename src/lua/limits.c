/* What a plan bounds: numbers that the supervisor looks after, and control groups. */
#include <stddef.h>
#include <string.h>

#include "lua/border.h"

#define PATH_ROOM 4096

static void must(lua_State *L, int rc) {
  if (rc < 0) sbx_lua_misuse(L, "the plan is too large");
}

/* ---- bounds ---- */

static const struct {
  const char *name;
  size_t offset;
} fields[] = {{"memory_bytes", offsetof(struct sbx_bounds, memory_bytes)},
              {"cpu_us", offsetof(struct sbx_bounds, cpu_us)},
              {"tasks", offsetof(struct sbx_bounds, tasks)},
              {"files", offsetof(struct sbx_bounds, files)},
              {"tasks_ended", offsetof(struct sbx_bounds, tasks_ended)},
              {"pid_max", offsetof(struct sbx_bounds, pid_max)},
              {"last_pid", offsetof(struct sbx_bounds, last_pid)},
              {"tmpfs_bytes", offsetof(struct sbx_bounds, tmpfs_bytes)}};

/* The field named by the key below the top, from the number at the top. */
static void set_bound(lua_State *L, struct sbx_bounds *bounds) {
  const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
  int is_number;
  lua_Integer value = lua_tointegerx(L, -1, &is_number);
  if (!is_number || value < 1) sbx_lua_misuse(L, "bounds.%s must be a positive number", name);
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    if (strcmp(fields[i].name, name) != 0) continue;
    uint64_t bound = (uint64_t)value;
    memcpy((char *)bounds + fields[i].offset, &bound, sizeof bound);
    return;
  }
  sbx_lua_misuse(L, "unknown field \"%s\" of bounds", name);
}

static void read_bounds(lua_State *L, int index, sbx_plan *plan) {
  struct sbx_bounds bounds = {0};
  if (!sbx_lua_push_table(L, index, "bounds")) return;
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    set_bound(L, &bounds);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  must(L, sbx_plan_bounds(plan, &bounds));
}

/* ---- groups ---- */

static const char *text_at(lua_State *L, int index, const char *what) {
  size_t size;
  const char *text = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &size) : NULL;
  if (!text || strlen(text) != size) sbx_lua_misuse(L, "%s must be a string", what);
  return text;
}

static void read_settings(lua_State *L, int group, sbx_plan *plan) {
  if (!sbx_lua_push_table(L, group, "set")) return;
  for (lua_Integer i = 1; lua_geti(L, -1, i) != LUA_TNIL; i++) {
    must(L, sbx_plan_group_set(plan, text_at(L, -1, "an entry of set")));
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
}

/* {what, file and word[, divided by]} at the top of the stack. */
static void read_reading(lua_State *L, sbx_plan *plan) {
  static const char *const names[] = {[SBX_READING_MEMORY_PEAK] = "memory_peak",
                                      [SBX_READING_MEMORY_KILLS] = "memory_kills",
                                      [SBX_READING_REFUSED_TASKS] = "refused_tasks",
                                      [SBX_READING_CPU] = "cpu_us"};
  luaL_checktype(L, -1, LUA_TTABLE);
  lua_geti(L, -1, 1);
  lua_geti(L, -2, 2);
  lua_geti(L, -3, 3);
  lua_Integer divided = luaL_optinteger(L, -1, 1);
  const char *name = text_at(L, -3, "what is read"), *file = text_at(L, -2, "what is read");
  uint32_t reading = 0;
  while (reading < SBX_READINGS && strcmp(names[reading], name) != 0) reading++;
  if (reading == SBX_READINGS || divided < 1 || divided > UINT32_MAX)
    sbx_lua_misuse(L, "nothing like \"%s\" is read of a group", name);
  must(L, sbx_plan_group_read(plan, (enum sbx_reading)reading, (uint32_t)divided, file));
  lua_pop(L, 3);
}

static void read_group(lua_State *L, sbx_plan *plan) {
  int group = lua_gettop(L);
  luaL_checktype(L, group, LUA_TTABLE);
  lua_getfield(L, group, "path");
  const char *path = text_at(L, -1, "the path of a group");
  if (*path != '/') sbx_lua_misuse(L, "the path of a group must be absolute");
  must(L, sbx_plan_group(plan, path));
  lua_pop(L, 1);
  read_settings(L, group, plan);
  if (!sbx_lua_push_table(L, group, "read")) return;
  for (lua_Integer i = 1; lua_geti(L, -1, i) != LUA_TNIL; i++) {
    read_reading(L, plan);
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
}

void sbx_lua_bounds(lua_State *L, int index, sbx_plan *plan) {
  read_bounds(L, index, plan);
  if (!sbx_lua_push_table(L, index, "groups")) return;
  for (lua_Integer i = 1; lua_geti(L, -1, i) != LUA_TNIL; i++) {
    read_group(L, plan);
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
}

/* core.group_directory(controller) -> path and the hierarchy's version, or nil */
int sbx_lua_group_directory(lua_State *L) {
  char path[PATH_ROOM];
  int version = sbx_group_directory(luaL_checkstring(L, 1), path, sizeof path);
  if (version == 0) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushstring(L, path);
  lua_pushinteger(L, version);
  return 2;
}
