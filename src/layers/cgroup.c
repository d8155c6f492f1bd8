#include "layers/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layers/descriptors.h"

static int open_in(const struct sbx_cgroup *cgroup, const char *file) {
  return sbx_fd_high(openat(cgroup->directory, file, O_WRONLY | O_CLOEXEC));
}

static int open_files(struct sbx_cgroup *cgroup) {
  cgroup->directory =
      sbx_fd_high(openat(cgroup->parent, cgroup->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (cgroup->directory < 0 || flock(cgroup->directory, LOCK_SH | LOCK_NB) < 0) return -1;
  cgroup->procs = open_in(cgroup, "cgroup.procs");
  cgroup->kill = open_in(cgroup, "cgroup.kill");
  return cgroup->procs < 0 || cgroup->kill < 0 ? -1 : 0;
}

static int make_locked(struct sbx_cgroup *cgroup) {
  if (mkdirat(cgroup->parent, cgroup->name, 0755) < 0 && errno != EEXIST) return -1;
  return open_files(cgroup);
}

/* Another's sweep may take it in the moment before the lock. */
static bool is_taken(int code) {
  return code == ENOENT || code == ENODEV || code == EWOULDBLOCK;
}

int sbx_cgroup_make(struct sbx_cgroup *cgroup, int parent, pid_t pid) {
  *cgroup = SBX_CGROUP_NONE;
  snprintf(cgroup->name, sizeof cgroup->name, SBX_CGROUP_PREFIX "%d", (int)pid);
  cgroup->parent = parent;
  if (parent < 0) return -1;
  for (int tries = 0; make_locked(cgroup) < 0; tries++) {
    if (tries < 2 && is_taken(errno)) {
      sbx_fd_close(&cgroup->directory);
      sbx_fd_close(&cgroup->procs);
      continue;
    }
    int saved = errno;
    sbx_cgroup_remove(cgroup);
    errno = saved;
    return -1;
  }
  return 0;
}

void sbx_cgroup_kill(const struct sbx_cgroup *cgroup) {
  if (cgroup->kill >= 0 && write(cgroup->kill, "1", 1) < 0) return; /* the walk goes on anyway */
}

void sbx_cgroup_remove(struct sbx_cgroup *cgroup) {
  sbx_fd_close(&cgroup->procs);
  sbx_fd_close(&cgroup->kill);
  sbx_fd_close(&cgroup->directory);
  /* The last process may still be on its way out of it: EBUSY for a moment. */
  for (int i = 0; i < 50 && cgroup->parent >= 0; i++) {
    if (unlinkat(cgroup->parent, cgroup->name, AT_REMOVEDIR) == 0 || errno != EBUSY) break;
    usleep(1000);
  }
  sbx_fd_close(&cgroup->parent);
}
