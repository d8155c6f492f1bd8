/* The spares that a host has been offered, and when to order one. */
#ifndef SBX_WARM_H
#define SBX_WARM_H

#include "engine/spare.h"

#define SBX_WARM_SPARES 3
#define SBX_WARM_KINDS 4

/* Of recent commands, each kind once. */
struct sbx_kinds {
  struct sbx_layers list[SBX_WARM_KINDS];
  size_t count; /* so far; the last few are kept */
};

struct sbx_warm {
  struct sbx_spare spares[SBX_WARM_SPARES];
  struct sbx_kinds whole, childless, shared;
  struct sbx_layers expected; /* of the last command's shared part */
  sbx_plan *expected_plan;    /* NULL: none yet */
  unsigned pending;           /* orders without an offer so far */
  int64_t changed_ns;         /* when a change of the host's mounts was noticed last */
  int mounts;                 /* /proc/self/mountinfo, -1: not watched, so that no spare is used */
};

void sbx_warm_open(struct sbx_warm *warm);
void sbx_warm_close(struct sbx_warm *warm); /* ends them; idempotent */
/* Takes what the spawner has offered since, and lets go of what no longer counts. */
void sbx_warm_collect(struct sbx_warm *warm, int spawner);
/* A command comes sooner or later, most likely one that shares the last one's first plan: orders a
 * spare for it where none waits. Asked at the end of a command, when it takes the processor from
 * nobody, and once more before the next. */
void sbx_warm_expect(struct sbx_warm *warm, int spawner);
/* A spare for these layers, the most complete one, or NULL; waits for one that was ordered just
 * now. The caller closes it. */
struct sbx_spare *sbx_warm_find(struct sbx_warm *warm, int spawner,
                                const struct sbx_layers *layers);
/* Orders one for the next command like this, and expects others that share the first plan: from the
 * second on, so that a host that runs one command pays for one. */
void sbx_warm_order(struct sbx_warm *warm, int spawner, const struct sbx_layers *layers,
                    const sbx_sandbox *sandbox, const sbx_plan *inside);

#endif
