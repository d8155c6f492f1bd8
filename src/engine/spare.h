/* A spare: a supervisor made ahead, with its namespaces set up, that waits for its one request.
 * What a request brings (paths, filters, limits, descriptors) is applied when it comes. */
#ifndef SBX_SPARE_H
#define SBX_SPARE_H

#include "engine/launch.h"

struct sbx_spare {
  pid_t pid; /* 0: none */
  int pidfd, socket;
  int64_t made_ns;
  struct sbx_layers layers; /* those that are fixed when it is made */
};

#define SBX_SPARE_NONE ((struct sbx_spare){.pid = 0, .pidfd = -1, .socket = -1})

/* 0, or -1 and errno. */
int sbx_spare_make(struct sbx_spare *spare, const struct sbx_layers *layers, int host, int null);
/* Whether two requests could use the same spare. */
bool sbx_spare_same(const struct sbx_layers *a, const struct sbx_layers *b);
bool sbx_spare_fits(const struct sbx_spare *spare, const struct sbx_layers *layers);
void sbx_spare_release(struct sbx_spare *spare); /* it has its request, or is gone */
void sbx_spare_drop(struct sbx_spare *spare);    /* ends it; idempotent */

#endif
