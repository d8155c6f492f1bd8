/* What a host left open without close-on-exec, and what outlives the run. The control of these is a
 * plain shell: the engine closes and ends things without a sandbox too. */
#include "catalogue.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { MOST = 4096 }; /* a host that holds many sandboxes has hundreds of descriptors */

/* The first descriptor above 2 that leads to the current attempt's `name`, or -1. */
static int inherited(const char *name) {
  char link[4096] = "";
  for (int fd = 3; fd < MOST; fd++) {
    ssize_t length = readlink(text("/proc/self/fd/%d", fd), link, sizeof link - 1);
    if (length <= 0) continue;
    link[length] = 0;
    if (strcmp(link, outside(name)) == 0) return fd;
  }
  errno = EBADF;
  return -1;
}

static long write_inherited(void) {
  return put(inherited("file"));
}
static long truncate_inherited(void) {
  return ftruncate(inherited("file"), 1);
}
static long chmod_inherited(void) {
  return fchmod(inherited("file"), 0600);
}

static long map_inherited(void) {
  char *bytes = mmap(NULL, 4, PROT_READ | PROT_WRITE, MAP_SHARED, inherited("file"), 0);
  if (bytes == MAP_FAILED) return -1;
  memcpy(bytes, "mmap", 4);
  return msync(bytes, 4, MS_SYNC);
}

static long from_directory(void) {
  int fd = inherited("empty");
  return fd < 0 ? -1 : put(openat(fd, "../file", O_WRONLY));
}

/* Its last argument tells the spec which process it is. */
static long daemon_left(void) {
  pid_t pid = fork();
  if (pid != 0) return pid;
  setsid();
  if (fork() > 0) _exit(0);
  for (int sig = 1; sig < 32; sig++) signal(sig, SIG_IGN);
  for (int fd = 0; fd < MOST; fd++) close(fd);
  execlp("sleep", "sleep", fact("marker"), (char *)NULL);
  _exit(1);
}

const struct attempt inherited_attempts[] = {
    {"inherited_write", "write to what the host holds", write_inherited, NULL, NULL},
    {"inherited_truncate", "ftruncate what the host holds", truncate_inherited, NULL, NULL},
    {"inherited_mode", "fchmod what the host holds", chmod_inherited, NULL, NULL},
    {"inherited_map", "map what the host holds", map_inherited, NULL, NULL},
    {"inherited_directory", "openat from its directory", from_directory, NULL, NULL},
    {"left_daemon", "a daemon that outlives the run", daemon_left, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
