/* For the host, as a Lua module: says to the tracer what it does now, and looks at itself. */
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* mark(phase): the tracer takes the signal; without one it is ignored. */
static int mark(lua_State *L) {
  sigqueue(getpid(), SIGRTMAX, (union sigval){.sival_int = (int)luaL_checkinteger(L, 1)});
  return 0;
}

static int pause_ms(lua_State *L) {
  long ms = (long)luaL_checkinteger(L, 1);
  struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&pause, NULL);
  return 0;
}

/* The children that this process has, zombies too. */
static int children(lua_State *L) {
  char text[1024] = "", path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
  int fd = open(path, O_RDONLY | O_CLOEXEC), count = 0;
  if (fd >= 0 && read(fd, text, sizeof text - 1) > 0)
    for (const char *c = text; *c; c++) count += *c == ' ';
  if (fd >= 0) close(fd);
  lua_pushinteger(L, count);
  return 1;
}

static int link_text(lua_State *L) {
  char text[256];
  ssize_t size = readlink(luaL_checkstring(L, 1), text, sizeof text);
  lua_pushlstring(L, text, size > 0 ? (size_t)size : 0);
  return 1;
}

/* remove(path) -> whether it was there */
static int remove_file(lua_State *L) {
  lua_pushboolean(L, unlink(luaL_checkstring(L, 1)) == 0);
  return 1;
}

int luaopen_sbxmark(lua_State *L);
int luaopen_sbxmark(lua_State *L) {
  static const luaL_Reg functions[] = {{"mark", mark},          {"pause", pause_ms},
                                       {"children", children},  {"link", link_text},
                                       {"remove", remove_file}, {NULL, NULL}};
  signal(SIGRTMAX, SIG_IGN);
  luaL_newlib(L, functions);
  return 1;
}
