/* Linked into a build for gcov, whose own ways to write the counters miss some endings of ours:
 * _exit writes none, an exec in a child that shares its parent's memory marks the parent's as
 * written, and a supervisor among read-only mounts can't write where it was built. Behind Landlock
 * nothing can be written; there the parent writes what the child counted too. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define KEPT_MAX 64

extern void __gcov_dump(void);
extern void __gcov_reset(void);
extern noreturn void __real__exit(int status);
noreturn void __wrap__exit(int status);
int __wrap___gcov_execve(const char *path, char *const argv[], char *const env[]);
extern int __real_sbx_fd_keep_only(const int *keep, size_t count);
int __wrap_sbx_fd_keep_only(const int *keep, size_t count);

/* The helper's "/" as it was at its start, before any mount of its own. */
static int top = -1;

__attribute__((constructor)) static void open_top(void) {
  if (strcmp(program_invocation_short_name, "sbx-exec") == 0)
    top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int __wrap_sbx_fd_keep_only(const int *keep, size_t count) {
  int all[KEPT_MAX];
  if (count >= KEPT_MAX) return __real_sbx_fd_keep_only(keep, count);
  memcpy(all, keep, count * sizeof *keep);
  all[count] = top;
  return __real_sbx_fd_keep_only(all, count + 1);
}

static void write_counters(void) {
  char prefix[32];
  if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1) return;
  snprintf(prefix, sizeof prefix, "/proc/self/fd/%d", top);
  if (top >= 0) setenv("GCOV_PREFIX", prefix, 1);
  __gcov_dump();
  __gcov_reset();
}

noreturn void __wrap__exit(int status) {
  write_counters();
  __real__exit(status);
}

int __wrap___gcov_execve(const char *path, char *const argv[], char *const env[]) {
  static int (*const plain)(const char *, char *const[], char *const[]) = execve;
  write_counters();
  return plain(path, argv, env);
}
