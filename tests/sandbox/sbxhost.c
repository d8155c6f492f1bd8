/* What a host may have done to itself, as a Lua module for the hosts of the tests. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <lauxlib.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <lua.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int check(lua_State *L, long result) {
  if (result < 0) return luaL_error(L, "%s", strerror(errno));
  lua_pushinteger(L, (lua_Integer)result);
  return 1;
}

static int host_fork(lua_State *L) {
  return check(L, fork());
}
static int host_pause(lua_State *L) {
  alarm(60);
  pause();
  return check(L, 0);
}
static int host_getpid(lua_State *L) {
  return check(L, getpid());
}
static int host_exit(lua_State *L) {
  _exit((int)luaL_checkinteger(L, 1));
}

/* Waits for one child: its status, or nil when there is none. */
static int host_wait(lua_State *L) {
  int status;
  pid_t pid = waitpid((pid_t)luaL_optinteger(L, 1, -1), &status, 0);
  if (pid < 0) return 0;
  lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  return 1;
}

static int host_ignore(lua_State *L) {
  return check(L, signal((int)luaL_checkinteger(L, 1), SIG_IGN) == SIG_ERR ? -1 : 0);
}

static int host_is_ignored(lua_State *L) {
  struct sigaction action;
  sigaction((int)luaL_checkinteger(L, 1), NULL, &action);
  lua_pushboolean(L, action.sa_handler == SIG_IGN);
  return 1;
}

static void reap(int sig) {
  int code = errno;
  (void)sig;
  while (waitpid(-1, NULL, WNOHANG) > 0) continue;
  errno = code;
}

static int host_reap_all(lua_State *L) {
  struct sigaction action = {.sa_handler = reap};
  return check(L, sigaction(SIGCHLD, &action, NULL));
}

static int host_block_all(lua_State *L) {
  sigset_t set;
  sigfillset(&set);
  return check(L, sigprocmask(SIG_BLOCK, &set, NULL));
}

static int host_open(lua_State *L) {
  return check(L, open(luaL_checkstring(L, 1), O_RDWR | O_CREAT, 0644));
}

static int host_setuid(lua_State *L) {
  int id = (int)luaL_checkinteger(L, 1);
  if (setgid((gid_t)id) < 0) return check(L, -1);
  return check(L, setuid((uid_t)id));
}

static int host_umask(lua_State *L) {
  return check(L, umask((mode_t)luaL_checkinteger(L, 1)));
}

/* Open files: the soft limit. */
static int host_limit(lua_State *L) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return check(L, -1);
  limit.rlim_cur = (rlim_t)luaL_checkinteger(L, 1);
  return check(L, setrlimit(RLIMIT_NOFILE, &limit));
}

static int host_groups(lua_State *L) {
  gid_t list[8];
  int count = lua_gettop(L) < 8 ? lua_gettop(L) : 8;
  for (int i = 0; i < count; i++) list[i] = (gid_t)luaL_checkinteger(L, i + 1);
  return check(L, setgroups((size_t)count, list));
}

static int host_chdir(lua_State *L) {
  return check(L, chdir(luaL_checkstring(L, 1)));
}

static int host_no_new_privs(lua_State *L) {
  return check(L, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

/* Refuses to make directories and files from here on. */
static int host_landlock(lua_State *L) {
  struct landlock_ruleset_attr attr = {.handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_DIR |
                                                            LANDLOCK_ACCESS_FS_MAKE_REG};
  int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr.handled_access_fs, 0);
  if (fd < 0) return check(L, -1);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  int rc = (int)syscall(SYS_landlock_restrict_self, fd, 0);
  close(fd);
  return check(L, rc);
}

/* mkdir and mkdirat end in EXDEV, which nothing else gives for them. */
static int host_filter(lua_State *L) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#ifdef SYS_mkdir
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdir, 1, 0),
#endif
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdirat, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof code / sizeof code[0], code};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return check(L, prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0));
}

static void *call(void *L) {
  if (lua_pcall(L, 0, 1, 0) != LUA_OK) lua_pushnil(L);
  return NULL;
}

/* Calls a function in a thread that is gone afterwards. */
static int host_in_thread(lua_State *L) {
  pthread_t thread;
  lua_settop(L, 1);
  if (pthread_create(&thread, NULL, call, L) != 0) return luaL_error(L, "no thread");
  pthread_join(thread, NULL);
  return 1;
}

static void *wait_for_ever(void *unused) {
  for (;;) pause();
  return unused;
}

static int host_threads(lua_State *L) {
  pthread_t thread;
  for (lua_Integer i = luaL_checkinteger(L, 1); i > 0; i--)
    if (pthread_create(&thread, NULL, wait_for_ever, NULL) != 0) return luaL_error(L, "no thread");
  return 0;
}

static void *reap_for_ever(void *unused) {
  for (;;)
    if (waitpid(-1, NULL, __WALL) < 0) usleep(500);
  return unused;
}

/* A thread that takes every child's end from whoever waits for it, clones without a signal too. */
static int host_reaper(lua_State *L) {
  pthread_t thread;
  return check(L, pthread_create(&thread, NULL, reap_for_ever, NULL) ? -1 : 0);
}

/* So many bytes, each page of them touched. */
static int host_memory(lua_State *L) {
  size_t size = (size_t)luaL_checkinteger(L, 1);
  char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return check(L, -1);
  for (size_t i = 0; i < size; i += 4096) at[i] = 1;
  return 0;
}

/* Descriptors without close-on-exec, so many or as many as there may be: how many it got. */
static int host_descriptors(lua_State *L) {
  lua_Integer most = luaL_checkinteger(L, 1), count = 0;
  while (count < most && open("/dev/null", O_RDWR) >= 0) count++;
  lua_pushinteger(L, count);
  return 1;
}

static int host_close(lua_State *L) {
  return check(L, close((int)luaL_checkinteger(L, 1)));
}

static const luaL_Reg functions[] = {
    {"fork", host_fork},
    {"pause", host_pause},
    {"getpid", host_getpid},
    {"exit", host_exit},
    {"wait", host_wait},
    {"ignore", host_ignore},
    {"is_ignored", host_is_ignored},
    {"reap_all", host_reap_all},
    {"block_all", host_block_all},
    {"open", host_open},
    {"setuid", host_setuid},
    {"umask", host_umask},
    {"limit", host_limit},
    {"groups", host_groups},
    {"chdir", host_chdir},
    {"no_new_privs", host_no_new_privs},
    {"landlock", host_landlock},
    {"filter", host_filter},
    {"in_thread", host_in_thread},
    {"threads", host_threads},
    {"reaper", host_reaper},
    {"memory", host_memory},
    {"descriptors", host_descriptors},
    {"close", host_close},
    {NULL, NULL},
};

int luaopen_sbxhost(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
