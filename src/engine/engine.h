/* An engine: one host's connection to its spawner. */
#ifndef SBX_ENGINE_H
#define SBX_ENGINE_H

#include "engine/launch.h"
#include "engine/placeholders.h"
#include "engine/wire.h"

/* Who has a request: a pidfd of the supervisor where it is known at once, else a report brings it;
 * where it was made ahead, the socket that took the request in. */
struct sbx_taker {
  int pidfd, socket; /* -1: none */
};

/* Hands a request over. fds: control, stdout, stderr, stdin or -1; all stay the caller's. 0, or -1
 * and err. */
int sbx_engine_send(sbx_engine *engine, const sbx_sandbox *sandbox,
                    const struct sbx_wire_head *head, char *blob, const int fds[4],
                    struct sbx_taker *taker, struct sbx_error *err);

/* Whether who was sent to is no freer than this host. Asked after the request is on its way, since
 * the answer takes time; until then the command is held back. When not, that spawner is let go. */
bool sbx_engine_confirm(sbx_engine *engine);

/* The spawner may be what hangs: the next command starts another. */
void sbx_engine_forsake(sbx_engine *engine);

/* Has a supervisor made for the next command like this one. */
void sbx_engine_prepare(sbx_engine *engine, const struct sbx_layers *layers,
                        const sbx_sandbox *sandbox, const sbx_plan *inside);

/* Makes the placeholders that the sandbox needs, for a job. 0, or -1 and err. */
int sbx_engine_hold(sbx_engine *engine, const sbx_sandbox *sandbox, struct sbx_hold *hold,
                    struct sbx_error *err);

/* What is made inside for one job, once the sandbox's names are resolved: base and more; NULL and
 * err. */
sbx_plan *sbx_engine_resolve(sbx_engine *engine, const sbx_sandbox *sandbox, const sbx_plan *base,
                             int64_t until_ns, struct sbx_error *err);

/* The spawner process (sbx-exec --spawner): serves the socket on descriptor 3 until its end. */
int sbx_spawner_main(void);

#endif
