/* A cgroup (v2) of the job's own: cgroup.kill ends everything in it (cgroups(7), 5.14). */
#ifndef SBX_CGROUP_H
#define SBX_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct sbx_cgroup {
  int parent, directory, procs, kill; /* descriptors, -1: none */
  char name[32];
};

#define SBX_CGROUP_PREFIX "sbx."
#define SBX_CGROUP_NONE ((struct sbx_cgroup){-1, -1, -1, -1, ""})

/* Makes sbx.<pid> in an open directory, which is this cgroup's from then on; locked, so that nobody
 * sweeps it away. 0, or -1 and errno, with nothing left behind. */
int sbx_cgroup_make(struct sbx_cgroup *cgroup, int parent, pid_t pid);
void sbx_cgroup_kill(const struct sbx_cgroup *cgroup);
void sbx_cgroup_remove(struct sbx_cgroup *cgroup); /* once it is empty; idempotent */
/* The directory in which this process may make cgroups that can be killed, tried by making one.
 * What others have left there is taken away. */
bool sbx_cgroup_find(char *path, size_t size);

#endif
