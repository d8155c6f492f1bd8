/* A journal's file, whoever wrote it: clearing takes away the empty directories that it names in
 * its own directory and nothing else, and a file that can't be used doesn't stay for ever.
 * The bytes are the file but for these: \1 stands for the directory's path, \2 for its number. */
#include "engine/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "layers/mounts.h"

#define FILE_NAME "1.1"

static char top[256]; /* in $TMPDIR: whoever runs this clears that, also after a crash */
static char directory[sizeof top + 8];
static int place, beside, journal; /* the directory, its neighbour, the journal */
static unsigned long long number;

static const char *const empty[] = {"a", ".git", "name with blanks", "\xff\xfe"};
static const char *const full[] = {"full", "b"};
enum { EMPTY = sizeof empty / sizeof *empty, FULL = sizeof full / sizeof *full };

/* ---- the scene ---- */

static void remove_all(void) {
  char line[sizeof top + 16];
  snprintf(line, sizeof line, "rm -rf %s", top);
  if (system(line) != 0) fprintf(stderr, "%s stays\n", top);
}

static int new_directory(int at, const char *name) {
  MUST(mkdirat(at, name, 0755) == 0);
  int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  MUST(fd >= 0);
  return fd;
}

static void fill(int at) {
  for (size_t i = 0; i < EMPTY; i++) MUST(mkdirat(at, empty[i], 0755) == 0 || errno == EEXIST);
}

static void fill_once(int at) {
  for (size_t i = 0; i < FULL; i++) {
    int fd = new_directory(at, full[i]);
    MUST(mkdirat(fd, "a", 0755) == 0);
    close(fd);
  }
  close(openat(at, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  struct stat st;
  const char *base = getenv("TMPDIR");
  snprintf(top, sizeof top, "%s/sbx-fuzz.XXXXXX", base ? base : "/tmp");
  MUST(mkdtemp(top));
  atexit(remove_all);
  int fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  place = new_directory(fd, "place");
  beside = new_directory(fd, "beside");
  journal = new_directory(fd, "journal");
  close(fd);
  fill_once(place);
  fill(place);
  fill(beside);
  MUST(fstat(place, &st) == 0);
  number = st.st_ino;
  snprintf(directory, sizeof directory, "%s/place", top);
  fuzz_confine(*argc, *argv, top);
  return 0;
}

/* Landlock keeps the machine; this keeps the scene's own journal and neighbour. */
int __real_sbx_path_open(const char *path);
int __wrap_sbx_path_open(const char *path);
int __wrap_sbx_path_open(const char *path) {
  if (strcmp(path, directory) == 0) return __real_sbx_path_open(path);
  errno = ENOENT;
  return -1;
}

/* ---- the file ---- */

static size_t put(char *into, size_t at, size_t room, const char *text, size_t size) {
  if (size > room - at) size = room - at;
  memcpy(into + at, text, size);
  return at + size;
}

static size_t expand(const uint8_t *data, size_t size, char *text, size_t room) {
  char digits[24];
  int length = snprintf(digits, sizeof digits, "%llu", number);
  size_t at = 0;
  for (size_t i = 0; i < size; i++) {
    if (data[i] == 1)
      at = put(text, at, room, directory, strlen(directory));
    else if (data[i] == 2)
      at = put(text, at, room, digits, (size_t)length);
    else
      at = put(text, at, room, (const char *)&data[i], 1);
  }
  return at;
}

static int write_file(const char *text, size_t size) {
  int fd = openat(journal, FILE_NAME, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
  MUST(fd >= 0 && write(fd, text, size) == (ssize_t)size);
  return fd;
}

/* ---- promises ---- */

static bool is_there(int at, const char *name) {
  struct stat st;
  return fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A plain reading of the format: number, path and NUL byte, then names with a NUL byte each. */
static bool is_named(const char *text, size_t size, const char *name) {
  const char *path = memchr(text, '/', size), *end = text + size;
  const char *nul = size ? memchr(text, 0, size) : NULL;
  if (!path || !nul || path > nul || strcmp(path, directory) != 0) return false;
  if (path > text && strtoull(text, NULL, 10) != number) return false;
  for (const char *at = nul + 1; at < end; at += strlen(at) + 1)
    if (strcmp(at, name) == 0) return true;
  return false;
}

static void check_places(const char *text, size_t size) {
  for (size_t i = 0; i < EMPTY; i++) {
    MUST(is_there(place, empty[i]) == !is_named(text, size, empty[i]));
    MUST(is_there(beside, empty[i]));
  }
  for (size_t i = 0; i < FULL; i++) MUST(is_there(place, full[i]));
  MUST(is_there(place, "file"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static char text[16 * 1024 + 1];
  unsigned files = fuzz_open_files();
  bool swept = size > 0 && data[0] == 's';
  size_t length = expand(data + swept, size - swept, text, sizeof text - 1);
  text[length] = 0;
  fill(place);
  close(write_file(text, length));
  bool waits = sbx_journal_sweep(journal, 0, swept ? 1 : 0, &(struct sbx_journal_places){0});
  check_places(text, length);
  MUST(waits == is_there(journal, FILE_NAME));
  MUST(!waits);
  MUST(fuzz_open_files() == files);
  return 0;
}
