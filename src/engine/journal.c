#include "engine/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "layers/descriptors.h"
#include "layers/paths.h"

#define LOCK_NAME "lock"
#define TEXT_MAX (64 * 1024)
#define ATTEMPTS 20
/* How long the lock for changes is waited for: it is held for moments. */
#define LOCK_MS 1000

/* ---- the directory ---- */

/* Nobody else may write there: what it lists is removed. */
static int check_own(int fd) {
  struct stat st;
  if (fstat(fd, &st) < 0) return -1;
  if (st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH))) return 0;
  errno = EPERM;
  return -1;
}

int sbx_journal_open(const char *path) {
  if (mkdir(path, 0700) < 0 && errno != EEXIST) return -1;
  int fd = sbx_fd_high(open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd >= 0 && check_own(fd) < 0) sbx_fd_close(&fd);
  return fd;
}

/* Write-only: a sandboxed command of the same user may look at the journal, and whoever can open a
 * file for reading can lock it. Waiting has a bound all the same. */
static int open_lock(int journal) {
  int flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW;
  int fd = sbx_fd_high(openat(journal, LOCK_NAME, flags));
  if (fd >= 0 || errno != ENOENT) return fd;
  fd = sbx_fd_high(openat(journal, LOCK_NAME, flags | O_CREAT, 0200));
  if (fd >= 0) fchmod(fd, 0200); /* whatever the umask is */
  return fd;
}

int sbx_journal_lock(int journal) {
  const struct timespec pause = {0, 1000000};
  int fd = open_lock(journal);
  if (fd < 0) return -1;
  for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited++) {
    int code = errno;
    if ((code == EWOULDBLOCK || code == EINTR) && waited < LOCK_MS) {
      nanosleep(&pause, NULL);
      continue;
    }
    sbx_fd_close(&fd);
    errno = code;
    return -1;
  }
  return fd;
}

/* ---- reading ---- */

/* The text of a file: the directory, then the names; NULL when there is none. */
static char *read_text(int file, size_t *size) {
  struct stat st;
  if (fstat(file, &st) < 0 || !S_ISREG(st.st_mode)) return NULL;
  char *text = malloc(TEXT_MAX + 1);
  ssize_t got = text ? pread(file, text, TEXT_MAX, 0) : -1;
  if (got <= 0) {
    free(text);
    return NULL;
  }
  text[got] = 0;
  *size = (size_t)got;
  return text;
}

/* The directory that a text begins with, if it is still where it was; else -1. */
static int open_directory(const char *text) {
  struct stat st;
  const char *path = strchr(text, '/');
  int fd = path ? sbx_path_open(path) : -1;
  if (fd < 0 || path == text) return fd; /* an earlier version noted no number */
  if (fstat(fd, &st) < 0 || st.st_ino != strtoull(text, NULL, 10)) sbx_fd_close(&fd);
  return fd;
}

static bool lists(int file, const char *directory, const char *name) {
  size_t size;
  char *text = read_text(file, &size);
  bool found = false;
  if (!text) return false;
  if (strcmp(text, directory) == 0)
    for (char *at = text + strlen(text) + 1; !found && at < text + size; at += strlen(at) + 1)
      found = strcmp(at, name) == 0;
  free(text);
  return found;
}

static bool is_entry(const struct dirent *entry) {
  return entry->d_name[0] >= '0' && entry->d_name[0] <= '9';
}

