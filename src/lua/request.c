/* Reads a request from its table into a plain struct, before anything is acquired. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lua/border.h"

/* A list of strings as a NULL-terminated array, in a userdata that is left on the stack; the
 * strings stay alive in their table. */
static const char *const *strings(lua_State *L, int index, const char *field) {
  if (lua_getfield(L, index, field) != LUA_TTABLE) sbx_lua_misuse(L, "%s must be a list", field);
  lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
  const char **list = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *list, 0);
  for (lua_Integer i = 1; i <= count; i++) {
    size_t size;
    if (lua_rawgeti(L, -2, i) != LUA_TSTRING)
      sbx_lua_misuse(L, "%s must be a list of strings", field);
    list[i - 1] = lua_tolstring(L, -1, &size);
    if (strlen(list[i - 1]) != size) sbx_lua_misuse(L, "%s[%d] has a NUL byte", field, (int)i);
    lua_pop(L, 1);
  }
  list[count] = NULL;
  return list;
}

static const char *text(lua_State *L, int index, const char *field) {
  size_t size = 0;
  int type = lua_getfield(L, index, field);
  const char *value = type == LUA_TSTRING ? lua_tolstring(L, -1, &size) : NULL;
  if (type != LUA_TSTRING && type != LUA_TNIL) sbx_lua_misuse(L, "%s must be a string", field);
  if (value && strlen(value) != size) sbx_lua_misuse(L, "%s has a NUL byte", field);
  lua_pop(L, 1);
  return value;
}

static int64_t number(lua_State *L, int index, const char *field, int64_t otherwise) {
  lua_getfield(L, index, field);
  int64_t value = luaL_optinteger(L, -1, otherwise);
  lua_pop(L, 1);
  return value;
}

static bool flag(lua_State *L, int index, const char *field) {
  lua_getfield(L, index, field);
  bool value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

static int bad_stdin(struct sbx_error *err, int fd, const char *why) {
  *err = (struct sbx_error){.kind = SBX_ERROR_INVALID_INPUT, .step = "stdin"};
  snprintf(err->message, sizeof err->message, "stdin: descriptor %d %s", fd, why);
  return -1;
}

/* A descriptor given by number carries the power of what it is open on: files, pipes and
 * terminals only (security.md 6). */
static int check_descriptor(int fd, struct sbx_error *err) {
  struct stat st;
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fstat(fd, &st) < 0) return bad_stdin(err, fd, "is not open");
  bool fine = S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode) || (S_ISCHR(st.st_mode) && isatty(fd));
  if (flags & O_PATH || !fine) return bad_stdin(err, fd, "is not a file, a pipe or a terminal");
  return 0;
}

static int read_stdin(lua_State *L, int index, struct sbx_request *request, struct sbx_error *err) {
  int type = lua_getfield(L, index, "stdin");
  int rc = 0;
  if (type == LUA_TNUMBER) {
    request->stdin_mode = SBX_STDIO_FD;
    request->stdin_fd = (int)lua_tointeger(L, -1);
    rc = check_descriptor(request->stdin_fd, err);
  } else if (type == LUA_TSTRING && strcmp(lua_tostring(L, -1), "pipe") == 0) {
    request->stdin_mode = SBX_STDIO_PIPE;
  } else if (type == LUA_TSTRING && strcmp(lua_tostring(L, -1), "inherit") == 0) {
    /* A host without a stdin gives /dev/null, never a closed descriptor. */
    request->stdin_mode = fcntl(0, F_GETFD) < 0 ? SBX_STDIO_DEFAULT : SBX_STDIO_FD;
  } else if (type != LUA_TNIL) {
    sbx_lua_misuse(L, "stdin must be \"pipe\", \"inherit\" or a descriptor");
  }
  lua_pop(L, 1);
  return rc;
}

static int output(lua_State *L, int index, const char *field, int inherited) {
  const char *value = text(L, index, field);
  if (!value) return -1;
  if (strcmp(value, "inherit") != 0) sbx_lua_misuse(L, "%s must be \"inherit\"", field);
  return inherited;
}

static uint64_t cap(lua_State *L, int index) {
  lua_getfield(L, index, "max_output_bytes");
  bool all = lua_isboolean(L, -1) && !lua_toboolean(L, -1);
  lua_Integer value = all ? 1 : luaL_checkinteger(L, -1);
  lua_pop(L, 1);
  if (value < 1) sbx_lua_misuse(L, "max_output_bytes must be positive");
  return all ? SBX_UNLIMITED : (uint64_t)value;
}

int sbx_lua_request(lua_State *L, int index, struct sbx_request *request, struct sbx_error *err) {
  luaL_checktype(L, index, LUA_TTABLE);
  *request = (struct sbx_request){
      .arg0 = text(L, index, "arg0"),
      .cwd = text(L, index, "cwd"),
      .stdout_fd = output(L, index, "stdout", 1),
      .stderr_fd = output(L, index, "stderr", 2),
      .merge_stderr = flag(L, index, "merge_stderr"),
      .live = flag(L, index, "live"),
      .timeout_ms = number(L, index, "timeout_ms", -1),
      .idle_timeout_ms = number(L, index, "idle_timeout_ms", -1),
      .kill_grace_ms = number(L, index, "kill_grace_ms", 0),
      .drain_ms = number(L, index, "drain_ms", 0),
      .setup_timeout_ms = number(L, index, "setup_timeout_ms", -1),
      .max_output_bytes = cap(L, index),
      .end_output_bytes = (uint64_t)number(L, index, "end_output_bytes", 0),
  };
  request->argv = strings(L, index, "argv");
  request->env = strings(L, index, "env");
  return read_stdin(L, index, request, err);
}
