/* Reads an engine plan from its table. The plan lies in a box from the start: an error of Lua at
 * any point leaves nothing behind. */
#include <string.h>

#include "engine/telling.h"
#include "lua/border.h"

#define PLAN "sbx.plan"
#define CALL_MAX 0xffff

static int plan_gc(lua_State *L) {
  sbx_plan **box = lua_touserdata(L, 1);
  sbx_plan_free(*box);
  *box = NULL;
  return 0;
}

static sbx_plan *new_plan(lua_State *L) {
  sbx_plan **box = lua_newuserdatauv(L, sizeof(void *), 0);
  *box = NULL;
  if (luaL_newmetatable(L, PLAN)) {
    lua_pushcfunction(L, plan_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  *box = sbx_plan_new();
  if (!*box) sbx_lua_misuse(L, "not enough memory");
  return *box;
}

static void must(lua_State *L, int rc) {
  if (rc < 0) sbx_lua_misuse(L, "the plan is too large");
}

static bool is_true(lua_State *L, int index, const char *field) {
  lua_getfield(L, index, field);
  bool value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

static bool is_false(lua_State *L, int index, const char *field) {
  bool value = lua_getfield(L, index, field) == LUA_TBOOLEAN && !lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

/* A string of the table's own, which keeps it alive; NULL where there is none. */
static const char *field_text(lua_State *L, int index, const char *field) {
  size_t size = 0;
  int type = lua_getfield(L, index, field);
  const char *text = type == LUA_TSTRING ? lua_tolstring(L, -1, &size) : NULL;
  if (type != LUA_TSTRING && type != LUA_TNIL) sbx_lua_misuse(L, "%s must be a string", field);
  if (text && strlen(text) != size) sbx_lua_misuse(L, "%s has a NUL byte", field);
  lua_pop(L, 1);
  return text;
}

/* ---- simple fields ---- */

static void read_namespaces(lua_State *L, int index, sbx_plan *plan) {
  static const struct {
    const char *name;
    uint32_t bit;
  } names[] = {{"user", SBX_NS_USER}, {"mount", SBX_NS_MOUNT}, {"pid", SBX_NS_PID},
               {"net", SBX_NS_NET},   {"ipc", SBX_NS_IPC},     {"uts", SBX_NS_UTS}};
  uint32_t bits = 0;
  if (!sbx_lua_push_table(L, index, "namespaces")) return;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (is_true(L, lua_gettop(L), names[i].name)) bits |= names[i].bit;
  lua_pop(L, 1);
  must(L, sbx_plan_namespaces(plan, bits));
  const char *map = field_text(L, index, "id_map");
  if (map && strcmp(map, "self") != 0 && strcmp(map, "all") != 0)
    sbx_lua_misuse(L, "id_map must be \"self\" or \"all\", not \"%s\"", map);
}

static void read_flags(lua_State *L, int index, sbx_plan *plan) {
  static const struct {
    const char *name;
    uint32_t bit;
  } names[] = {{"proc", SBX_FLAG_PROC},
               {"loopback", SBX_FLAG_LOOPBACK},
               {"no_new_privs", SBX_FLAG_NO_NEW_PRIVS},
               {"keyring", SBX_FLAG_KEYRING}};
  uint32_t bits = 0;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (is_true(L, index, names[i].name)) bits |= names[i].bit;
  if (sbx_lua_push_table(L, index, "capabilities")) {
    bits |= SBX_FLAG_DROP_CAPS;
    lua_pop(L, 1);
  }
  if (sbx_lua_push_table(L, index, "landlock")) {
    if (is_true(L, lua_gettop(L), "inner")) bits |= SBX_FLAG_INNER_RULES;
    lua_pop(L, 1);
  }
  const char *map = field_text(L, index, "id_map");
  if (map && strcmp(map, "all") == 0) bits |= SBX_FLAG_MAP_ALL;
  if (is_false(L, index, "ahead")) bits |= SBX_FLAG_NOT_AHEAD;
  must(L, sbx_plan_flags(plan, bits));
}

static void read_kill(lua_State *L, int index, sbx_plan *plan) {
  static const char *const ways[] = {
      [SBX_KILL_SUBREAPER] = "subreaper", [SBX_KILL_PIDNS] = "pidns", [SBX_KILL_CGROUP] = "cgroup"};
  const char *way = field_text(L, index, "kill");
  for (int i = 0; way && i < (int)(sizeof ways / sizeof *ways); i++)
    if (strcmp(ways[i], way) == 0) {
      must(L, sbx_plan_kill(plan, (enum sbx_kill)i, field_text(L, index, "cgroup")));
      return;
    }
  sbx_lua_misuse(L, "kill must be \"pidns\", \"cgroup\" or \"subreaper\"");
}

static void read_capabilities(lua_State *L, int index, sbx_plan *plan) {
  uint64_t caps = 0;
  if (!sbx_lua_push_table(L, index, "capabilities")) return;
  for (lua_Integer i = 1; lua_geti(L, -1, i) != LUA_TNIL; i++) {
    const char *name = lua_tostring(L, -1);
    int cap = name ? sbx_capability(name) : -1;
    if (cap < 0) sbx_lua_misuse(L, "unknown capability \"%s\"", name ? name : "?");
    caps |= UINT64_C(1) << cap;
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
  must(L, sbx_plan_keep_caps(plan, caps));
}

static void read_rlimits(lua_State *L, int index, sbx_plan *plan) {
  if (!sbx_lua_push_table(L, index, "rlimits")) return;
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
    int resource = sbx_rlimit(name);
    if (resource < 0 || !lua_isinteger(L, -1)) sbx_lua_misuse(L, "bad limit \"%s\"", name);
    must(L, sbx_plan_rlimit(plan, resource, (uint64_t)lua_tointeger(L, -1)));
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* ---- Landlock ---- */

/* The list at the top of the stack, as bits. */
static uint64_t rights_of(lua_State *L, uint64_t (*bit_of)(const char *name)) {
  uint64_t bits = 0;
  for (lua_Integer i = 1; lua_geti(L, -1, i) != LUA_TNIL; i++) {
    const char *name = lua_tostring(L, -1);
    uint64_t bit = name ? bit_of(name) : 0;
    if (!bit) sbx_lua_misuse(L, "unknown Landlock right \"%s\"", name ? name : "?");
    bits |= bit;
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return bits;
}

static uint64_t field_rights(lua_State *L, int index, const char *field,
                             uint64_t (*bit_of)(const char *name)) {
  if (!sbx_lua_push_table(L, index, field)) return 0;
  uint64_t bits = rights_of(L, bit_of);
  lua_pop(L, 1);
  return bits;
}

static void read_rule(lua_State *L, sbx_plan *plan) {
  int rule = lua_gettop(L);
  luaL_checktype(L, rule, LUA_TTABLE);
  uint64_t access = field_rights(L, rule, "access", sbx_landlock_fs_right);
  const char *path = field_text(L, rule, "path");
  if (!path) sbx_lua_misuse(L, "a Landlock rule needs a path");
  must(L, sbx_plan_landlock_path(plan, path, access, is_true(L, rule, "inner")));
}

static void read_landlock(lua_State *L, int index, sbx_plan *plan) {
  if (!sbx_lua_push_table(L, index, "landlock")) return;
  int landlock = lua_gettop(L);
  lua_getfield(L, landlock, "abi");
  uint32_t abi = (uint32_t)luaL_checkinteger(L, -1);
  lua_pop(L, 1);
  must(L, sbx_plan_landlock(plan, abi, field_rights(L, landlock, "fs", sbx_landlock_fs_right),
                            field_rights(L, landlock, "net", sbx_landlock_net_right),
                            field_rights(L, landlock, "scope", sbx_landlock_scope)));
  if (sbx_lua_push_table(L, landlock, "rules")) {
    for (lua_Integer i = 1; lua_geti(L, -1, i) != LUA_TNIL; i++) {
      read_rule(L, plan);
      lua_pop(L, 1);
    }
    lua_pop(L, 2);
  }
  lua_pop(L, 1);
}

/* A list of absolute paths; each is added to the plan. */
static void read_paths(lua_State *L, int index, const char *field, sbx_plan *plan,
                       int (*add)(sbx_plan *plan, const char *path)) {
  size_t size;
  if (!sbx_lua_push_table(L, index, field)) return;
  for (lua_Integer i = 1; lua_geti(L, -1, i) != LUA_TNIL; i++) {
    const char *path = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &size) : NULL;
    if (!path || *path != '/' || strlen(path) != size)
      sbx_lua_misuse(L, "%s must be a list of absolute paths", field);
    must(L, add(plan, path));
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
}

/* ---- mounts ---- */

static enum sbx_mount mount_op(lua_State *L, int entry) {
  static const char *const names[] = {
      [SBX_MOUNT_SEAL] = "seal",       [SBX_MOUNT_BIND] = "bind",
      [SBX_MOUNT_HIDE] = "hide",       [SBX_MOUNT_TMPFS] = "tmpfs",
      [SBX_MOUNT_DEVPTS] = "devpts",   [SBX_MOUNT_DEVICE] = "device",
      [SBX_MOUNT_SYMLINK] = "symlink", [SBX_MOUNT_DIRECTORY] = "directory",
      [SBX_MOUNT_FILE] = "file",       [SBX_MOUNT_NAMES] = "names"};
  const char *name = field_text(L, entry, "op");
  for (int i = 0; name && i < (int)(sizeof names / sizeof *names); i++)
    if (strcmp(names[i], name) == 0) return (enum sbx_mount)i;
  sbx_lua_misuse(L, "unknown op \"%s\" in mounts", name ? name : "?");
  return SBX_MOUNT_SEAL;
}

static uint32_t mount_flags(lua_State *L, int entry) {
  static const struct {
    const char *name;
    uint32_t bit;
  } names[] = {{"write", SBX_MOUNT_WRITABLE}, {"recursive", SBX_MOUNT_RECURSIVE},
               {"watch", SBX_MOUNT_WATCHED},  {"placeholder", SBX_MOUNT_PLACEHOLDER},
               {"onto", SBX_MOUNT_ONTO},      {"ahead", SBX_MOUNT_AHEAD}};
  uint32_t bits = 0;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (is_true(L, entry, names[i].name)) bits |= names[i].bit;
  return bits;
}

static void read_mount(lua_State *L, sbx_plan *plan) {
  int entry = lua_gettop(L);
  luaL_checktype(L, entry, LUA_TTABLE);
  const char *path = field_text(L, entry, "path"), *other = field_text(L, entry, "other");
  if (!path || *path != '/') sbx_lua_misuse(L, "an entry of mounts needs an absolute path");
  lua_getfield(L, entry, "mode");
  uint32_t mode = (uint32_t)luaL_optinteger(L, -1, 0755);
  lua_pop(L, 1);
  must(L, sbx_plan_mount(plan, mount_op(L, entry), mount_flags(L, entry), mode, path, other));
}

static void read_mounts(lua_State *L, int index, sbx_plan *plan) {
  if (!sbx_lua_push_table(L, index, "mounts")) return;
  for (lua_Integer i = 1; lua_geti(L, -1, i) != LUA_TNIL; i++) {
    read_mount(L, plan);
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
}

/* ---- seccomp ---- */

static uint32_t compare_of(lua_State *L, const char *name) {
  static const char *const names[] = {[SBX_EQ] = "eq",
                                      [SBX_NE] = "ne",
                                      [SBX_LT] = "lt",
                                      [SBX_LE] = "le",
                                      [SBX_GT] = "gt",
                                      [SBX_GE] = "ge",
                                      [SBX_MASKED_EQ] = "masked_eq"};
  for (uint32_t i = 0; name && i < sizeof names / sizeof *names; i++)
    if (strcmp(names[i], name) == 0) return i;
  sbx_lua_misuse(L, "unknown comparison \"%s\"", name ? name : "?");
  return 0;
}

static lua_Integer item(lua_State *L, lua_Integer i) {
  lua_geti(L, -1, i);
  lua_Integer value = luaL_optinteger(L, -1, 0);
  lua_pop(L, 1);
  return value;
}

/* {index, op, a[, b]} at the top of the stack. */
static struct sbx_arg arg_of(lua_State *L) {
  luaL_checktype(L, -1, LUA_TTABLE);
  struct sbx_arg arg = {.index = (uint32_t)item(L, 1)};
  lua_geti(L, -1, 2);
  arg.op = compare_of(L, lua_tostring(L, -1));
  lua_pop(L, 1);
  arg.a = (uint64_t)item(L, 3);
  arg.b = (uint64_t)item(L, 4);
  return arg;
}

static unsigned read_args(lua_State *L, int rule, struct sbx_arg args[6]) {
  unsigned count = 0;
  if (!sbx_lua_push_table(L, rule, "args")) return 0;
  while (lua_geti(L, -1, (lua_Integer)count + 1) != LUA_TNIL) {
    if (count == 6) sbx_lua_misuse(L, "a system call has six arguments");
    args[count++] = arg_of(L);
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
  return count;
}

/* luaopen puts the table of errno names into the registry once: looking up is a field away. */
static int errno_of(lua_State *L, int rule) {
  if (is_true(L, rule, "on_behalf")) return SBX_ON_BEHALF;
  if (is_true(L, rule, "continue")) return SBX_CONTINUE;
  lua_getfield(L, rule, "errno");
  const char *name = lua_tostring(L, -1);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, "sbx.errnos");
  if (!name || lua_getfield(L, -1, name) != LUA_TNUMBER)
    sbx_lua_misuse(L, "unknown errno \"%s\"", name ? name : "?");
  int value = (int)lua_tointeger(L, -1);
  lua_pop(L, 3);
  return value;
}

typedef int add_call(sbx_plan *plan, const char *name, int number, int errno_value,
                     const struct sbx_arg *args, unsigned nargs);

/* A rule of the filter that is to be seen is answered by the supervisor instead, unless a start
 * makes that call itself; so is what is on behalf where there is a watch, as a tree has one
 * listener. seen: the table of such calls, or 0. */
static add_call *way_of(lua_State *L, int seen, const char *name, int number, int value) {
  if (value == SBX_CONTINUE) return sbx_plan_watch;
  if (seen == 0) return sbx_plan_refuse;
  if (value == SBX_ON_BEHALF) return sbx_plan_watch;
  if (name)
    lua_getfield(L, seen, name);
  else
    lua_geti(L, seen, number);
  bool is_seen = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return is_seen && !sbx_call_is_own(name, number) ? sbx_plan_watch : sbx_plan_refuse;
}

static void read_refusal(lua_State *L, int seen, sbx_plan *plan) {
  struct sbx_arg args[6];
  int rule = lua_gettop(L);
  luaL_checktype(L, rule, LUA_TTABLE);
  unsigned nargs = read_args(L, rule, args);
  int value = errno_of(L, rule);
  bool numbered = lua_getfield(L, rule, "call") == LUA_TNUMBER;
  lua_Integer number = numbered ? lua_tointeger(L, -1) : -1;
  if (numbered && (number < 0 || number > CALL_MAX)) sbx_lua_misuse(L, "no such system call");
  const char *name = numbered ? NULL : lua_tostring(L, -1);
  if (!numbered && !name) sbx_lua_misuse(L, "a filter rule needs a call");
  add_call *add = way_of(L, seen, name, (int)number, value);
  must(L, add(plan, name, (int)number, value, args, nargs));
  lua_pop(L, 1);
}

static void read_calls(lua_State *L, int index, const char *field, int seen, sbx_plan *plan) {
  if (!sbx_lua_push_table(L, index, field)) return;
  for (lua_Integer i = 1; lua_geti(L, -1, i) != LUA_TNIL; i++) {
    read_refusal(L, seen, plan);
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
}

static uint64_t place_bit(const char *name) {
  static const char *const names[] = {"read", "write", "make"};
  for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
    if (strcmp(names[i], name) == 0) return UINT64_C(1) << i; /* enum sbx_place */
  return 0;
}

static void read_places(lua_State *L, int watch, sbx_plan *plan) {
  uint32_t handled = (uint32_t)field_rights(L, watch, "handled", place_bit);
  if (!sbx_lua_push_table(L, watch, "places")) return;
  for (lua_Integer i = 1; lua_geti(L, -1, i) != LUA_TNIL; i++) {
    int place = lua_gettop(L);
    luaL_checktype(L, place, LUA_TTABLE);
    const char *path = field_text(L, place, "path");
    if (!path) sbx_lua_misuse(L, "a watched place needs a path");
    uint32_t gives = (uint32_t)field_rights(L, place, "gives", place_bit);
    must(L, sbx_plan_place(plan, path, handled, gives));
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
}

/* The filter's own rules, and what is watched beside them. */
static void read_filters(lua_State *L, int index, sbx_plan *plan) {
  int seen = 0, watch = 0;
  if (sbx_lua_push_table(L, index, "watch")) {
    watch = lua_gettop(L);
    lua_getfield(L, watch, "seen");
    luaL_checktype(L, -1, LUA_TTABLE);
    seen = lua_gettop(L);
  }
  read_calls(L, index, "seccomp", seen, plan);
  if (watch == 0) return;
  read_calls(L, watch, "calls", seen, plan);
  read_places(L, watch, plan);
  lua_settop(L, watch - 1);
}

/* A field that this version of the engine doesn't know would be a layer that is not applied. */
static void check_fields(lua_State *L, int index) {
  static const char *const known[] = {
      "kill",         "namespaces",   "id_map",  "proc",    "loopback", "cgroup",
      "capabilities", "no_new_privs", "keyring", "rlimits", "landlock", "seccomp",
      "mounts",       "journals",     "sockets", "bounds",  "groups",   "connect",
      "resolve",      "connecting",   "watch",   "ahead"};
  lua_pushnil(L);
  while (lua_next(L, index)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
    size_t i = 0;
    while (i < sizeof known / sizeof *known && strcmp(known[i], name) != 0) i++;
    if (i == sizeof known / sizeof *known)
      sbx_lua_misuse(L, "unknown field \"%s\" in a plan", name);
    lua_pop(L, 1);
  }
}

sbx_plan *sbx_lua_plan(lua_State *L, int index) {
  luaL_checktype(L, index, LUA_TTABLE);
  luaL_checkstack(L, 16, NULL);
  check_fields(L, index);
  sbx_plan *plan = new_plan(L);
  read_flags(L, index, plan);
  read_namespaces(L, index, plan);
  read_kill(L, index, plan);
  read_capabilities(L, index, plan);
  read_rlimits(L, index, plan);
  read_landlock(L, index, plan);
  read_mounts(L, index, plan);
  sbx_lua_bounds(L, index, plan);
  read_paths(L, index, "journals", plan, sbx_plan_journal);
  read_paths(L, index, "sockets", plan, sbx_plan_socket);
  sbx_lua_network(L, index, plan);
  read_filters(L, index, plan);
  return plan;
}
