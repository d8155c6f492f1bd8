/* The control groups of a job, as its plan lists them. */
#ifndef SBX_GROUPS_H
#define SBX_GROUPS_H

#include "engine/plan.h"
#include "layers/group.h"

#define SBX_GROUPS_MAX 4

struct sbx_groups {
  struct sbx_group list[SBX_GROUPS_MAX];
  size_t count;
  const sbx_plan *plan;
};

/* The directory that groups are made in. detached: through a mount of its own, which what is done
 * to the tree's later doesn't reach. */
int sbx_groups_parent(const char *path, bool detached);
/* Opens the directories in which they will be made. detached: before mounts are changed. 0, or -1,
 * errno and the path. */
int sbx_groups_open(struct sbx_groups *groups, const sbx_plan *plan, bool detached,
                    const char **path);
int sbx_groups_make(struct sbx_groups *groups, const sbx_plan *plan, const char **detail);
/* -1: no group tells it. */
int64_t sbx_groups_read(const struct sbx_groups *groups, enum sbx_reading reading);
void sbx_groups_remove(struct sbx_groups *groups); /* idempotent */

#endif
