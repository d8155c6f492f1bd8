/* Capabilities: everything is dropped but what is kept (capabilities(7)). */
#ifndef SBX_CAPABILITIES_H
#define SBX_CAPABILITIES_H

#include <stdint.h>

/* Reduces the calling thread, for good, to the capabilities in keep: bounding, ambient,
 * inheritable, permitted and effective sets. What is kept survives execve. */
int sbx_capabilities_limit(uint64_t keep);
/* The same for the permitted and effective sets alone: what a supervisor keeps for itself. */
int sbx_capabilities_hold(uint64_t keep);

#endif
