/* What lies in a command's memory, copied: foreign bytes that may be others by the next look. */
#ifndef SBX_MEMORY_H
#define SBX_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* All of it: 0, or the errno that the call itself would give (EFAULT), or EACCES where this process
 * may not look (a program that can be executed only). */
int sbx_memory_bytes(pid_t pid, uint64_t at, void *bytes, size_t size);
/* Up to a NUL byte, which must come within size: else ENAMETOOLONG. */
int sbx_memory_text(pid_t pid, uint64_t at, char *text, size_t size);

#endif
