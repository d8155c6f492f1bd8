/* The command's last steps before execve: a list of small actions; the first that fails is told. */
#ifndef SBX_CHILD_H
#define SBX_CHILD_H

#include "engine/groups.h"
#include "engine/launch.h"

struct sbx_child {
  const struct sbx_launch *launch;
  int cgroup_procs; /* open for writing, or -1 */
  const struct sbx_groups *groups;
  int listener;     /* socket to the supervisor that takes the filter's listener, or -1 */
  const char *step; /* filled when it fails */
  int code;         /* errno, 0: execve succeeded */
  bool layer;       /* whether the step applies a layer */
  bool watched;     /* calls may wait for the supervisor from here on */
  bool reached;     /* execve was called: without it a death is not the command's */
};

/* Starts the command as a child that shares the caller's memory until execve, so that its failure
 * is seen at once and no page is copied. Returns its pid, or -1 with step and code set. */
pid_t sbx_child_start(struct sbx_child *child);
/* Takes the page faults of its stack beforehand. */
void sbx_child_touch(void);

#endif
