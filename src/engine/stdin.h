/* What is on its way to a command's standard input: queued, written as the pipe takes it. */
#ifndef SBX_STDIN_H
#define SBX_STDIN_H

#include <stdbool.h>
#include <stddef.h>

struct sbx_stdin {
  int fd; /* the pipe's write end, non-blocking, or -1 */
  char *queue;
  size_t start, end, room;
  bool closing; /* close once the queue is empty */
  int code;     /* what a write failed with; 0: none did */
};

/* Queues and writes what goes at once. 0, or -1 and errno (EPIPE: nobody reads any more, or it is
 * closed). */
int sbx_stdin_write(struct sbx_stdin *in, const void *data, size_t size);
void sbx_stdin_close(struct sbx_stdin *in);       /* when all is written */
void sbx_stdin_flush(struct sbx_stdin *in);       /* as much as goes now; on an error it closes */
bool sbx_stdin_waits(const struct sbx_stdin *in); /* for the pipe to take more */
void sbx_stdin_free(struct sbx_stdin *in);

#endif
