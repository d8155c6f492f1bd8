/* sbxlua: the program. A careful Lua host (modules from trusted places only, LUA_INIT and LUA_PATH
 * ignored) whose verbs are written in Lua (lua/sbx/cli); under the name sbx-exec, the helper.
 *
 * Only what Lua can't do itself stands here: the paths, running a script as lua does, and the
 * signals, waits and writes of `sbxlua run` (module "sbxlua.program"). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "modules.h"
#include "sbx.h"

#define OWN_FAILURE 125 /* the exit status for "sbxlua itself failed" */

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* A descriptor that is closed at start would be given to the first file that is opened, and the
 * command's output would land in it. */
static int open_standard(void) {
  for (int fd = 0; fd <= 2; fd++) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    if (open("/dev/null", O_RDWR) != fd) return -1;
  }
  return 0;
}

/* ---- signals that end a run ---- */

static volatile sig_atomic_t caught; /* the last of ending_signals, 0 once it was asked for */

static const int ending_signals[] = {SIGINT, SIGTERM, SIGHUP};
#define ENDING_SIGNALS (sizeof ending_signals / sizeof *ending_signals)

static void note_signal(int signal) {
  caught = signal;
}

/* What the starter ignores (nohup, a shell's background job) stays ignored. */
static void catch_signal(int signal) {
  struct sigaction now;
  struct sigaction ours = {.sa_handler = note_signal};
  if (sigaction(signal, NULL, &now) == 0 && now.sa_handler == SIG_IGN) return;
  sigaction(signal, &ours, NULL);
}

static int program_catch_signals(lua_State *L) {
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  (void)L;
  for (size_t i = 0; i < ENDING_SIGNALS; i++) catch_signal(ending_signals[i]);
  sigaction(SIGPIPE, &ignore, NULL);
  return 0;
}

static int program_pending_signal(lua_State *L) {
  int signal = caught;
  caught = 0;
  if (signal == 0) return 0;
  lua_pushinteger(L, signal);
  return 1;
}

static void hold_signals(sigset_t *before) {
  sigset_t set;
  sigemptyset(&set);
  for (size_t i = 0; i < ENDING_SIGNALS; i++) sigaddset(&set, ending_signals[i]);
  sigprocmask(SIG_BLOCK, &set, before);
}

/* ---- waiting and writing, so that no signal is missed in between ---- */

enum outcome { DONE, TIMED_OUT, SIGNALLED, FAILED };

static const char *const outcome_names[] = {"ready", "timeout", "signal", "failed"};

/* Called with the ending signals held: they arrive in ppoll alone. */
static enum outcome wait_held(int fd, short events, int ms, const sigset_t *open) {
  struct pollfd polled = {.fd = fd, .events = events};
  struct timespec limit = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
  int got = caught ? -1 : ppoll(&polled, 1, ms < 0 ? NULL : &limit, open);
  if (caught) return SIGNALLED;
  if (got < 0) return errno == EINTR ? DONE : FAILED;
  return got == 0 ? TIMED_OUT : DONE;
}

static int milliseconds(lua_State *L, int index) {
  lua_Number ms = luaL_optnumber(L, index, -1);
  if (ms > INT_MAX) return INT_MAX;
  return ms < 0 ? -1 : (int)ms;
}

/* wait(fd, ms) -> "ready" (perhaps for nothing: look again), "timeout" or "signal" */
static int program_wait(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1);
  int ms = milliseconds(L, 2);
  sigset_t before;
  hold_signals(&before);
  enum outcome outcome = wait_held(fd, POLLIN, ms, &before);
  sigprocmask(SIG_SETMASK, &before, NULL);
  lua_pushstring(L, outcome_names[outcome]);
  return 1;
}

static bool never_blocks(int fd) {
  struct stat st;
  if (fstat(fd, &st) != 0 || S_ISREG(st.st_mode)) return true;
  return S_ISCHR(st.st_mode) && !isatty(fd);
}

/* Pipes take RWF_NOWAIT since Linux 6.4. Elsewhere: once poll says that a pipe can be written,
 * PIPE_BUF bytes go in without blocking; more may not. Whoever shares it must not find O_NONBLOCK.
 */
static ssize_t write_nowait(int fd, const char *text, size_t size, const sigset_t *open) {
  struct iovec iov = {(void *)text, size};
  ssize_t wrote = pwritev2(fd, &iov, 1, -1, RWF_NOWAIT);
  if (wrote >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL)) return wrote;
  if (wait_held(fd, POLLOUT, 0, open) != DONE) {
    errno = EAGAIN;
    return -1;
  }
  return write(fd, text, size < PIPE_BUF ? size : PIPE_BUF);
}

