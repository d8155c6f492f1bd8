/* Where this process may make cgroups that can be killed: where it may make groups of version 2. */
#include <unistd.h>

#include "layers/cgroup.h"
#include "layers/group.h"

bool sbx_cgroup_find(char *path, size_t size) {
  struct sbx_cgroup cgroup;
  if (sbx_group_find("", path, size) != 2) return false;
  int parent = sbx_group_open_parent(path);
  if (parent >= 0) sbx_group_sweep(parent, SBX_CGROUP_PREFIX);
  if (sbx_cgroup_make(&cgroup, parent, getpid()) < 0) return false;
  sbx_cgroup_remove(&cgroup);
  return true;
}
