#include "engine/placeholders.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/error.h"
#include "engine/journal.h"
#include "engine/plan.h"
#include "layers/descriptors.h"
#include "layers/mounts.h"
#include "layers/paths.h"

/* Where one command follows the other so soon, and did a few times before, another is likely to
 * come: what it needs is left standing for it, for a moment. */
#define SOON_MS 100
#define STREAK 3
/* The keeper is told again no sooner: it looks more than once. */
#define TELL_MS 50
#define NAMES_MAX 64

/* What stands at a name: a placeholder, or else an empty directory of somebody's. It is kept open,
 * so that its number is no other's, and locked while it is used, so that nobody clears it; the
 * serial tells it from one that stood there before. */
struct made {
  uint64_t dev, ino;
  uint32_t serial;
  int pin;
  bool ours;
  char *name;
};

struct sbx_top {
  char *directory;
  uint64_t dev, ino; /* it is this one, whatever stands at its path by now */
  char entry[40];    /* its file in the journal */
  int file;          /* -1: nothing is made there now */
  unsigned users;
  int64_t left_ns; /* when the last job let go of it */
  unsigned streak; /* how many jobs came soon after another */
  struct made made[NAMES_MAX];
  size_t count;
};

/* ---- directories ---- */

static struct sbx_top *find_top(const struct sbx_placeholders *all, const char *directory,
                                const struct stat *st) {
  for (size_t i = 0; i < all->count; i++) {
    struct sbx_top *top = all->tops[i];
    if (top->dev == st->st_dev && top->ino == st->st_ino && strcmp(top->directory, directory) == 0)
      return top;
  }
  return NULL;
}

static struct sbx_top *add_top(struct sbx_placeholders *all, const char *directory,
                               const struct stat *st) {
  struct sbx_top **tops = realloc(all->tops, (all->count + 1) * sizeof(struct sbx_top *));
  struct sbx_top *top = calloc(1, sizeof *top);
  char *copy = strdup(directory);
  if (tops) all->tops = tops;
  if (!tops || !top || !copy) {
    free(top);
    free(copy);
    return NULL;
  }
  top->directory = copy;
  top->dev = st->st_dev;
  top->ino = st->st_ino;
  top->file = -1;
  return all->tops[all->count++] = top;
}

/* A fork of the host has copies of the descriptors: closing alone would not unlock. */
static void let_names_go(struct sbx_top *top) {
  for (size_t i = 0; i < top->count; i++) flock(top->made[i].pin, LOCK_UN);
}

static void forget_names(struct sbx_top *top) {
  for (size_t i = 0; i < top->count; i++) {
    free(top->made[i].name);
    sbx_fd_close(&top->made[i].pin);
  }
  top->count = 0;
}

static void close_top(struct sbx_top *top) {
  sbx_fd_close(&top->file);
  forget_names(top);
}

static void drop_top(struct sbx_placeholders *all, struct sbx_top *top) {
  for (size_t i = 0; i < all->count; i++) {
    if (all->tops[i] != top) continue;
    all->tops[i] = all->tops[--all->count];
    break;
  }
  close_top(top);
  free(top->directory);
  free(top);
}

/* What is still somewhere, since its directory was moved. */
static void clear_moved(const struct sbx_top *top) {
  struct stat st;
  for (size_t i = 0; i < top->count; i++) {
    const struct made *made = &top->made[i];
    if (made->ours && fstat(made->pin, &st) == 0 && st.st_nlink > 0)
      sbx_journal_clear_held(made->pin, made->name);
  }
}

/* False where others still use something there. */
static bool clear(struct sbx_placeholders *all, struct sbx_top *top) {
  let_names_go(top);
  bool cleared = sbx_journal_clear(all->journal, top->file, top->entry, -1);
  if (cleared) clear_moved(top);
  if (!cleared) flock(top->file, LOCK_UN);
  close_top(top);
  return cleared;
}

/* Those left long ago are only remembered for the time of their last use. */
static void forget_old(struct sbx_placeholders *all) {
  int64_t now = sbx_now();
  for (size_t i = all->count; i-- > 0;) {
    struct sbx_top *top = all->tops[i];
    if (top->users == 0 && now - top->left_ns > 5 * SOON_MS * SBX_MS) drop_top(all, top);
  }
}

