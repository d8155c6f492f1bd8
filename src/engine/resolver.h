/* Names to addresses, once for each job, in a process of its own: getaddrinfo(3) reads what it
 * likes of the network, loads libraries, and takes as long as it takes. The host waits for its
 * answer no longer than for the rest of a start. */
#ifndef SBX_RESOLVER_H
#define SBX_RESOLVER_H

#include "engine/plan.h"

#define SBX_RESOLVER_NAMES 64

/* Asks who is at the other end of the socket for the names of a plan, until then: a plan with what
 * base has, the addresses, and the file that tells of them (SBX_MOUNT_NAMES); or NULL and err. */
sbx_plan *sbx_resolver_ask(int socket, const sbx_plan *names, const sbx_plan *base,
                           int64_t until_ns, struct sbx_error *err);
/* The process: one question, one answer. */
int sbx_resolver_main(int socket);

#endif