static enum outcome write_held(int fd, const char *text, size_t size, size_t *done, int ms,
                               const sigset_t *open) {
  bool plain = never_blocks(fd);
  while (*done < size) {
    const char *rest = text + *done;
    size_t left = size - *done;
    if (caught && !plain) return SIGNALLED;
    ssize_t wrote = plain ? write(fd, rest, left) : write_nowait(fd, rest, left, open);
    if (wrote >= 0) {
      *done += (size_t)wrote;
    } else if (errno == EAGAIN) {
      enum outcome ready = wait_held(fd, POLLOUT, ms, open);
      if (ready != DONE) return ready;
    } else if (errno != EINTR) {
      return FAILED;
    }
  }
  return DONE;
}

/* write(fd, text [, ms]) -> true, or nil, why ("signal", "timeout", "closed", or words), and how
 * many bytes went out. */
static int program_write(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1);
  size_t size;
  const char *text = luaL_checklstring(L, 2, &size);
  int ms = milliseconds(L, 3);
  size_t done = 0;
  sigset_t before;
  hold_signals(&before);
  enum outcome outcome = write_held(fd, text, size, &done, ms, &before);
  int code = errno;
  sigprocmask(SIG_SETMASK, &before, NULL);
  if (outcome == DONE) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushnil(L);
  if (outcome != FAILED)
    lua_pushstring(L, outcome_names[outcome]);
  else
    lua_pushstring(L, code == EPIPE ? "closed" : strerror(code));
  lua_pushinteger(L, (lua_Integer)done);
  return 3;
}

static int program_isatty(lua_State *L) {
  lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
  return 1;
}

static const luaL_Reg program_functions[] = {
    {"catch_signals", program_catch_signals},
    {"pending_signal", program_pending_signal},
    {"wait", program_wait},
    {"write", program_write},
    {"isatty", program_isatty},
    {NULL, NULL},
};

static int open_program(lua_State *L) {
  luaL_newlib(L, program_functions);
  lua_pushliteral(L, SBX_VERSION);
  lua_setfield(L, -2, "version");
  return 1;
}

/* ---- where modules come from ---- */

/* The directory above the one that holds this program; false where /proc doesn't tell. */
static bool own_prefix(char *path, size_t size) {
  ssize_t length = readlink("/proc/self/exe", path, size - 1);
  if (length <= 0) return false;
  path[length] = '\0';
  for (int level = 0; level < 2; level++) {
    char *slash = strrchr(path, '/');
    if (!slash) return false;
    *slash = '\0';
  }
  return strpbrk(path, ";?") == NULL; /* these mean something in a path of Lua's */
}

/* Adds those of Lua's own templates that are absolute: what is left out is "./?.lua". */
static void add_absolute(luaL_Buffer *buffer, const char *templates) {
  while (*templates) {
    size_t length = strcspn(templates, ";");
    if (*templates == '/') {
      if (luaL_bufflen(buffer) > 0) luaL_addchar(buffer, ';');
      luaL_addlstring(buffer, templates, length);
    }
    templates += length + (templates[length] == ';');
  }
}

/* package[field] = own templates, then the absolute ones of those that are there. */
static void set_templates(lua_State *L, const char *field, const char *own) {
  luaL_Buffer buffer;
  lua_getglobal(L, "package");
  lua_getfield(L, -1, field);
  const char *templates = lua_tostring(L, -1); /* stays on the stack below the buffer */
  luaL_buffinit(L, &buffer);
  add_absolute(&buffer, own);
  add_absolute(&buffer, templates);
  luaL_pushresult(&buffer);
  lua_setfield(L, -3, field);
  lua_pop(L, 2);
}

static void set_paths(lua_State *L) {
  char prefix[PATH_MAX];
  int top = lua_gettop(L);
  if (!own_prefix(prefix, sizeof prefix)) prefix[0] = '\0';
  bool known = prefix[0] != '\0';
  const char *lua = known ? lua_pushfstring(L, "%s/share/lua/5.4/?.lua;%s/share/lua/5.4/?/init.lua",
                                            prefix, prefix)
                          : lua_pushliteral(L, "");
  const char *c =
      known ? lua_pushfstring(L, "%s/lib/lua/5.4/?.so", prefix) : lua_pushliteral(L, "");
  set_templates(L, "path", lua);
  set_templates(L, "cpath", c);
  if (known) sbx_modules_open(L, lua_pushfstring(L, "%s/share/lua/5.4", prefix));
  lua_settop(L, top);
}

/* ---- running a script as lua does ---- */

static lua_State *interrupted; /* as in lua.c: a signal handler has no other way to its state */

static void stop_script(lua_State *L, lua_Debug *ar) {
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
  luaL_error(L, "interrupted!");
}

/* A second Ctrl-C ends a script that doesn't come back to Lua. */
static void interrupt_script(int signal) {
  struct sigaction plain = {.sa_handler = SIG_DFL};
  sigaction(signal, &plain, NULL);
  lua_sethook(interrupted, stop_script, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT,
              1);
}

static int with_traceback(lua_State *L) {
  const char *message = lua_tostring(L, 1);
  if (!message) {
    if (luaL_callmeta(L, 1, "__tostring") && lua_type(L, -1) == LUA_TSTRING) return 1;
    message = lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
  }
  luaL_traceback(L, L, message, 1);
  return 1;
}