static DIR *list_journal(int journal) {
  int fd = openat(journal, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *list = fd < 0 ? NULL : fdopendir(fd);
  if (!list && fd >= 0) close(fd);
  return list;
}

/* Whether another file than `own` has the name: then its placeholder is that one's too. */
static bool is_listed(int journal, const char *own, const char *directory, const char *name) {
  DIR *list = list_journal(journal);
  bool found = false;
  for (struct dirent *entry; list && !found && (entry = readdir(list));) {
    if (!is_entry(entry) || strcmp(entry->d_name, own) == 0) continue;
    int file = openat(journal, entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) continue;
    found = lists(file, directory, name);
    close(file);
  }
  if (list) closedir(list);
  return found;
}

/* ---- making ---- */

int sbx_journal_file(int journal, const char *directory, uint64_t ino, char *name, size_t size) {
  static unsigned long made;
  int flags = O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, fd;
  do {
    snprintf(name, size, "%d.%lu", (int)getpid(), ++made);
    fd = sbx_fd_high(openat(journal, name, flags, 0600));
  } while (fd < 0 && errno == EEXIST);
  if (fd < 0) return -1;
  char number[24];
  int digits = snprintf(number, sizeof number, "%" PRIu64, ino);
  struct iovec text[2] = {{number, (size_t)digits}, {(void *)directory, strlen(directory) + 1}};
  ssize_t length = (ssize_t)(text[0].iov_len + text[1].iov_len);
  if (flock(fd, LOCK_EX | LOCK_NB) == 0 && writev(fd, text, 2) == length) return fd;
  unlinkat(journal, name, 0);
  sbx_fd_close(&fd);
  return -1;
}

static bool is_empty_directory(int fd) {
  int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *list = again < 0 ? NULL : fdopendir(again);
  int count = 0;
  if (!list && again >= 0) close(again);
  if (!list) return false;
  while (count <= 2 && readdir(list)) count++;
  closedir(list);
  return count <= 2;
}

static bool is_at(int fd, int directory, const char *name) {
  struct stat own, st;
  return fstat(fd, &own) == 0 && fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
         own.st_dev == st.st_dev && own.st_ino == st.st_ino;
}

/* Users of one placeholder may be of different users, with journals that see nothing of each other:
 * all of them lock the directory itself, shared, and who clears it needs it for itself. */
static int hold(int directory, const char *name) {
  int fd = sbx_fd_high(openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd < 0) return -1;
  errno = ENOENT;
  if (flock(fd, LOCK_SH | LOCK_NB) < 0 || !is_at(fd, directory, name)) {
    int code = errno;
    sbx_fd_close(&fd);
    errno = code;
  }
  return fd;
}

static char *directory_of(int file) {
  size_t size;
  return read_text(file, &size);
}

/* What is there may be the placeholder of another process's commands: it must outlast them. */
static int share(int journal, int file, int held, const char *name) {
  if (held < 0 || !is_empty_directory(held)) return 0;
  char *path = directory_of(file);
  bool shared = path && is_listed(journal, "", path, name);
  free(path);
  if (!shared) return 0;
  ssize_t length = (ssize_t)strlen(name) + 1;
  return write(file, name, (size_t)length) == length ? 1 : -1;
}

/* Nobody whose directory it isn't can make it there, now or after a chmod(2) of his own. */
static bool is_out_of_reach(int directory) {
  struct stat st;
  struct statvfs of;
  if (errno == EROFS) return fstatvfs(directory, &of) == 0 && of.f_flag & ST_RDONLY;
  return (errno == EACCES || errno == EPERM) && fstat(directory, &st) == 0 &&
         st.st_uid != geteuid();
}

/* As whoever has the directory would have made it. */
static void give_away(int directory, const char *name) {
  struct stat st;
  if (geteuid() != 0 || fstat(directory, &st) < 0 || st.st_uid == 0) return;
  if (fchownat(directory, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0) return;
}

/* What somebody else has made there just now is none of ours. */
static void unwrite(int file, off_t size) {
  int saved = errno, rc = ftruncate(file, size);
  (void)rc; /* else an empty directory goes with ours */
  errno = saved;
}

static int make(int file, int directory, const char *name) {
  struct stat st;
  ssize_t length = (ssize_t)strlen(name) + 1;
  if (fstat(file, &st) < 0 || write(file, name, (size_t)length) != length) return -1;
  if (mkdirat(directory, name, 0755) < 0) {
    unwrite(file, st.st_size);
    return is_out_of_reach(directory) ? 0 : -1;
  }
  give_away(directory, name);
  return 1;
}

/* While another clears it nobody can hold it, and then it is gone. */
static int hold_soon(int directory, const char *name) {
  const struct timespec pause = {0, 500000};
  int fd = hold(directory, name);
  for (int attempt = 0; fd < 0 && errno == EWOULDBLOCK && attempt < ATTEMPTS; attempt++) {
    nanosleep(&pause, NULL);
    fd = hold(directory, name);
  }
  return fd;
}

int sbx_journal_make(int journal, int file, int directory, const char *name, int *held) {
  struct stat st;
  int rc = -1;
  *held = -1;
  for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
    bool there = fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && !S_ISDIR(st.st_mode)) return 0;
    rc = there ? 0 : make(file, directory, name);
    if (rc < 0 && errno == EEXIST) continue;
    if (rc < 0 || (rc == 0 && !there)) return rc;
    *held = hold_soon(directory, name);
    if (*held < 0 && fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0) continue;
    if (rc == 0) rc = share(journal, file, *held, name);
    if (rc < 0) sbx_fd_close(held);
    return rc;
  }
  return rc;
}

/* ---- clearing ---- */

/* What has been removed, was never there, or has something in it is none of ours any more. */
static bool remove_name(int directory, const char *name) {
  if (unlinkat(directory, name, AT_REMOVEDIR) == 0) return true;
  return errno == ENOENT || errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR;
}

/* A command may have shut a directory of its user's: it is opened for the moment. */
static bool remove_in_shut(int directory, const char *name) {
  struct stat st;
  char path[40];
  snprintf(path, sizeof path, "/proc/self/fd/%d", directory);
  if (fstat(directory, &st) < 0 || st.st_uid != geteuid()) return false;
  if (chmod(path, (st.st_mode & 07777) | 0700) < 0) return false;
  bool removed = remove_name(directory, name);
  return chmod(path, st.st_mode & 07777) == 0 && removed;
}

