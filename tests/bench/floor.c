// What bin/bench measures against, callable from Lua so that runs interleave in one process: a bare
// posix_spawn with a captured pipe, and a bare read loop. Not part of sbxlua.
#include <dirent.h>
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>

enum { MAX_ARGS = 63, BUFFER = 64 * 1024 };

extern char **environ;

typedef struct {
  char *argv[MAX_ARGS + 1];
} command_t;

static command_t check_command(lua_State *L, int index) {
  command_t command = {0};
  luaL_checktype(L, index, LUA_TTABLE);
  lua_Integer count = luaL_len(L, index);
  luaL_argcheck(L, count >= 1 && count <= MAX_ARGS, index, "1 to 63 arguments");
  for (int i = 0; i < (int)count; i++) {
    lua_rawgeti(L, index, i + 1);
    command.argv[i] = (char *)luaL_checkstring(L, -1); // the table keeps the string alive
    lua_pop(L, 1);
  }
  return command;
}

static int spawn_captured(const command_t *command, pid_t *pid, int *out) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return errno;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  int code = posix_spawnp(pid, command->argv[0], &actions, NULL, command->argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (code != 0) close(ends[0]);
  *out = ends[0];
  return code;
}

static long long read_to_end(int fd) {
  static char buffer[BUFFER];
  long long total = 0;
  for (;;) {
    ssize_t n = read(fd, buffer, sizeof buffer);
    if (n > 0) total += n;
    if (n == 0 || (n < 0 && errno != EINTR)) return total;
  }
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// floor.run(argv) -> exit status, bytes read
static int floor_run(lua_State *L) {
  command_t command = check_command(L, 1);
  pid_t pid = -1;
  int out = -1;
  int status = 0;
  int code = spawn_captured(&command, &pid, &out);
  if (code != 0) return luaL_error(L, "posix_spawn: %s", strerror(code));
  long long total = read_to_end(out);
  close(out);
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  lua_pushinteger(L, status);
  lua_pushinteger(L, total);
  return 2;
}

// floor.peak(argv) -> exit status, peak resident bytes, seconds; output goes to /dev/null. To be
// called from a small process: until its exec the child counts with the memory of this one.
static int floor_peak(lua_State *L) {
  command_t command = check_command(L, 1);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  pid_t pid = -1;
  double began = seconds();
  int code = posix_spawnp(&pid, command.argv[0], &actions, NULL, command.argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (code != 0) return luaL_error(L, "posix_spawn: %s", strerror(code));
  int status = 0;
  struct rusage usage = {0};
  while (wait4(pid, &status, 0, &usage) < 0 && errno == EINTR) continue;
  lua_pushinteger(L, status);
  lua_pushinteger(L, (lua_Integer)usage.ru_maxrss * 1024);
  lua_pushnumber(L, seconds() - began);
  return 3;
}

static void answer(int from, int to) {
  char byte;
  while (read(from, &byte, 1) == 1 && write(to, &byte, 1) == 1) continue;
  _exit(0);
}

// floor.wake(rounds) -> seconds that it takes one process to wake another and be gone on with
static int floor_wake(lua_State *L) {
  int there[2], back[2];
  int rounds = (int)luaL_checkinteger(L, 1);
  char byte = 0;
  if (pipe2(there, O_CLOEXEC) != 0 || pipe2(back, O_CLOEXEC) != 0)
    return luaL_error(L, "pipe2: %s", strerror(errno));
  pid_t pid = fork();
  if (pid < 0) return luaL_error(L, "fork: %s", strerror(errno));
  if (pid == 0) {
    close(there[1]);
    answer(there[0], back[1]);
  }
  double began = seconds();
  for (int i = 0; i < rounds; i++)
    if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) break;
  double each = (seconds() - began) / rounds / 2;
  close(there[0]);
  close(there[1]);
  close(back[0]);
  close(back[1]);
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
  lua_pushnumber(L, each);
  return 1;
}

// floor.call(rounds) -> seconds of the least system call
static int floor_call(lua_State *L) {
  int rounds = (int)luaL_checkinteger(L, 1);
  double began = seconds();
  for (int i = 0; i < rounds; i++) getppid();
  lua_pushnumber(L, (seconds() - began) / rounds);
  return 1;
}

// floor.now() -> seconds, monotonic
static int floor_now(lua_State *L) {
  lua_pushnumber(L, seconds());
  return 1;
}

// floor.list(directory) -> names without a leading dot
static int floor_list(lua_State *L) {
  DIR *directory = opendir(luaL_checkstring(L, 1));
  lua_newtable(L);
  if (directory == NULL) return 1;
  struct dirent *entry;
  for (lua_Integer i = 1; (entry = readdir(directory)) != NULL;) {
    if (entry->d_name[0] == '.') continue;
    lua_pushstring(L, entry->d_name);
    lua_rawseti(L, -2, i++);
  }
  closedir(directory);
  return 1;
}

static const luaL_Reg functions[] = {
    {"run", floor_run},   {"peak", floor_peak}, {"now", floor_now}, {"list", floor_list},
    {"wake", floor_wake}, {"call", floor_call}, {NULL, NULL},
};

__attribute__((visibility("default"))) int luaopen_floor(lua_State *L) {
  luaL_checkversion(L);
  luaL_newlib(L, functions);
  return 1;
}
