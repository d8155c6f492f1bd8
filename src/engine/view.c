#include "engine/view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layers/descriptors.h"
#include "layers/landlock.h"
#include "layers/mounts.h"
#include "layers/paths.h"

struct entry {
  const struct sbx_mount_record *record;
  const char *path, *other;
  int clone; /* what will be attached; -1: nothing yet */
};

struct making {
  struct sbx_view *view;
  struct entry *list;
  size_t count;
  int hidden; /* the first hidden directory: the others are copies of its mount */
};

static bool is_same(int fd, uint64_t dev, uint64_t ino) {
  struct stat st;
  if (ino == 0) return true;
  if (fstat(fd, &st) < 0) return false;
  if (st.st_dev == dev && st.st_ino == ino) return true;
  errno = ESTALE;
  return false;
}

/* The very file that the plan was compiled with; ino 0: whatever is there. */
static int open_same(const char *path, uint64_t dev, uint64_t ino) {
  int fd = sbx_path_open(path);
  if (fd >= 0 && !is_same(fd, dev, ino)) sbx_fd_close(&fd);
  return fd;
}

/* ---- first: copies of what will be covered, while nothing is yet ---- */

/* What is only made read-only is still to be seen by then, and is copied in its turn. */
static bool is_copied_late(const struct sbx_mount_record *record) {
  return record->op == SBX_MOUNT_BIND && !(record->flags & (SBX_MOUNT_WRITABLE | SBX_MOUNT_ONTO));
}

static int copy(struct entry *entry, const char *path) {
  int at = sbx_path_open(path);
  if (at < 0) return -1;
  entry->clone = sbx_mount_clone(at);
  sbx_fd_close(&at);
  return entry->clone < 0 ? -1 : 0;
}

/* A mount that the host has read-only stays so: as root it could be made writable here. */
static int is_read_only(const struct sbx_view *view, int at) {
  if (!view->sealed) return sbx_mount_is_read_only(at);
  uint64_t id = sbx_mount_id(at);
  return id == 0 ? -1 : sbx_mounts_have(&view->read_only, id);
}

static int copy_bind(const struct sbx_view *view, struct entry *entry) {
  const struct sbx_mount_record *record = entry->record;
  int at = open_same(entry->path, record->dev, record->ino), rc = -1;
  if (at < 0) return -1;
  int read_only = record->flags & SBX_MOUNT_WRITABLE ? is_read_only(view, at) : 1;
  if (read_only >= 0) entry->clone = sbx_mount_clone(at);
  if (entry->clone >= 0) rc = sbx_mount_limit(entry->clone, !read_only);
  sbx_fd_close(&at);
  return rc;
}

static int collect(const struct sbx_view *view, struct entry *entry) {
  switch (entry->record->op) {
  case SBX_MOUNT_BIND: return is_copied_late(entry->record) ? 0 : copy_bind(view, entry);
  case SBX_MOUNT_DEVICE: return copy(entry, entry->path) < 0 ? -1 : sbx_mount_tame(entry->clone);
  case SBX_MOUNT_HIDE:
    if (!*entry->other) return 0;
    return copy(entry, entry->other) < 0 ? -1 : sbx_mount_bar(entry->clone);
  default: return 0;
  }
}

/* ---- then: one after the other ---- */

/* Onto what an earlier entry made, or onto the very file that the plan was compiled with. */
static int open_target(const struct entry *entry) {
  const struct sbx_mount_record *record = entry->record;
  return open_same(entry->path, record->dev, record->flags & SBX_MOUNT_ONTO ? 0 : record->ino);
}

static int attach(int clone, const struct entry *entry) {
  int target = open_target(entry);
  if (target < 0) return -1;
  int rc = sbx_mount_attach(clone, target);
  sbx_fd_close(&target);
  return rc;
}

static int make_read_only(struct entry *entry) {
  int at = open_target(entry), rc = -1;
  if (at < 0) return -1;
  entry->clone = sbx_mount_clone(at);
  if (entry->clone >= 0 && sbx_mount_limit(entry->clone, false) == 0)
    rc = sbx_mount_attach(entry->clone, at);
  sbx_fd_close(&at);
  return rc;
}

static int mount_over(const struct entry *entry, int (*mount_new)(int target, uint32_t mode)) {
  int target = open_target(entry);
  if (target < 0) return -1;
  int rc = mount_new(target, entry->record->mode);
  sbx_fd_close(&target);
  return rc;
}

