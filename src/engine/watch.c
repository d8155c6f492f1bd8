#include "engine/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layers/descriptors.h"

/* ATTRIB: a file that loses a name is replaced; a directory's own end comes as DELETE_SELF only
 * once nothing holds it. */
#define EVENTS (IN_MOVE_SELF | IN_DELETE_SELF | IN_ATTRIB | IN_UNMOUNT | IN_DONT_FOLLOW)

static bool is_watched(const struct sbx_record_header *header) {
  const struct sbx_mount_record *record = sbx_record_payload(header);
  return header->type == SBX_RECORD_MOUNT && record->flags & SBX_MOUNT_WATCHED;
}

static size_t count_in(const sbx_plan *plan) {
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *header;
  size_t count = 0;
  while ((header = sbx_plan_next(&cursor))) count += is_watched(header);
  return count;
}

static int add(struct sbx_watch *watch, const char *path) {
  struct stat st;
  watch->lost = path;
  if (inotify_add_watch(watch->fd, path, EVENTS) < 0) return -1;
  if (fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) < 0) return -1;
  watch->list[watch->count++] = (struct sbx_watched){path, st.st_dev, st.st_ino};
  return 0;
}

static int add_all(struct sbx_watch *watch, const sbx_plan *plan) {
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *header;
  while ((header = sbx_plan_next(&cursor)))
    if (is_watched(header) && add(watch, sbx_mount_path(header)) < 0) return -1;
  return 0;
}

int sbx_watch_open(struct sbx_watch *watch, const sbx_plan *plan) {
  size_t count = count_in(plan);
  *watch = (struct sbx_watch){.fd = -1};
  if (count == 0) return 0;
  watch->list = malloc(count * sizeof *watch->list);
  watch->fd = sbx_fd_high(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!watch->list || watch->fd < 0) return -1;
  return add_all(watch, plan);
}

static bool is_there(const struct sbx_watched *one) {
  struct stat st;
  if (fstatat(AT_FDCWD, one->path, &st, AT_SYMLINK_NOFOLLOW) < 0) return false;
  return st.st_dev == one->dev && st.st_ino == one->ino;
}

const char *sbx_watch_lost(struct sbx_watch *watch) {
  char events[4096] __attribute__((aligned(8)));
  while (read(watch->fd, events, sizeof events) > 0) continue;
  for (size_t i = 0; i < watch->count; i++)
    if (!is_there(&watch->list[i])) return watch->list[i].path;
  return NULL;
}
