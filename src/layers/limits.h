/* Resource limits (setrlimit(2)). */
#ifndef SBX_LIMITS_H
#define SBX_LIMITS_H

#include <stdint.h>

/* Sets the soft and the hard limit; a hard limit that is lower already stays. */
int sbx_limit_set(int resource, uint64_t limit);

#endif
