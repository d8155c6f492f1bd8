#include "lua/border.h"

#define SANDBOX "sbx.sandbox"

const sbx_sandbox *sbx_lua_check_sandbox(lua_State *L, int index) {
  sbx_sandbox **box = luaL_checkudata(L, index, SANDBOX);
  luaL_argcheck(L, *box, index, "the sandbox is closed");
  return *box;
}

static int sandbox_gc(lua_State *L) {
  sbx_sandbox **box = luaL_checkudata(L, 1, SANDBOX);
  sbx_sandbox_free(*box);
  *box = NULL;
  return 0;
}

/* core.close_sandbox(sandbox): frees what it holds; it can't be used any more. */
int sbx_lua_close_sandbox(lua_State *L) {
  return sandbox_gc(L);
}

/* NULL for one that was closed meanwhile: it only makes the next one's way shorter. */
static const sbx_sandbox *like_of(lua_State *L, int index) {
  return lua_isnoneornil(L, index) ? NULL : *(sbx_sandbox **)luaL_checkudata(L, index, SANDBOX);
}

/* core.sandbox(plan [, like]) -> sandbox, or nil and an error */
int sbx_lua_sandbox(lua_State *L) {
  struct sbx_error err = {0};
  lua_settop(L, 2);
  const sbx_plan *plan = sbx_lua_plan(L, 1);
  sbx_sandbox **box = lua_newuserdatauv(L, sizeof(void *), 0);
  *box = NULL;
  luaL_setmetatable(L, SANDBOX);
  *box = sbx_sandbox_new_like(plan, like_of(L, 2), &err);
  return *box ? 1 : sbx_lua_failure(L, &err);
}

void sbx_lua_open_sandbox(lua_State *L) {
  static const luaL_Reg methods[] = {{"__gc", sandbox_gc}, {"__close", sandbox_gc}, {NULL, NULL}};
  luaL_newmetatable(L, SANDBOX);
  luaL_setfuncs(L, methods, 0);
  lua_pop(L, 1);
}
