/* The spares that a host has been offered, and when to order one. */
#ifndef SBX_WARM_H
#define SBX_WARM_H

#include "engine/spare.h"

#define SBX_WARM_SPARES 2
#define SBX_WARM_KINDS 4

struct sbx_warm {
  struct sbx_spare spares[SBX_WARM_SPARES];
  struct sbx_layers seen[SBX_WARM_KINDS]; /* of recent commands, each kind once */
  size_t nseen;
  int64_t changed_ns; /* when a change of the host's mounts was noticed last */
  int mounts;         /* /proc/self/mountinfo, -1: not watched, so that no spare is used */
};

void sbx_warm_open(struct sbx_warm *warm);
void sbx_warm_close(struct sbx_warm *warm); /* ends them; idempotent */
/* Takes what the spawner has offered since, and lets go of what no longer counts. */
void sbx_warm_collect(struct sbx_warm *warm, int spawner);
/* A spare for these layers, or NULL. The caller closes it. */
struct sbx_spare *sbx_warm_find(struct sbx_warm *warm, const struct sbx_layers *layers);
/* Orders one for the next command like this: from the second on, so that a host that runs one
 * command pays for one. */
void sbx_warm_order(struct sbx_warm *warm, int spawner, const struct sbx_layers *layers,
                    const sbx_plan *inside);

#endif