/* Under the journal's lock: what is made stays, unless somebody cleared it meanwhile. */
static int take(struct sbx_placeholders *all, struct sbx_top *top) {
  struct stat st;
  if (top->users == 0)
    top->streak = sbx_now() - top->left_ns < SOON_MS * SBX_MS ? top->streak + 1 : 0;
  if (top->file >= 0 && (fstat(top->file, &st) < 0 || st.st_nlink == 0)) close_top(top);
  if (top->file >= 0 && top->users == 0 && flock(top->file, LOCK_EX | LOCK_NB) < 0) close_top(top);
  if (top->file < 0)
    top->file =
        sbx_journal_file(all->journal, top->directory, top->ino, top->entry, sizeof top->entry);
  return top->file < 0 ? -1 : 0;
}

/* ---- names ---- */

static struct made *find_made(struct sbx_top *top, const char *name) {
  for (size_t i = 0; i < top->count; i++)
    if (strcmp(top->made[i].name, name) == 0) return &top->made[i];
  return NULL;
}

static struct made *add_made(struct sbx_top *top, const char *name) {
  struct made *made = find_made(top, name);
  if (made) return made;
  errno = E2BIG;
  if (top->count == NAMES_MAX) return NULL;
  char *copy = strdup(name);
  if (!copy) return NULL;
  made = &top->made[top->count++];
  *made = (struct made){.name = copy, .pin = -1};
  return made;
}

/* held: what the journal has opened and locked, or -1. */
static int note_made(struct sbx_top *top, int directory, const char *name, bool ours, int held,
                     struct made **noted) {
  static uint32_t serial;
  struct stat st;
  struct made *made = add_made(top, name);
  if (held < 0) held = sbx_fd_high(openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!made || held < 0 || fstat(held, &st) < 0) {
    sbx_fd_close(&held);
    return -1;
  }
  sbx_fd_close(&made->pin);
  *made = (struct made){st.st_dev, st.st_ino, ++serial, held, ours, made->name};
  *noted = made;
  return 1;
}

