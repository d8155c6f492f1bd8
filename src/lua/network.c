/* What a plan says of addresses that a command may connect to. */
#include "lua/border.h"

/* Of the table at the top. Its string keeps the text alive. */
static const char *text_of(lua_State *L, const char *field) {
  lua_getfield(L, -1, field);
  const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  if (!text) sbx_lua_misuse(L, "%s must be a string", field);
  lua_pop(L, 1);
  return text;
}

static unsigned number_of(lua_State *L, const char *field, lua_Integer most) {
  int is_number;
  lua_getfield(L, -1, field);
  lua_Integer value = lua_tointegerx(L, -1, &is_number);
  if (!is_number || value < 0 || value > most)
    sbx_lua_misuse(L, "%s must be a whole number up to %d", field, (int)most);
  lua_pop(L, 1);
  return (unsigned)value;
}

static void read_peer(lua_State *L, sbx_plan *plan) {
  const char *address = text_of(L, "address");
  if (sbx_plan_connect(plan, address, number_of(L, "prefix", 128), number_of(L, "port", 65535)) < 0)
    sbx_lua_misuse(L, "\"%s\" is no address to connect to", address);
}

static void read_name(lua_State *L, sbx_plan *plan) {
  const char *name = text_of(L, "name");
  if (sbx_plan_resolve(plan, name, number_of(L, "port", 65535)) < 0)
    sbx_lua_misuse(L, "\"%s\" is no name to connect to", name);
}

static void read_list(lua_State *L, int index, const char *field, sbx_plan *plan,
                      void (*read)(lua_State *L, sbx_plan *plan)) {
  if (!sbx_lua_push_table(L, index, field)) return;
  for (lua_Integer i = 1; lua_geti(L, -1, i) != LUA_TNIL; i++) {
    luaL_checktype(L, -1, LUA_TTABLE);
    read(L, plan);
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
}

void sbx_lua_network(lua_State *L, int index, sbx_plan *plan) {
  read_list(L, index, "connect", plan, read_peer);
  read_list(L, index, "resolve", plan, read_name);
  if (!sbx_lua_push_table(L, index, "connecting")) return;
  unsigned wait_ms = number_of(L, "wait_ms", 0x7fffffff);
  if (sbx_plan_connecting(plan, wait_ms, number_of(L, "ask_ms", 0x7fffffff)) < 0)
    sbx_lua_misuse(L, "the plan is too large");
  lua_pop(L, 1);
}
