#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lua/border.h"

#define NAMED(name)                                                                                \
  { #name, name }

struct named {
  const char *name;
  int number;
};

static const struct named errnos[] = {
    NAMED(EPERM),        NAMED(ENOENT),       NAMED(ESRCH),      NAMED(EINTR),
    NAMED(EIO),          NAMED(ENXIO),        NAMED(E2BIG),      NAMED(ENOEXEC),
    NAMED(EBADF),        NAMED(ECHILD),       NAMED(EAGAIN),     NAMED(ENOMEM),
    NAMED(EACCES),       NAMED(EFAULT),       NAMED(EBUSY),      NAMED(EEXIST),
    NAMED(EXDEV),        NAMED(ENODEV),       NAMED(ENOTDIR),    NAMED(EISDIR),
    NAMED(EINVAL),       NAMED(ENFILE),       NAMED(EMFILE),     NAMED(ENOTTY),
    NAMED(ETXTBSY),      NAMED(EFBIG),        NAMED(ENOSPC),     NAMED(ESPIPE),
    NAMED(EROFS),        NAMED(EMLINK),       NAMED(EPIPE),      NAMED(ERANGE),
    NAMED(EDEADLK),      NAMED(ENAMETOOLONG), NAMED(ENOSYS),     NAMED(ENOTEMPTY),
    NAMED(ELOOP),        NAMED(EPROTO),       NAMED(EOVERFLOW),  NAMED(EUSERS),
    NAMED(EMSGSIZE),     NAMED(ENOPROTOOPT),  NAMED(EOPNOTSUPP), NAMED(EAFNOSUPPORT),
    NAMED(EADDRINUSE),   NAMED(ENETUNREACH),  NAMED(ENOBUFS),    NAMED(ETIMEDOUT),
    NAMED(ECONNREFUSED), NAMED(ECONNRESET),   NAMED(ESTALE),     NAMED(EDQUOT),
    NAMED(ENOKEY),       NAMED(ELIBBAD),
};

static const struct named signals[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},       {"QUIT", SIGQUIT}, {"ILL", SIGILL},
    {"TRAP", SIGTRAP}, {"ABRT", SIGABRT},     {"BUS", SIGBUS},   {"FPE", SIGFPE},
    {"KILL", SIGKILL}, {"USR1", SIGUSR1},     {"SEGV", SIGSEGV}, {"USR2", SIGUSR2},
    {"PIPE", SIGPIPE}, {"ALRM", SIGALRM},     {"TERM", SIGTERM}, {"CHLD", SIGCHLD},
    {"CONT", SIGCONT}, {"STOP", SIGSTOP},     {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN},
    {"TTOU", SIGTTOU}, {"URG", SIGURG},       {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ},
    {"PROF", SIGPROF}, {"VTALRM", SIGVTALRM}, {"IO", SIGIO},     {"WINCH", SIGWINCH},
    {"SYS", SIGSYS},   {"PWR", SIGPWR},
};

static void push_named(lua_State *L, const struct named *list, size_t count) {
  lua_createtable(L, 0, (int)count);
  for (size_t i = 0; i < count; i++) {
    lua_pushinteger(L, list[i].number);
    lua_setfield(L, -2, list[i].name);
  }
}

void sbx_lua_push_errnos(lua_State *L) {
  push_named(L, errnos, sizeof errnos / sizeof *errnos);
}

void sbx_lua_push_signals(lua_State *L) {
  push_named(L, signals, sizeof signals / sizeof *signals);
}

const char *sbx_lua_errno_name(int code) {
  for (size_t i = 0; i < sizeof errnos / sizeof *errnos; i++)
    if (errnos[i].number == code) return errnos[i].name;
  return NULL;
}

void sbx_lua_misuse(lua_State *L, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  luaL_where(L, 1);
  lua_pushvfstring(L, format, arguments);
  va_end(arguments);
  lua_concat(L, 2);
  lua_error(L);
  abort(); /* lua_error does not return, which its header can't say */
}

int sbx_lua_failure(lua_State *L, const struct sbx_error *err) {
  static const char *const kinds[] = {[SBX_ERROR_NONE] = "sandbox",
                                      [SBX_ERROR_INVALID_INPUT] = "invalid_input",
                                      [SBX_ERROR_SPAWN] = "spawn",
                                      [SBX_ERROR_SANDBOX] = "sandbox"};
  lua_pushnil(L);
  lua_createtable(L, 0, 4);
  sbx_lua_set_text(L, "kind", kinds[err->kind]);
  sbx_lua_set_text(L, "step", err->step);
  sbx_lua_set_text(L, "message", err->message);
  if (err->code) {
    const char *name = sbx_lua_errno_name(err->code);
    sbx_lua_set_text(L, "code", name ? name : strerror(err->code));
  }
  return 2;
}

int sbx_lua_errno(lua_State *L, const char *step, const char *path) {
  int code = errno;
  const char *name = sbx_lua_errno_name(code);
  lua_pushnil(L);
  lua_createtable(L, 0, 4);
  sbx_lua_set_text(L, "kind", "invalid_input");
  sbx_lua_set_text(L, "step", step);
  sbx_lua_set_text(L, "code", name ? name : strerror(code));
  lua_pushfstring(L, "%s: %s", path, strerror(code));
  lua_setfield(L, -2, "message");
  return 2;
}