/* One empty file system serves all hidden directories. */
static int hide_directory(struct making *making, struct entry *entry) {
  if (making->hidden >= 0) {
    entry->clone = sbx_mount_clone(making->hidden);
    return entry->clone < 0 ? -1 : attach(entry->clone, entry);
  }
  if (mount_over(entry, sbx_mount_tmpfs) < 0) return -1;
  if (sbx_mount_seal(entry->path, false) < 0) return -1;
  making->hidden = sbx_path_open(entry->path);
  return making->hidden < 0 ? -1 : 0;
}

/* Which mounts are read-only by the host's will can't be told any more once all are. */
static int seal(struct sbx_view *view, const struct entry *entry) {
  bool whole = entry->record->flags & SBX_MOUNT_RECURSIVE;
  if (whole && sbx_mounts_read_only(&view->read_only) < 0) return -1;
  if (sbx_mount_seal(entry->path, whole) < 0) return -1;
  view->sealed = view->sealed || whole;
  return 0;
}

/* The directory that holds a path, and the last name. */
static int open_parent(const char *path, const char **name) {
  char *parent = sbx_path_parent(path);
  if (!parent) return -1;
  int fd = sbx_path_open(parent);
  free(parent);
  *name = strrchr(path, '/') + 1;
  return fd;
}

static int make_file(int parent, const char *name) {
  int fd = openat(parent, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0444);
  if (fd < 0) return -1;
  close(fd);
  return 0;
}

static int make(const struct entry *entry) {
  const char *name;
  int parent = open_parent(entry->path, &name), rc = -1;
  if (parent < 0) return -1;
  switch (entry->record->op) {
  case SBX_MOUNT_DIRECTORY: rc = mkdirat(parent, name, entry->record->mode); break;
  case SBX_MOUNT_SYMLINK: rc = symlinkat(entry->other, parent, name); break;
  default: rc = make_file(parent, name);
  }
  sbx_fd_close(&parent);
  return rc;
}

static int devpts(int target, uint32_t mode) {
  (void)mode;
  return sbx_mount_devpts(target);
}

/* ---- names ---- */

static int copy_bytes(int from, int to) {
  char bytes[4096];
  ssize_t got;
  while ((got = read(from, bytes, sizeof bytes)) > 0)
    if (write(to, bytes, (size_t)got) != got) return -1;
  return got < 0 ? -1 : 0;
}

/* The lines, then what the file has: of two lines for a name the first is taken. */
static int write_names(const struct entry *entry, int from, int parent, const char *name) {
  int to = openat(parent, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0444);
  size_t size = strlen(entry->other);
  if (to < 0) return -1;
  int rc = write(to, entry->other, size) == (ssize_t)size ? copy_bytes(from, to) : -1;
  close(to);
  return rc;
}

/* In a file system that stands over the file's directory for a moment: a copy of the one file is
 * what is kept of it. */
static int make_names(struct entry *entry, int from, int parent, const char *name) {
  int file = -1, rc = write_names(entry, from, parent, name);
  if (rc == 0) file = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (file >= 0) entry->clone = sbx_mount_clone(file);
  sbx_fd_close(&file);
  return entry->clone < 0 ? -1 : sbx_mount_limit(entry->clone, false);
}

static int place_names(struct entry *entry) {
  const char *name = "";
  char reading[40];
  int target = open_target(entry), under = open_parent(entry->path, &name), from = -1, over = -1;
  snprintf(reading, sizeof reading, "/proc/self/fd/%d", target);
  if (target >= 0 && under >= 0) from = open(reading, O_RDONLY | O_CLOEXEC);
  int rc = from >= 0 ? sbx_mount_tmpfs(under, 0755) : -1;
  char *parent = rc == 0 ? sbx_path_parent(entry->path) : NULL;
  if (parent) over = sbx_path_open(parent);
  free(parent);
  if (over >= 0) {
    rc = make_names(entry, from, over, name);
    if (sbx_mount_detach(over) < 0) rc = -1;
  }
  if (rc == 0) rc = over >= 0 ? sbx_mount_attach(entry->clone, target) : -1;
  sbx_fd_close(&over);
  sbx_fd_close(&from);
  sbx_fd_close(&under);
  sbx_fd_close(&target);
  return rc;
}

/* ---- each ---- */

