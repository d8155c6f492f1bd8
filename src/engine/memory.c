#include "engine/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#define PAGE 4096u
/* Most paths are shorter; what isn't costs a second look. */
#define FIRST 256u

static ssize_t copy(pid_t pid, uint64_t at, void *bytes, size_t size) {
  struct iovec local = {bytes, size}, remote = {NULL, size};
  memcpy(&remote.iov_base, &at, sizeof remote.iov_base);
  return process_vm_readv(pid, &local, 1, &remote, 1, 0);
}

static int code_of(ssize_t got) {
  if (got >= 0) return EFAULT;
  return errno == EFAULT || errno == ESRCH ? errno : EACCES;
}

int sbx_memory_bytes(pid_t pid, uint64_t at, void *bytes, size_t size) {
  ssize_t got = copy(pid, at, bytes, size);
  return got == (ssize_t)size ? 0 : code_of(got);
}

/* Never over the end of a page: the next may not be there. */
static size_t piece(uint64_t at, size_t done, size_t room) {
  size_t size = PAGE - (size_t)(at % PAGE);
  if (done == 0 && size > FIRST) size = FIRST;
  return size < room ? size : room;
}

int sbx_memory_text(pid_t pid, uint64_t at, char *text, size_t size) {
  for (size_t done = 0; done < size;) {
    size_t want = piece(at + done, done, size - done);
    int code = sbx_memory_bytes(pid, at + done, text + done, want);
    if (code) return code;
    if (memchr(text + done, 0, want)) return 0;
    done += want;
  }
  return ENAMETOOLONG;
}
