/* The address of a call that is made on behalf, as the caller's memory had it: foreign bytes. */
#ifndef SBX_ADDRESS_H
#define SBX_ADDRESS_H

#include <stddef.h>
#include <sys/un.h>

#define SBX_ADDRESS_MAX sizeof(struct sockaddr_un)
/* With room for the NUL byte that a path of full length comes without (unix(7)). */
#define SBX_ADDRESS_PATH (sizeof(((struct sockaddr_un *)0)->sun_path) + 1)

/* The path of a socket's address: 0, or the errno that the call fails with. size: at most
 * SBX_ADDRESS_MAX. */
int sbx_address_path(const void *bytes, size_t size, char path[SBX_ADDRESS_PATH]);

#endif
