#include "engine/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "layers/descriptors.h"
#include "layers/mounts.h"

#define LOCK_NAME "lock"
#define TEXT_MAX (64 * 1024)

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

int sbx_journal_lock(int journal) {
  int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, rc;
  int fd = sbx_fd_high(openat(journal, LOCK_NAME, flags, 0600));
  if (fd < 0) return -1;
  do rc = flock(fd, LOCK_EX);
  while (rc < 0 && errno == EINTR);
  if (rc < 0) sbx_fd_close(&fd);
  return fd;
}

/* ---- reading ---- */

/* The text of a file: the directory, then the names; NULL when there is none. */
static char *read_text(int file, size_t *size) {
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
    int file = openat(journal, entry->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0) continue;
    found = lists(file, directory, name);
    close(file);
  }
  if (list) closedir(list);
  return found;
}

/* ---- making ---- */

int sbx_journal_file(int journal, const char *directory, char *name, size_t size) {
  static unsigned long made;
  int flags = O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, fd;
  do {
    snprintf(name, size, "%d.%lu", (int)getpid(), ++made);
    fd = sbx_fd_high(openat(journal, name, flags, 0600));
  } while (fd < 0 && errno == EEXIST);
  if (fd < 0) return -1;
  ssize_t length = (ssize_t)strlen(directory) + 1;
  if (flock(fd, LOCK_EX | LOCK_NB) == 0 && write(fd, directory, (size_t)length) == length)
    return fd;
  unlinkat(journal, name, 0);
  sbx_fd_close(&fd);
  return -1;
}

static bool is_empty_directory(int directory, const char *name) {
  int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *list = fd < 0 ? NULL : fdopendir(fd);
  int count = 0;
  if (!list && fd >= 0) close(fd);
  if (!list) return false;
  while (count <= 2 && readdir(list)) count++;
  closedir(list);
  return count <= 2;
}

static char *directory_of(int file) {
  size_t size;
  return read_text(file, &size);
}

/* What is there may be the placeholder of another process's commands: it must outlast them. */
static int share(int journal, int file, int directory, const char *name) {
  if (!is_empty_directory(directory, name)) return 0;
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
  if (errno == EROFS) return true;
  return (errno == EACCES || errno == EPERM) && fstat(directory, &st) == 0 &&
         st.st_uid != geteuid();
}

/* As whoever has the directory would have made it. */
static void give_away(int directory, const char *name) {
  struct stat st;
  if (geteuid() != 0 || fstat(directory, &st) < 0 || st.st_uid == 0) return;
  if (fchownat(directory, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0) return;
}

int sbx_journal_make(int journal, int file, int directory, const char *name) {
  struct stat st;
  if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
    return S_ISDIR(st.st_mode) ? share(journal, file, directory, name) : 0;
  ssize_t length = (ssize_t)strlen(name) + 1;
  if (write(file, name, (size_t)length) != length) return -1;
  if (mkdirat(directory, name, 0755) < 0) return is_out_of_reach(directory) ? 0 : -1;
  give_away(directory, name);
  return 1;
}

/* ---- clearing ---- */

void sbx_journal_clear(int journal, int file, const char *name) {
  size_t size;
  char *text = read_text(file, &size);
  int directory = text ? sbx_path_open(text) : -1;
  if (directory >= 0) {
    for (char *at = text + strlen(text) + 1; at < text + size; at += strlen(at) + 1)
      if (!is_listed(journal, name, text, at)) unlinkat(directory, at, AT_REMOVEDIR);
    close(directory);
  }
  free(text);
  unlinkat(journal, name, 0);
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
static bool sweep_entry(int journal, const char *name, int64_t untouched_ms) {
  int file = openat(journal, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  bool waits = false;
  if (file < 0) return false;
  if (flock(file, LOCK_EX | LOCK_NB) == 0) {
    waits = age_ms(file) < untouched_ms;
    if (!waits) sbx_journal_clear(journal, file, name);
  }
  close(file);
  return waits;
}

bool sbx_journal_sweep(int journal, int64_t untouched_ms, pid_t pid) {
  int lock = sbx_journal_lock(journal);
  DIR *list = lock < 0 ? NULL : list_journal(journal);
  bool waits = false;
  for (struct dirent *entry; list && (entry = readdir(list));) {
    if (!is_entry(entry) || (pid && strtol(entry->d_name, NULL, 10) != pid)) continue;
    if (sweep_entry(journal, entry->d_name, untouched_ms)) waits = true;
  }
  if (list) closedir(list);
  sbx_fd_close(&lock);
  return waits;
}
