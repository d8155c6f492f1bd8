#include "engine/groups.h"

#include <errno.h>
#include <unistd.h>

#include "layers/descriptors.h"
#include "layers/mounts.h"

int sbx_groups_parent(const char *path, bool detached) {
  int at = sbx_group_open_parent(path);
  if (!detached || at < 0) return at;
  int clone = sbx_mount_clone(at);
  sbx_fd_close(&at);
  return clone;
}

int sbx_groups_open(struct sbx_groups *groups, const sbx_plan *plan, bool detached,
                    const char **path) {
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *record;
  groups->count = 0;
  while ((record = sbx_plan_next(&cursor))) {
    if (record->type != SBX_RECORD_GROUP) continue;
    *path = sbx_record_string(record, sizeof(uint64_t));
    errno = E2BIG;
    if (groups->count == SBX_GROUPS_MAX) return -1;
    struct sbx_group *group = &groups->list[groups->count];
    *group = SBX_GROUP_NONE;
    group->parent = sbx_groups_parent(*path, detached);
    if (group->parent < 0) return -1;
    groups->count++;
  }
  return 0;
}

/* One record; index: of the group that it is about. */
static int apply(struct sbx_groups *groups, const struct sbx_record_header *record, long index) {
  if (record->type != SBX_RECORD_GROUP && record->type != SBX_RECORD_GROUP_SET) return 0;
  errno = EPROTO;
  if (index < 0 || (size_t)index >= groups->count) return -1;
  struct sbx_group *group = &groups->list[index];
  if (record->type == SBX_RECORD_GROUP) return sbx_group_make(group, group->parent);
  return sbx_group_set(group, sbx_record_string(record, sizeof(uint64_t)));
}

int sbx_groups_make(struct sbx_groups *groups, const sbx_plan *plan, const char **detail) {
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *record;
  long index = -1;
  groups->plan = plan;
  while ((record = sbx_plan_next(&cursor))) {
    if (record->type == SBX_RECORD_GROUP) index++;
    if (apply(groups, record, index) == 0) continue;
    int saved = errno;
    *detail = sbx_record_string(record, sizeof(uint64_t));
    sbx_groups_remove(groups);
    errno = saved;
    return -1;
  }
  return 0;
}

int64_t sbx_groups_read(const struct sbx_groups *groups, enum sbx_reading reading) {
  if (groups->count == 0) return -1;
  struct sbx_cursor cursor = sbx_plan_cursor(groups->plan);
  const struct sbx_record_header *record;
  const struct sbx_group *group = groups->list - 1;
  while ((record = sbx_plan_next(&cursor))) {
    if (record->type == SBX_RECORD_GROUP) group++;
    if (record->type != SBX_RECORD_GROUP_READ || group < groups->list) continue;
    const struct sbx_reading_record *what = sbx_record_payload(record);
    if (what->reading != (uint32_t)reading) continue;
    int64_t value = sbx_group_read(group, sbx_record_string(record, sizeof *what));
    return value < 0 ? -1 : value / what->divided;
  }
  return -1;
}

void sbx_groups_remove(struct sbx_groups *groups) {
  for (size_t i = 0; i < groups->count; i++) sbx_group_remove(&groups->list[i]);
  groups->count = 0;
}
