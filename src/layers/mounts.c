#include "layers/mounts.h"

#include <stddef.h>
#include <sys/mount.h>

/* Private, never slave: under slave a mount made later on the host would appear in the tree,
 * writable (mount_namespaces(7), "SHARED SUBTREES"). */
int sbx_mounts_private(void) {
  return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

int sbx_mounts_proc(void) {
  return mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}