static bool may_be_ours(const char *name) {
  return !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* False where somebody uses it, or it can't be removed now. */
static bool clear_name(int directory, const char *name) {
  struct stat st;
  if (!may_be_ours(name)) return true;
  /* looked for first: where nothing may be written rmdir(2) says only that */
  if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
      (errno == ENOENT || errno == ENAMETOOLONG))
    return true; /* written down before it was tried, it may have been too long to be made */
  int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  bool used = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
  bool removed = !used && (remove_name(directory, name) || remove_in_shut(directory, name));
  if (fd >= 0) close(fd);
  return removed;
}

void sbx_journal_clear_held(int held, const char *name) {
  int directory = openat(held, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return;
  if (is_at(held, directory, name)) clear_name(directory, name);
  close(directory);
}

bool sbx_journal_clear(int journal, int file, const char *name, int directory) {
  size_t size = 0;
  int opened = -1;
  char *text = read_text(file, &size);
  bool all = true;
  if (text && directory < 0) directory = opened = open_directory(text);
  if (text && directory >= 0)
    for (char *at = text + strlen(text) + 1; at < text + size; at += strlen(at) + 1)
      if (!is_listed(journal, name, text, at) && !clear_name(directory, at)) all = false;
  sbx_fd_close(&opened);
  free(text);
  if (all) unlinkat(journal, name, 0);
  return all;
}

static int64_t age_ms(int file) {
  struct stat st;
  struct timespec now;
  if (fstat(file, &st) < 0) return 0;
  clock_gettime(CLOCK_REALTIME, &now);
  int64_t age = (now.tv_sec - st.st_mtim.tv_sec) * INT64_C(1000) +
                (now.tv_nsec - st.st_mtim.tv_nsec) / 1000000;
  return age < 0 ? INT64_MAX : age; /* the clock was set back */
}

/* True where it stays for now but nobody uses it. */
static bool sweep_entry(int journal, const char *name, int64_t untouched_ms, bool is_dead,
                        int directory) {
  int file = openat(journal, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  bool waits = false;
  if (file < 0) return false;
  /* where its owner is known to be gone, a lock is a reader's or a fork's and says nothing */
  if (flock(file, LOCK_EX | LOCK_NB) == 0 || is_dead) {
    waits = age_ms(file) < untouched_ms;
    if (!waits) waits = !sbx_journal_clear(journal, file, name, directory);
  }
  close(file);
  return waits;
}

static int place_of(const struct sbx_journal_places *places, const char *name) {
  for (size_t i = 0; i < places->count; i++)
    if (strcmp(places->list[i].name, name) == 0) return places->list[i].directory;
  return -1;
}

static void add_place(int journal, const char *name, struct sbx_journal_places *places) {
  if (places->count == SBX_JOURNAL_PLACES || place_of(places, name) >= 0) return;
  if (strlen(name) >= sizeof places->list[0].name) return;
  int file = openat(journal, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  char *text = file < 0 ? NULL : directory_of(file);
  struct sbx_journal_place *place = &places->list[places->count];
  place->directory = text ? open_directory(text) : -1;
  if (place->directory >= 0) {
    memcpy(place->name, name, strlen(name) + 1);
    places->count++;
  }
  free(text);
  sbx_fd_close(&file);
}

void sbx_journal_look(int journal, pid_t pid, struct sbx_journal_places *places) {
  for (size_t i = places->count; i-- > 0;) {
    if (faccessat(journal, places->list[i].name, F_OK, 0) == 0) continue;
    sbx_fd_close(&places->list[i].directory);
    places->list[i] = places->list[--places->count];
  }
  DIR *list = list_journal(journal);
  for (struct dirent *entry; list && (entry = readdir(list));)
    if (is_entry(entry) && strtol(entry->d_name, NULL, 10) == pid)
      add_place(journal, entry->d_name, places);
  if (list) closedir(list);
}

bool sbx_journal_sweep(int journal, int64_t untouched_ms, pid_t pid,
                       const struct sbx_journal_places *places) {
  int lock = sbx_journal_lock(journal);
  DIR *list = lock < 0 ? NULL : list_journal(journal);
  bool waits = false;
  for (struct dirent *entry; list && (entry = readdir(list));) {
    if (!is_entry(entry) || (pid && strtol(entry->d_name, NULL, 10) != pid)) continue;
    int directory = place_of(places, entry->d_name);
    if (sweep_entry(journal, entry->d_name, untouched_ms, pid != 0, directory)) waits = true;
  }
  if (list) closedir(list);
  sbx_fd_close(&lock);
  return waits;
}
