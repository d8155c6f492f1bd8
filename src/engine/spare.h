/* A spare: a supervisor made ahead, with its namespaces set up, that waits for its one request.
 * What is made inside is there already, and the child, with its rules and its filter, which waits
 * in the supervisor's place; or, where the spare is for any policy, the shared part alone. What a
 * request brings (limits, descriptors, directory) is applied when it comes (security.md 25). */
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
/* What a request asks for, without the rules and the filter that its child has. */
struct sbx_layers sbx_spare_childless(const struct sbx_layers *layers);
/* The same without what only its own policy has. */
struct sbx_layers sbx_spare_shared(const struct sbx_layers *layers);
/* Whether two spares would be the same. */
bool sbx_spare_same(const struct sbx_layers *a, const struct sbx_layers *b);
void sbx_spare_close(struct sbx_spare *spare); /* without a request it ends; idempotent */
/* In the spare, before it waits: what a request would wait for otherwise. */
void sbx_spare_prepare(const struct sbx_launch *launch);
/* Waits for the request and unpacks it. Who waits is the supervisor, or the child that was made
 * ahead. 0, or -1 and errno: nobody wants it, or, where control is open, what has come can't be
 * used. */
int sbx_spare_take(struct sbx_launch *launch);

#endif