static int apply(struct making *making, struct entry *entry) {
  switch (entry->record->op) {
  case SBX_MOUNT_SEAL: return seal(making->view, entry);
  case SBX_MOUNT_BIND:
    return is_copied_late(entry->record) ? make_read_only(entry) : attach(entry->clone, entry);
  case SBX_MOUNT_HIDE:
    return entry->clone >= 0 ? attach(entry->clone, entry) : hide_directory(making, entry);
  case SBX_MOUNT_TMPFS: return mount_over(entry, sbx_mount_tmpfs);
  case SBX_MOUNT_DEVPTS: return mount_over(entry, devpts);
  case SBX_MOUNT_NAMES: return place_names(entry);
  case SBX_MOUNT_DEVICE: return make(entry) < 0 ? -1 : attach(entry->clone, entry);
  default: return make(entry);
  }
}

/* ---- the whole ---- */

static size_t count_mounts(const sbx_plan *plan) {
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *header;
  size_t count = 0;
  while ((header = sbx_plan_next(&cursor))) count += header->type == SBX_RECORD_MOUNT;
  return count;
}

static void read_entries(struct making *making, const sbx_plan *plan) {
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *header;
  while ((header = sbx_plan_next(&cursor))) {
    if (header->type != SBX_RECORD_MOUNT) continue;
    struct entry *entry = &making->list[making->count++];
    *entry = (struct entry){sbx_record_payload(header), sbx_mount_path(header),
                            sbx_mount_other(header), -1};
  }
}

static int run(struct making *making, struct sbx_view_failure *failure) {
  for (int pass = 0; pass < 2; pass++) {
    for (size_t i = 0; i < making->count; i++) {
      struct entry *entry = &making->list[i];
      int rc = pass == 0 ? collect(making->view, entry) : apply(making, entry);
      if (pass == 1) sbx_fd_close(&entry->clone);
      if (rc == 0) continue;
      uint32_t op = entry->record->op;
      failure->path = entry->path;
      failure->named = op == SBX_MOUNT_BIND || op == SBX_MOUNT_HIDE;
      return -1;
    }
  }
  return 0;
}

int sbx_view_make(struct sbx_view *view, const sbx_plan *plan, struct sbx_view_failure *failure) {
  struct making making = {.view = view, .hidden = -1};
  size_t count = count_mounts(plan);
  *failure = (struct sbx_view_failure){.path = ""};
  if (count == 0) return 0;
  making.list = calloc(count, sizeof *making.list);
  if (!making.list) return -1;
  read_entries(&making, plan);
  int rc = run(&making, failure);
  for (size_t i = 0; i < making.count; i++) sbx_fd_close(&making.list[i].clone);
  sbx_fd_close(&making.hidden);
  free(making.list);
  return rc;
}

/* ---- Landlock rules for what is there then ---- */

static int add_rule(int ruleset, const struct sbx_record_header *header) {
  const struct sbx_rule_record *rule = sbx_record_payload(header);
  int fd = open_same(sbx_record_string(header, sizeof *rule), rule->dev, rule->ino);
  if (fd < 0) return -1;
  int rc = sbx_landlock_allow(ruleset, fd, rule->access);
  sbx_fd_close(&fd);
  return rc;
}

static int fill_ruleset(int ruleset, const sbx_plan *plan, struct sbx_view_failure *failure) {
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *header;
  while ((header = sbx_plan_next(&cursor))) {
    if (header->type != SBX_RECORD_LANDLOCK_PATH || add_rule(ruleset, header) == 0) continue;
    failure->path = sbx_record_string(header, sizeof(struct sbx_rule_record));
    return -1;
  }
  return 0;
}

int sbx_view_ruleset(const sbx_plan *plan, struct sbx_view_failure *failure) {
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *header;
  *failure = (struct sbx_view_failure){.path = "", .named = true};
  while ((header = sbx_plan_next(&cursor)) && header->type != SBX_RECORD_LANDLOCK) continue;
  if (!header) return -1;
  const struct sbx_landlock_record *landlock = sbx_record_payload(header);
  int ruleset = sbx_fd_high(
      sbx_landlock_ruleset((int)landlock->abi, landlock->fs, landlock->net, landlock->scope));
  if (ruleset >= 0 && fill_ruleset(ruleset, plan, failure) < 0) sbx_fd_close(&ruleset);
  return ruleset;
}
