/* Descriptors: everything close-on-exec and above 2; what a process may hold. */
#ifndef SBX_DESCRIPTORS_H
#define SBX_DESCRIPTORS_H

#include <stddef.h>

/* The same open file above 2, close-on-exec; fd is closed. -1 stays -1 (and errno). A host may
 * have closed its standard descriptors: what we open must not become its stdout. */
int sbx_fd_high(int fd);
/* Both ends above 2 and close-on-exec, or none: -1 and errno. */
int sbx_fd_pipe(int ends[2]);
int sbx_fd_messages(int ends[2]); /* connected sockets that keep messages apart */
void sbx_fd_close(int *fd);       /* idempotent: closes, sets -1, keeps errno */
int sbx_fd_nonblocking(int fd);
/* The same for reading alone, where a file or a terminal was opened for more: opened anew, at the
 * same place. -1 and errno. */
int sbx_fd_reader(int fd);
/* Makes fd the process's target (0, 1, 2), surviving execve. */
int sbx_fd_place(int fd, int target);
int sbx_fd_close_from(int first);
/* Closes all but those in keep (-1 entries are skipped). */
int sbx_fd_keep_only(const int *keep, size_t count);

#endif
