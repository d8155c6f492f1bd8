#include "engine/bounds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "layers/descriptors.h"
#include "layers/mounts.h"

const struct sbx_bounds *sbx_bounds_of(const sbx_plan *plan) {
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *record;
  while ((record = sbx_plan_next(&cursor)))
    if (record->type == SBX_RECORD_BOUNDS) return sbx_record_payload(record);
  return NULL;
}

const char *sbx_bounds_check(const sbx_plan *plan, uint32_t namespaces) {
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *record;
  bool seen = false;
  while ((record = sbx_plan_next(&cursor))) {
    if (record->type != SBX_RECORD_BOUNDS) continue;
    const struct sbx_bounds *bounds = sbx_record_payload(record);
    if (seen) return "two sets of bounds in one plan";
    seen = true;
    if ((bounds->pid_max || bounds->last_pid) && !(namespaces & SBX_NS_PID))
      return "pid_max without a PID namespace";
    if (bounds->tmpfs_bytes && !(namespaces & SBX_NS_MOUNT))
      return "tmpfs_bytes without a mount namespace";
  }
  return NULL;
}

/* Before Linux 6.14 (its merge 1a89a6924b58, "pid_max namespacing update") the
 * same file is the whole machine's, and what may be written there looks no different. */
static bool has_own_pid_max(void) {
  struct utsname system;
  unsigned major, minor;
  if (uname(&system) < 0 || sscanf(system.release, "%u.%u", &major, &minor) != 2) return false;
  return major > 6 || (major == 6 && minor >= 14);
}

/* Of the calling process's PID namespace; 0 leaves it as it is. */
static int write_number(const char *path, uint64_t value) {
  char text[24];
  if (value == 0) return 0;
  int size = snprintf(text, sizeof text, "%llu", (unsigned long long)value);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t written = write(fd, text, (size_t)size);
  sbx_fd_close(&fd);
  return written == size ? 0 : -1;
}

static int write_pid_max(uint64_t value) {
  errno = ENOTSUP;
  if (value && !has_own_pid_max()) return -1;
  return write_number("/proc/sys/kernel/pid_max", value);
}

int sbx_bounds_before(struct sbx_setup *setup) {
  const struct sbx_launch *launch = setup->launch;
  const struct sbx_bounds *bounds = sbx_bounds_of(launch->inside);
  bool detached = launch->head.layers.namespaces & SBX_NS_MOUNT;
  if (sbx_groups_open(&setup->groups, launch->inside, detached, &setup->detail) < 0) return -1;
  if (!bounds) return 0;
  setup->detail = "/proc/sys/kernel";
  if (write_pid_max(bounds->pid_max) < 0) return -1;
  return write_number("/proc/sys/kernel/ns_last_pid", bounds->last_pid);
}

static int limit_all(const sbx_plan *plan, uint64_t size, const char **path) {
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *record;
  while ((record = sbx_plan_next(&cursor))) {
    const struct sbx_mount_record *mount = sbx_record_payload(record);
    if (record->type != SBX_RECORD_MOUNT || mount->op != SBX_MOUNT_TMPFS) continue;
    *path = sbx_mount_path(record);
    if (sbx_mount_resize(*path, size) < 0) return -1;
  }
  return 0;
}

int sbx_bounds_behind(struct sbx_setup *setup) {
  const struct sbx_launch *launch = setup->launch;
  const struct sbx_bounds *bounds = sbx_bounds_of(launch->inside);
  if (!bounds || !bounds->tmpfs_bytes) return 0;
  return limit_all(launch->inside, bounds->tmpfs_bytes, &setup->detail);
}

int sbx_bounds_groups(struct sbx_setup *setup) {
  if (setup->groups.count == 0) return 0;
  return sbx_groups_make(&setup->groups, setup->launch->inside, &setup->detail);
}
