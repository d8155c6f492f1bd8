/* Ways to make, replace or change a name that a shell has no word for. Ends with 0 where it worked.
 *   names exchange A B     both names change places
 *   names noreplace A B    renamed, unless B is there
 *   names mknod PATH       a socket as a node
 *   names tmpfile DIR PATH a file without a name gets this one
 *   names openat2 PATH     made by the newest call
 *   names parent DIR NAME  made by way of a descriptor of the directory
 *   names truncate PATH    cut to nothing
 *   names times PATH       last changed in 1970
 *   names keep PATH OTHER  appends to PATH by a descriptor that was opened before OTHER took its
 * name names race DIR NAME    eight processes try to make it for a quarter of a second, while two
 * more rename their own directories to it */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EXCHANGE 2U
#define NOREPLACE 1U

static int rename_with(const char *from, const char *to, unsigned flags) {
  return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

static int link_unnamed(const char *directory, const char *path) {
  char name[40];
  int fd = open(directory, O_TMPFILE | O_WRONLY, 0644);
  if (fd < 0 || write(fd, "x", 1) != 1) return -1;
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  return linkat(AT_FDCWD, name, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}

static int newest_open(const char *path) {
  struct open_how how = {.flags = O_WRONLY | O_CREAT | O_EXCL, .mode = 0644};
  return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
}

static int by_parent(const char *directory, const char *name) {
  int fd = open(directory, O_PATH | O_DIRECTORY);
  return fd < 0 || chdir("/") < 0 ? -1 : mkdirat(fd, name, 0755);
}

static int set_times(const char *path) {
  struct timespec times[2] = {{0, 0}, {0, 0}};
  return utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
}

static int keep(const char *path, const char *other) {
  int fd = open(path, O_WRONLY | O_APPEND);
  if (fd < 0) return -1;
  rename(other, path);
  return write(fd, "kept", 4) == 4 ? 0 : -1;
}

static double now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static int compete(const char *directory, const char *name, int number) {
  char own[32];
  double end = now() + 0.25;
  if (chdir(directory) < 0) return 2;
  snprintf(own, sizeof own, "own%d", number);
  while (now() < end) {
    rmdir(name);
    if (number < 2 && mkdir(own, 0755) == 0 && rename(own, name) == 0) return 0;
    if (number >= 2 && mkdir(name, 0755) == 0) return 0;
    rmdir(own);
  }
  return 1;
}

static int race(const char *directory, const char *name) {
  int status, won = -1;
  for (int i = 0; i < 10; i++)
    if (fork() == 0) _exit(compete(directory, name, i));
  while (wait(&status) > 0)
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) won = 0;
  return won;
}

int main(int argc, char **argv) {
  const char *what = argc > 2 ? argv[1] : "", *a = argc > 2 ? argv[2] : "";
  const char *b = argc > 3 ? argv[3] : "";
  int rc = -1;
  if (strcmp(what, "exchange") == 0) rc = rename_with(a, b, EXCHANGE);
  if (strcmp(what, "noreplace") == 0) rc = rename_with(a, b, NOREPLACE);
  if (strcmp(what, "mknod") == 0) rc = mknod(a, S_IFSOCK | 0644, 0);
  if (strcmp(what, "tmpfile") == 0) rc = link_unnamed(a, b);
  if (strcmp(what, "openat2") == 0) rc = newest_open(a);
  if (strcmp(what, "parent") == 0) rc = by_parent(a, b);
  if (strcmp(what, "truncate") == 0) rc = truncate(a, 0);
  if (strcmp(what, "times") == 0) rc = set_times(a);
  if (strcmp(what, "keep") == 0) rc = keep(a, b);
  if (strcmp(what, "race") == 0) rc = race(a, b);
  if (rc < 0) perror(what);
  return rc < 0;
}
