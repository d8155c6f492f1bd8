/* What a supervisor sets up for the bounds of its plan; steps like those of setup.c. */
#ifndef SBX_BOUNDS_H
#define SBX_BOUNDS_H

#include "engine/setup.h"

/* The plan's bounds, or NULL: none. */
const struct sbx_bounds *sbx_bounds_of(const sbx_plan *plan);
/* What about the plan's bounds would reach past these namespaces, in words; NULL: nothing. */
const char *sbx_bounds_check(const sbx_plan *plan, uint32_t namespaces);
/* Before the mounts: what they make read-only. 0, or -1, errno and setup->detail. */
int sbx_bounds_before(struct sbx_setup *setup);
/* Behind them: file systems of the job's own. */
int sbx_bounds_behind(struct sbx_setup *setup);
/* With a request: the control groups. */
int sbx_bounds_groups(struct sbx_setup *setup);

#endif
