/* core.pollset(): a set of descriptors for who waits for many jobs. */
#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "engine/pollset.h"
#include "lua/border.h"

#define POLLSET "sbx.pollset"
#define KEYS 64

static int *check_open(lua_State *L) {
  int *set = luaL_checkudata(L, 1, POLLSET);
  if (*set < 0) sbx_lua_misuse(L, "the set is closed");
  return set;
}

/* set:add(fd, key) -> true, or nil and an error. It leaves the set when it is closed. */
static int pollset_add(lua_State *L) {
  int *set = check_open(L);
  int fd = (int)luaL_checkinteger(L, 2);
  lua_Integer key = luaL_checkinteger(L, 3);
  if (sbx_pollset_add(*set, fd, (uint64_t)key) < 0) return sbx_lua_errno(L, "epoll", "add");
  lua_pushboolean(L, 1);
  return 1;
}

/* set:wait([ms]) -> list of keys, which may be empty; or nil and an error. A signal ends it. */
static int pollset_wait(lua_State *L) {
  uint64_t keys[KEYS];
  int *set = check_open(L);
  lua_Number ms = luaL_optnumber(L, 2, -1);
  int count = sbx_pollset_wait(*set, ms > INT_MAX ? INT_MAX : (int)ms, keys, KEYS);
  if (count < 0 && errno != EINTR) return sbx_lua_errno(L, "epoll", "wait");
  lua_createtable(L, count > 0 ? count : 0, 0);
  for (int i = 0; i < count; i++) {
    lua_pushinteger(L, (lua_Integer)keys[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* set:fd() -> the descriptor that is readable when one of the set is */
static int pollset_fd(lua_State *L) {
  lua_pushinteger(L, *check_open(L));
  return 1;
}

static int pollset_close(lua_State *L) {
  int *set = luaL_checkudata(L, 1, POLLSET);
  if (*set >= 0) close(*set);
  *set = -1;
  return 0;
}

int sbx_lua_pollset(lua_State *L) {
  int *set = lua_newuserdatauv(L, sizeof *set, 0);
  *set = -1;
  luaL_setmetatable(L, POLLSET);
  *set = sbx_pollset_new();
  return *set < 0 ? sbx_lua_errno(L, "epoll", "pollset") : 1;
}

void sbx_lua_open_pollset(lua_State *L) {
  static const luaL_Reg methods[] = {{"add", pollset_add},
                                     {"wait", pollset_wait},
                                     {"fd", pollset_fd},
                                     {"close", pollset_close},
                                     {"__gc", pollset_close},
                                     {"__close", pollset_close},
                                     {NULL, NULL}};
  luaL_newmetatable(L, POLLSET);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
