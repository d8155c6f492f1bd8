/* What the library wants to know of its own process. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lua/border.h"

static int system_cwd(lua_State *L) {
  char path[PATH_MAX];
  if (!getcwd(path, sizeof path)) return sbx_lua_errno(L, "getcwd", "cwd");
  lua_pushstring(L, path);
  return 1;
}

/* core.environ() -> map; of a name that stands twice the first counts, as in getenv(3) */
static int system_environ(lua_State *L) {
  lua_newtable(L);
  for (char **entry = environ; entry && *entry; entry++) {
    const char *equals = strchr(*entry, '=');
    if (!equals || equals == *entry) continue;
    lua_pushlstring(L, *entry, (size_t)(equals - *entry));
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) != LUA_TNIL) {
      lua_pop(L, 2);
      continue;
    }
    lua_pop(L, 1);
    lua_pushstring(L, equals + 1);
    lua_rawset(L, -3);
  }
  return 1;
}

static int system_uid(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)geteuid());
  return 1;
}

/* core.now() -> milliseconds of CLOCK_MONOTONIC */
static int system_now(lua_State *L) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  lua_pushnumber(L, (lua_Number)now.tv_sec * 1e3 + (lua_Number)now.tv_nsec / 1e6);
  return 1;
}

/* core.processors() -> how many this process may use */
static int system_processors(lua_State *L) {
  cpu_set_t set;
  bool known = sched_getaffinity(0, sizeof set, &set) == 0;
  lua_pushinteger(L, known ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN));
  return 1;
}

static int system_isatty(lua_State *L) {
  lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
  return 1;
}

static int system_landlock_abi(lua_State *L) {
  lua_pushinteger(L, sbx_landlock_abi());
  return 1;
}

/* The descriptor may be non-blocking, and a signal that the host waits for must get through. */
static int write_all(int fd, const char *text, size_t size) {
  while (size > 0) {
    ssize_t written = write(fd, text, size);
    if (written >= 0) {
      text += written;
      size -= (size_t)written;
    } else if (errno == EAGAIN) {
      struct pollfd wait = {fd, POLLOUT, 0};
      poll(&wait, 1, -1);
    } else if (errno != EINTR) {
      return -1;
    }
  }
  return 0;
}

/* core.write(fd, text) -> true, or nil and an error; no SIGPIPE reaches the host */
static int system_write(lua_State *L) {
  size_t size;
  int fd = (int)luaL_checkinteger(L, 1);
  const char *text = luaL_checklstring(L, 2, &size);
  struct timespec none = {0, 0};
  sigset_t pipe, old, pending;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  sigpending(&pending);
  pthread_sigmask(SIG_BLOCK, &pipe, &old);
  int rc = write_all(fd, text, size), saved = errno;
  if (rc < 0 && saved == EPIPE && !sigismember(&pending, SIGPIPE)) sigtimedwait(&pipe, NULL, &none);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  errno = saved;
  if (rc < 0) return sbx_lua_errno(L, "write", "write");
  lua_pushboolean(L, 1);
  return 1;
}

const luaL_Reg sbx_lua_system[] = {
    {"cwd", system_cwd},
    {"environ", system_environ},
    {"uid", system_uid},
    {"landlock_abi", system_landlock_abi},
    {"now", system_now},
    {"isatty", system_isatty},
    {"write", system_write},
    {"processors", system_processors},
    {NULL, NULL},
};