/* Whether the same is there still, and stays: locked first, who clears it has it locked alone. */
static bool hold_again(const struct made *made, int directory) {
  struct stat st;
  if (flock(made->pin, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK) return false;
  if (fstatat(directory, made->name, &st, AT_SYMLINK_NOFOLLOW) < 0) return false;
  return st.st_dev == made->dev && st.st_ino == made->ino;
}

/* 1: something stands there, made or found; 0: nothing, and the command could make nothing. */
static int make_name(struct sbx_placeholders *all, struct sbx_top *top, int directory,
                     const char *name, struct made **made) {
  struct stat st;
  int held;
  *made = find_made(top, name);
  if (*made && hold_again(*made, directory)) return 1;
  int rc = sbx_journal_make(all->journal, top->file, directory, name, &held);
  if (rc < 0) return rc;
  if (held < 0 && fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return 0;
  return note_made(top, directory, name, rc == 1, held, made);
}

/* ---- a job's ---- */

static bool holds(const struct sbx_hold *hold, const struct sbx_top *top) {
  for (size_t i = 0; i < hold->count; i++)
    if (hold->tops[i] == top) return true;
  return false;
}

static int hold_top(struct sbx_placeholders *all, struct sbx_hold *hold, struct sbx_top *top) {
  if (holds(hold, top)) return 0;
  struct sbx_top **tops = realloc(hold->tops, (hold->count + 1) * sizeof(struct sbx_top *));
  if (!tops) return -1;
  hold->tops = tops;
  if (take(all, top) < 0) return -1;
  tops[hold->count++] = top;
  top->users++;
  return 0;
}

/* The directory that was opened last: names in one come one after the other. */
struct opened {
  struct sbx_top *top; /* NULL: none */
  int fd;
};

static bool lies_in(const struct sbx_top *top, const char *path, const char *name) {
  size_t size = strlen(top->directory);
  return size == (size_t)(name - 1 - path) && memcmp(top->directory, path, size) == 0;
}

/* The directory of a path as one that this job holds, opened. */
static int open_top(struct sbx_placeholders *all, struct sbx_hold *hold, const char *path,
                    const char *name, struct opened *opened) {
  struct stat st;
  if (opened->top && lies_in(opened->top, path, name)) return 0;
  sbx_fd_close(&opened->fd);
  opened->top = NULL;
  char *directory = sbx_path_parent(path);
  opened->fd = directory ? sbx_path_open(directory) : -1;
  if (opened->fd >= 0 && fstat(opened->fd, &st) == 0) {
    opened->top = find_top(all, directory, &st);
    if (!opened->top) opened->top = add_top(all, directory, &st);
  }
  free(directory);
  return opened->top ? hold_top(all, hold, opened->top) : -1;
}

/* Makes the placeholder of a record, and adds the record with its identity to what is made inside.
 */
static int make_record(struct sbx_placeholders *all, struct sbx_hold *hold,
                       const struct sbx_record_header *header, struct opened *opened) {
  const char *path = sbx_mount_path(header), *name = strrchr(path, '/') + 1;
  struct made *made;
  int rc = open_top(all, hold, path, name, opened);
  if (rc == 0) rc = make_name(all, opened->top, opened->fd, name, &made);
  if (rc <= 0) return rc;
  struct sbx_mount_record *record = sbx_plan_copy(hold->inside, header);
  if (!record) return -1;
  record->dev = made->dev;
  record->ino = made->ino;
  record->mode = made->serial; /* in a namespace made ahead the mount on an earlier one is gone */
  return 0;
}

static int make_all(struct sbx_placeholders *all, struct sbx_hold *hold, const sbx_sandbox *sandbox,
                    const char **failed) {
  size_t size;
  const void *bytes = sbx_plan_bytes(sandbox->inside, &size);
  struct sbx_cursor cursor = sbx_plan_cursor(sandbox->placeholders);
  const struct sbx_record_header *header;
  struct opened opened = {NULL, -1};
  int rc = 0;
  hold->inside = sbx_plan_from_bytes(bytes, size, NULL);
  if (!hold->inside) return -1;
  while (rc >= 0 && (header = sbx_plan_next(&cursor))) {
    *failed = sbx_mount_path(header);
    rc = make_record(all, hold, header, &opened);
  }
  sbx_fd_close(&opened.fd);
  return rc < 0 ? -1 : 0;
}

/* ---- the journal and its keeper ---- */

static void close_journal(struct sbx_placeholders *all) {
  bool mine = all->owner == getpid() && all->journal >= 0;
  int lock = mine ? sbx_journal_lock(all->journal) : -1;
  while (all->count > 0) {
    struct sbx_top *top = all->tops[0];
    if (mine && top->file >= 0) clear(all, top);
    drop_top(all, top);
  }
  sbx_fd_close(&lock);
  sbx_fd_close(&all->journal);
  sbx_fd_close(&all->keeper);
  free(all->path);
  all->path = NULL;
}

/* A keeper that was killed is followed by another. */
static int check_keeper(struct sbx_placeholders *all, sbx_keeper_start *start, void *context) {
  char byte;
  if (all->keeper >= 0 && recv(all->keeper, &byte, 1, MSG_DONTWAIT) == 0)
    sbx_fd_close(&all->keeper);
  if (all->keeper < 0) all->keeper = start(context, all->path);
  return all->keeper < 0 ? -1 : 0;
}

static bool names_path(const sbx_sandbox *sandbox, const char *path) {
  const char *at = sandbox->journals, *end = at + sandbox->journals_size;
  for (; at < end; at += strlen(at) + 1)
    if (strcmp(at, path) == 0) return true;
  return false;
}

/* The first that can be had. One that another user has made is told before all else. */
static int open_first(struct sbx_placeholders *all, const sbx_sandbox *sandbox) {
  const char *at = sandbox->journals, *end = at + sandbox->journals_size;
  int code = ENOENT;
  for (; all->journal < 0 && at < end; at += strlen(at) + 1) {
    all->journal = sbx_journal_open(at);
    if (all->journal < 0 && code != EPERM) code = errno;
    if (all->journal >= 0 && !(all->path = strdup(at))) sbx_fd_close(&all->journal);
  }
  errno = code;
  return all->journal < 0 ? -1 : 0;
}

static int open_journal(struct sbx_placeholders *all, const sbx_sandbox *sandbox) {
  bool other = all->path && !names_path(sandbox, all->path);
  errno = EBUSY; /* another journal, while the first is in use */
  if (other && all->users > 1) return -1;
  if (other) close_journal(all);
  return all->path ? 0 : open_first(all, sandbox);
}

int sbx_placeholders_make(struct sbx_placeholders *all, const sbx_sandbox *sandbox,
                          struct sbx_hold *hold, sbx_keeper_start *start, void *context,
                          struct sbx_error *err) {
  const char *failed = sandbox->journals;
  struct sbx_cursor cursor = sbx_plan_cursor(sandbox->placeholders);
  if (!sbx_plan_next(&cursor)) return 0;
  int rc = open_journal(all, sandbox);
  if (rc == 0) rc = check_keeper(all, start, context);
  int lock = rc < 0 ? -1 : sbx_journal_lock(all->journal);
  if (lock < 0) return sbx_fail(err, SBX_ERROR_SANDBOX, "journal", errno, failed);
  all->users++;
  hold->of = all;
  forget_old(all);
  rc = make_all(all, hold, sandbox, &failed);
  int code = errno;
  sbx_fd_close(&lock);
  if (rc == 0) return 0;
  sbx_placeholders_drop(hold);
  return sbx_fail(err, SBX_ERROR_SANDBOX, "placeholders", code, failed);
}

/* ---- letting go ---- */

/* Left to the keeper, and to the next command if it comes before. */
static void linger(struct sbx_top *top) {
  let_names_go(top);
  futimens(top->file, NULL);
  flock(top->file, LOCK_UN);
}

/* What only lingers needs no lock. */
static bool clears_some(const struct sbx_hold *hold) {
  for (size_t i = 0; i < hold->count; i++)
    if (hold->tops[i]->users == 1 && hold->tops[i]->streak < STREAK) return true;
  return false;
}

/* locked: the journal is; if it could not be had in time, all is left to the keeper. */
static void leave(struct sbx_placeholders *all, struct sbx_top *top, bool locked, bool *lingers) {
  bool stays = top->streak >= STREAK || !locked;
  if (--top->users > 0 || top->file < 0) return;
  top->left_ns = sbx_now();
  if (stays)
    linger(top);
  else
    stays = !clear(all, top);
  *lingers = *lingers || stays;
}

static void tell_keeper(struct sbx_placeholders *all) {
  int64_t now = sbx_now();
  if (now - all->told_ns <= TELL_MS * SBX_MS) return;
  all->told_ns = now;
  send(all->keeper, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void sbx_placeholders_drop(struct sbx_hold *hold) {
  struct sbx_placeholders *all = hold->of;
  bool lingers = false;
  if (!all) return;
  int saved = errno;
  if (all->owner == getpid()) {
    int lock = clears_some(hold) ? sbx_journal_lock(all->journal) : -1;
    for (size_t i = 0; i < hold->count; i++) leave(all, hold->tops[i], lock >= 0, &lingers);
    sbx_fd_close(&lock);
    if (lingers) tell_keeper(all);
  }
  free(hold->tops);
  sbx_plan_free(hold->inside);
  *hold = (struct sbx_hold){0};
  sbx_placeholders_release(all);
  errno = saved;
}

struct sbx_placeholders *sbx_placeholders_new(void) {
  struct sbx_placeholders *all = calloc(1, sizeof *all);
  if (!all) return NULL;
  all->users = 1;
  all->owner = getpid();
  all->journal = all->keeper = -1;
  return all;
}

void sbx_placeholders_release(struct sbx_placeholders *all) {
  if (!all || --all->users > 0) return;
  close_journal(all);
  free(all->tops);
  free(all);
}

/* The keeper may have cleared it since, and its number be another directory's by now. */
static bool is_kept(const struct sbx_top *top) {
  struct stat st;
  return top->file >= 0 && fstat(top->file, &st) == 0 && st.st_nlink > 0;
}

bool sbx_placeholders_have(const struct sbx_placeholders *all, const char *path, uint64_t dev,
                           uint64_t ino) {
  const char *slash = strrchr(path, '/');
  if (!slash) return false;
  size_t size = slash > path ? (size_t)(slash - path) : 1;
  for (size_t i = 0; i < all->count; i++) {
    struct sbx_top *top = all->tops[i];
    if (strlen(top->directory) != size || memcmp(top->directory, path, size) != 0) continue;
    const struct made *made = find_made(top, slash + 1);
    if (made && made->ours && made->dev == dev && made->ino == ino && is_kept(top)) return true;
  }
  return false;
}
