#include "layers/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "layers/descriptors.h"

int sbx_path_open(const char *path) {
  struct open_how how = {.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW, .resolve = RESOLVE_NO_SYMLINKS};
  return sbx_fd_high((int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how));
}

char *sbx_path_parent(const char *path) {
  const char *slash = strrchr(path, '/');
  errno = EINVAL;
  return slash ? strndup(path, slash > path ? (size_t)(slash - path) : 1) : NULL;
}
