/* Fields of tables: read with their type checked, and set. */
#include "lua/border.h"

bool sbx_lua_push_table(lua_State *L, int index, const char *field) {
  int type = lua_getfield(L, index, field);
  if (type == LUA_TTABLE) return true;
  if (type != LUA_TNIL) sbx_lua_misuse(L, "%s must be a table", field);
  lua_pop(L, 1);
  return false;
}

void sbx_lua_set_integer(lua_State *L, const char *field, int64_t value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, field);
}

void sbx_lua_set_text(lua_State *L, const char *field, const char *text) {
  lua_pushstring(L, text);
  lua_setfield(L, -2, field);
}
