/* Capabilities: everything is dropped but what is kept (capabilities(7)). */
#ifndef SBX_CAPABILITIES_H
#define SBX_CAPABILITIES_H

#include <stdint.h>

/* Drops all but keep from the bounding set, which children inherit. It takes forty calls: a
 * supervisor that is made ahead has it behind it. A process without CAP_SETPCAP may not, and need
 * not: with no_new_privs nothing that it executes gains from that set. */
int sbx_capabilities_bound(uint64_t keep);
/* Reduces the calling thread, for good, to the capabilities in keep: ambient, inheritable,
 * permitted and effective sets. What is kept survives execve. */
int sbx_capabilities_limit(uint64_t keep);
/* The same for the permitted and effective sets alone: what a supervisor keeps for itself. */
int sbx_capabilities_hold(uint64_t keep);

#endif
