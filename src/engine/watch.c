#include "engine/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layers/descriptors.h"
#include "layers/paths.h"

/* ATTRIB: a file that loses a name is replaced. */
#define EVENTS                                                                                     \
  (IN_MOVE_SELF | IN_DELETE_SELF | IN_ATTRIB | IN_UNMOUNT | IN_DONT_FOLLOW | IN_MASK_ADD)
/* A directory's own end comes as DELETE_SELF only once nothing holds it, and a mount does; what it
 * lies in tells at once. */
#define EVENTS_ABOVE (IN_DELETE | IN_DONT_FOLLOW | IN_MASK_ADD | IN_ONLYDIR)

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

/* What is hidden can't be watched itself any more: what becomes of its name can. */
#define EVENTS_AROUND (EVENTS_ABOVE | IN_MOVED_FROM | IN_MOVED_TO)

/* Who may not read a directory can't watch it, and the mount is held all the same. */
static int watch_above(int fd, const char *above, uint32_t events) {
  int rc = above ? inotify_add_watch(fd, above, events) : -1;
  return rc < 0 && errno != EACCES ? -1 : 0;
}

/* Names that lie in one directory come one after the other: it is watched once. */
static int add_above(struct sbx_watch *watch, const char *path, uint32_t events) {
  char *above = sbx_path_parent(path);
  bool again = above && watch->above && strcmp(above, watch->above) == 0;
  int rc = again && events == watch->above_events ? 0 : watch_above(watch->fd, above, events);
  free(watch->above);
  watch->above = above;
  watch->above_events = events;
  return rc;
}

/* The very file that the plan was made with: another may have been put there since. */
static bool is_same(const struct sbx_mount_record *record, const struct stat *st) {
  if (record->ino == 0 || (st->st_dev == record->dev && st->st_ino == record->ino)) return true;
  errno = ESTALE;
  return false;
}

static int add_hidden(struct sbx_watch *watch, const char *path) {
  struct stat st;
  if (add_above(watch, path, EVENTS_AROUND) < 0) return -1;
  if (fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) < 0) return -1;
  watch->list[watch->count++] = (struct sbx_watched){path, st.st_dev, st.st_ino, -1};
  return 0;
}

static int add(struct sbx_watch *watch, const struct sbx_record_header *header) {
  const struct sbx_mount_record *record = sbx_record_payload(header);
  struct stat st;
  const char *path = watch->lost = sbx_mount_path(header);
  if (record->op != SBX_MOUNT_BIND) return add_hidden(watch, path);
  int number = inotify_add_watch(watch->fd, path, EVENTS);
  if (number < 0 || add_above(watch, path, EVENTS_ABOVE) < 0) return -1;
  if (fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) < 0) return -1;
  if (!is_same(record, &st)) return -1;
  watch->list[watch->count++] = (struct sbx_watched){path, st.st_dev, st.st_ino, number};
  return 0;
}

static int add_all(struct sbx_watch *watch, const sbx_plan *plan) {
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *header;
  while ((header = sbx_plan_next(&cursor)))
    if (is_watched(header) && add(watch, header) < 0) return -1;
  return 0;
}

int sbx_watch_open(struct sbx_watch *watch, const sbx_plan *plan) {
  size_t count = count_in(plan);
  *watch = (struct sbx_watch){.fd = -1};
  if (count == 0) return 0;
  watch->list = malloc(count * sizeof *watch->list);
  watch->fd = sbx_fd_high(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!watch->list || watch->fd < 0) return -1;
  int rc = add_all(watch, plan);
  free(watch->above);
  watch->above = NULL;
  return rc;
}

static bool is_there(const struct sbx_watched *one) {
  struct stat st;
  if (fstatat(AT_FDCWD, one->path, &st, AT_SYMLINK_NOFOLLOW) < 0) return false;
  return st.st_dev == one->dev && st.st_ino == one->ino;
}

/* It was moved or removed: also when another stands there by now that got its number. */
static const char *lost_by(const struct sbx_watch *watch, const struct inotify_event *event) {
  if (!(event->mask & (IN_MOVE_SELF | IN_DELETE_SELF | IN_UNMOUNT | IN_IGNORED))) return NULL;
  for (size_t i = 0; i < watch->count; i++)
    if (watch->list[i].number == event->wd) return watch->list[i].path;
  return NULL;
}

static const char *read_events(struct sbx_watch *watch) {
  char events[4096] __attribute__((aligned(8)));
  const char *lost = NULL;
  ssize_t size;
  while ((size = read(watch->fd, events, sizeof events)) > 0) {
    watch->taken += size;
    for (char *at = events; !lost && at < events + size;) {
      const struct inotify_event *event = (const struct inotify_event *)at;
      lost = lost_by(watch, event);
      at += sizeof *event + event->len;
    }
  }
  return lost;
}

const char *sbx_watch_lost(struct sbx_watch *watch) {
  const char *lost = read_events(watch);
  for (size_t i = 0; !lost && i < watch->count; i++)
    if (!is_there(&watch->list[i])) lost = watch->list[i].path;
  return lost;
}