static int call_script(lua_State *L, int nargs) {
  struct sigaction before;
  struct sigaction ours = {.sa_handler = interrupt_script};
  int base = lua_gettop(L) - nargs;
  lua_pushcfunction(L, with_traceback);
  lua_insert(L, base);
  interrupted = L;
  sigaction(SIGINT, &ours, &before);
  int status = lua_pcall(L, nargs, 0, base);
  sigaction(SIGINT, &before, NULL);
  lua_remove(L, base);
  return status;
}

/* To stderr, each message in one piece. */
static void report(lua_State *L) {
  const char *message = lua_tostring(L, -1);
  if (!message) message = "(error object is not a string)";
  fflush(stdout);
  fprintf(stderr, "sbxlua: %s\n", message);
  lua_pop(L, 1);
}

/* arg[0] is the script, what stands before it on the command line has negative indices. */
static void set_arg(lua_State *L, int argc, char **argv, int script) {
  lua_createtable(L, argc - script, script + 1);
  for (int i = 0; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i - script);
  }
  lua_setglobal(L, "arg");
}

static int run_code(lua_State *L, int plan) {
  lua_getfield(L, plan, "code");
  int list = lua_gettop(L);
  int status = LUA_OK;
  for (lua_Integer i = 1; status == LUA_OK && lua_rawgeti(L, list, i) == LUA_TSTRING; i++) {
    size_t size;
    const char *code = lua_tolstring(L, -1, &size);
    status = luaL_loadbuffer(L, code, size, "=(command line)");
    if (status == LUA_OK) status = call_script(L, 0);
  }
  return status; /* an error's message is on top */
}

static int run_file(lua_State *L, int argc, char **argv, int script) {
  const char *name = strcmp(argv[script], "-") == 0 ? NULL : argv[script];
  int status = luaL_loadfile(L, name);
  if (status != LUA_OK) return status;
  luaL_checkstack(L, argc - script + 3, "too many arguments to script");
  for (int i = script + 1; i < argc; i++) lua_pushstring(L, argv[i]);
  return call_script(L, argc - script - 1);
}

/* The plan at the top, made by lua/sbx/cli/main.lua: {code = {text...}, script = index in argv} */
static int run_script(lua_State *L, int argc, char **argv) {
  int plan = lua_gettop(L);
  lua_getfield(L, plan, "script");
  int script = (int)lua_tointeger(L, -1); /* 0: none, and arg[0] is the program, as with lua */
  set_arg(L, argc, argv, script);
  int status = run_code(L, plan);
  if (status == LUA_OK && script > 0) status = run_file(L, argc, argv, script);
  if (status == LUA_OK) return 0;
  report(L);
  return 1;
}

/* ---- main ---- */

struct arguments {
  int argc;
  char **argv;
  int status;
};

int luaopen_sbx_core(lua_State *L); /* the border, linked in: no module to look for and load */

static void open_libraries(lua_State *L) {
  lua_pushboolean(L, 1); /* no LUA_PATH, no LUA_CPATH */
  lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
  luaL_openlibs(L);
  set_paths(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, open_program);
  lua_setfield(L, -2, "sbxlua.program");
  lua_pushcfunction(L, luaopen_sbx_core);
  lua_setfield(L, -2, "sbx.core");
  lua_pop(L, 1);
}

static void push_words(lua_State *L, const struct arguments *a) {
  lua_createtable(L, a->argc, 1);
  for (int i = 0; i < a->argc; i++) {
    lua_pushstring(L, a->argv[i]);
    lua_rawseti(L, -2, i);
  }
}

/* require("sbx.cli.main").main(words): an exit status, or a script to run as lua would. */
static int protected_main(lua_State *L) {
  struct arguments *a = lua_touserdata(L, 1);
  open_libraries(L);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "sbx.cli.main");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "main");
  push_words(L, a);
  lua_call(L, 1, 1);
  a->status = lua_istable(L, -1) ? run_script(L, a->argc, a->argv) : (int)lua_tointeger(L, -1);
  return 0;
}

static int run_program(struct arguments *a) {
  lua_State *L = luaL_newstate();
  if (!L) {
    fputs("sbxlua: not enough memory\n", stderr);
    return OWN_FAILURE;
  }
  lua_pushcfunction(L, with_traceback);
  lua_pushcfunction(L, protected_main);
  lua_pushlightuserdata(L, a);
  if (lua_pcall(L, 1, 0, 1) != LUA_OK) {
    report(L);
    a->status = OWN_FAILURE;
  }
  lua_close(L);
  return a->status;
}

int main(int argc, char **argv) {
  if (argc > 0 && strcmp(base_name(argv[0]), "sbx-exec") == 0) return sbx_helper_main(argc, argv);
  struct arguments arguments = {.argc = argc, .argv = argv, .status = OWN_FAILURE};
  if (open_standard() != 0) return OWN_FAILURE;
  return run_program(&arguments);
}
