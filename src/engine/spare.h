/* A spare: a supervisor made ahead, with its namespaces set up, that waits for its one request.
 * What a request brings (filters, limits, descriptors) is applied when it comes; what is made
 * inside is there already, or, where the spare is for any policy, its shared part alone. */
#ifndef SBX_SPARE_H
#define SBX_SPARE_H

#include "engine/launch.h"

struct sbx_spare {
  int socket, pidfd; /* where its request goes; -1: none */
  int64_t made_ns;
  struct sbx_layers layers; /* those that are fixed when it is made */
};

#define SBX_SPARE_NONE ((struct sbx_spare){.socket = -1, .pidfd = -1})

/* How long it waits; a host that comes later makes a new one. */
#define SBX_SPARE_MS 30000

/* Forks one: its pid, or -1 and errno. The launch has layers, plans (inside: NULL for any policy)
 * and the descriptors of all. */
pid_t sbx_spare_make(struct sbx_spare *spare, struct sbx_launch *launch);
/* What a request asks for, without what only its own policy has. */
struct sbx_layers sbx_spare_shared(const struct sbx_layers *layers);
/* Whether two spares would be the same. */
bool sbx_spare_same(const struct sbx_layers *a, const struct sbx_layers *b);
void sbx_spare_close(struct sbx_spare *spare); /* without a request it ends; idempotent */
/* In the spare: waits for its request and unpacks it. It ends when nobody wants it. */
void sbx_spare_await(struct sbx_launch *launch);

#endif
