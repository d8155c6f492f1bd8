/* The command's last steps before execve: a list of small actions; the first that fails is told. */
#ifndef SBX_CHILD_H
#define SBX_CHILD_H

#include "engine/groups.h"
#include "engine/launch.h"
#include "engine/watch.h"

struct sbx_child {
  struct sbx_launch *launch;
  bool ahead;       /* started before there is a request, which it waits for itself */
  int parent_stat;  /* of that one: the caller's /proc/self/stat */
  int cgroup_procs; /* open for writing, or -1 */
  const struct sbx_groups *groups;
  struct sbx_watch *protected;
  int listener;       /* filled: the filter's, or -1 */
  int64_t own_read;   /* filled: bytes that it read before it was the command */
  const char *step;   /* filled when it fails */
  const char *detail; /* the path that it failed on, or NULL */
  int code;           /* errno, 0: execve succeeded */
  bool layer;         /* whether the step applies a layer */
  bool taken;         /* made ahead: it has a request */
  bool watched;       /* calls may wait for the supervisor from here on */
  bool reached;       /* execve was called: without it a death is not the command's */
  pid_t parent;       /* in its own namespace's numbers */
};

/* Starts the command as a child that shares the caller's memory and descriptors until execve, so
 * that its failure is seen at once and no page is copied. Its standard descriptors are the caller's
 * until the caller closes them. Returns its pid, or -1 with step and code set. */
pid_t sbx_child_start(struct sbx_child *child);
/* Takes the page faults of its stack beforehand. */
void sbx_child_touch(void);

#endif
