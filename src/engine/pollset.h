/* Many descriptors waited for at once: an epoll set (epoll(7)), itself a descriptor to poll for
 * reading. */
#ifndef SBX_POLLSET_H
#define SBX_POLLSET_H

#include <stddef.h>
#include <stdint.h>

#include "sbx.h"

/* A descriptor, or -1 and errno; the caller closes it. */
int sbx_pollset_new(void);
/* Readable is told by this key, as long as the descriptor is open. 0, or -1 and errno. */
int sbx_pollset_add(int set, int fd, uint64_t key);
/* The keys of what is readable, at most `room` of them; waits so many milliseconds (-1: without
 * end). Their number; -1 and errno (EINTR: a signal came). */
int sbx_pollset_wait(int set, int ms, uint64_t *keys, int room);

#endif
