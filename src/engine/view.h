/* The file system as the command will see it: the mounts of a plan, made in its order. */
#ifndef SBX_VIEW_H
#define SBX_VIEW_H

#include "engine/plan.h"
#include "layers/mounts.h"

struct sbx_view_failure {
  const char *path; /* of the entry; lives as long as the plan */
  bool named;       /* an entry for one of the policy's paths; else one that every plan has */
};

/* What one list of mounts has to know of those before it. */
struct sbx_view {
  bool sealed;                           /* the whole tree is read-only by now ... */
  struct sbx_read_only_mounts read_only; /* ... and these were before */
};

/* 0, or -1, errno and the entry. ESTALE: not the file that the plan was compiled with. */
int sbx_view_make(struct sbx_view *view, const sbx_plan *plan, struct sbx_view_failure *failure);

/* A Landlock ruleset with the plan's rules, paths as they are now: a descriptor, or -1 and errno.
 */
int sbx_view_ruleset(const sbx_plan *plan, struct sbx_view_failure *failure);

#endif
