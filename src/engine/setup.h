/* What a supervisor sets up before the command's own steps: lists of small actions, like the
 * child's; the first that fails is told. */
#ifndef SBX_SETUP_H
#define SBX_SETUP_H

#include "engine/groups.h"
#include "engine/launch.h"
#include "engine/meter.h"
#include "engine/view.h"
#include "engine/watch.h"
#include "layers/cgroup.h"

struct sbx_setup {
  struct sbx_launch *launch;
  uid_t uid; /* of the host, for the id maps */
  gid_t gid;
  struct sbx_cgroup cgroup;
  int cgroup_parent;
  struct sbx_view view;
  struct sbx_groups groups;
  struct sbx_meter meter;
  struct sbx_watch watch;    /* of protected paths */
  const char *step, *detail; /* which step failed, and on what path */
};

/* What many policies share: a spare is past it before it has a request. 0, or -1 and errno. */
int sbx_setup_early(struct sbx_setup *setup);
/* What is the policy's own. */
int sbx_setup_inside(struct sbx_setup *setup);
/* What is the job's own: before its request comes where the child is made ahead. */
int sbx_setup_late(struct sbx_setup *setup);

#endif
