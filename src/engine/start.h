/* Starting a process of the engine's own: the helper program under another word. It is nobody's
 * child, in a session of its own, with /dev/null for input and output. */
#ifndef SBX_START_H
#define SBX_START_H

#include <sys/types.h>

/* socket and lease become its descriptors 3 and 4. Its pid, or -1 and errno. */
pid_t sbx_start_helper(const char *helper, char **argv, int socket, int lease);

#endif
