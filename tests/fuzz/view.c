/* A plan as a supervisor reads it: the mounts, the rules and the watch of what is made inside. The
 * kernel is played by this file, and any of its answers can be a refusal: no descriptor stays, and
 * what failed is named by a path of the plan. */
#include "engine/view.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "engine/watch.h"
#include "fuzz.h"
#include "layers/descriptors.h"

static bool playing;
static int calls_left; /* until one is refused; -1: none is */

/* The input's first byte; the plan follows. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, room);
  if (seed % 32) fuzz_mend_plan(data, size, 1, SIZE_MAX);
  return size;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  fuzz_confine(*argc, *argv, "/nonexistent");
  playing = true;
  return 0;
}

/* ---- the kernel ---- */

static bool refuses(void) {
  errno = EACCES;
  return calls_left >= 0 && calls_left-- == 0;
}

static int answer(void) {
  return refuses() ? -1 : 0;
}

static int new_file(void) {
  return refuses() ? -1 : open("/", O_PATH | O_CLOEXEC);
}

static void check_file(int fd) {
  MUST(fcntl(fd, F_GETFD) >= 0);
}

int __real_sbx_path_open(const char *path);
int __wrap_sbx_path_open(const char *path);
int __wrap_sbx_mounts_read_only(struct sbx_read_only_mounts *mounts);
uint64_t __wrap_sbx_mount_id(int at);
int __wrap_sbx_mount_is_read_only(int at);
int __wrap_sbx_mount_clone(int at);
int __wrap_sbx_mount_limit(int clone, bool writable);
int __wrap_sbx_mount_bar(int clone);
int __wrap_sbx_mount_tame(int clone);
int __wrap_sbx_mount_attach(int clone, int target);
int __wrap_sbx_mount_detach(int at);
int __wrap_sbx_mount_seal(const char *path, bool recursive);
int __wrap_sbx_mount_tmpfs(int target, uint32_t mode);
int __wrap_sbx_mount_devpts(int target);
int __real_sbx_landlock_ruleset(int abi, uint64_t fs, uint64_t net, uint64_t scope);
int __wrap_sbx_landlock_ruleset(int abi, uint64_t fs, uint64_t net, uint64_t scope);
int __real_sbx_landlock_allow(int ruleset, int path_fd, uint64_t access);
int __wrap_sbx_landlock_allow(int ruleset, int path_fd, uint64_t access);
int __wrap_mkdirat(int directory, const char *name, mode_t mode);
int __wrap_symlinkat(const char *target, int directory, const char *name);
int __wrap_openat(int directory, const char *name, int flags, ...);

int __wrap_sbx_path_open(const char *path) {
  MUST(path && strlen(path) < 1 << 20);
  return new_file();
}

int __wrap_sbx_mounts_read_only(struct sbx_read_only_mounts *mounts) {
  (void)mounts;
  return answer();
}

uint64_t __wrap_sbx_mount_id(int at) {
  check_file(at);
  return refuses() ? 0 : 1;
}

int __wrap_sbx_mount_is_read_only(int at) {
  check_file(at);
  return answer();
}

int __wrap_sbx_mount_clone(int at) {
  check_file(at);
  return new_file();
}

int __wrap_sbx_mount_limit(int clone, bool writable) {
  (void)writable;
  check_file(clone);
  return answer();
}

int __wrap_sbx_mount_bar(int clone) {
  check_file(clone);
  return answer();
}

int __wrap_sbx_mount_tame(int clone) {
  check_file(clone);
  return answer();
}

int __wrap_sbx_mount_attach(int clone, int target) {
  check_file(clone);
  check_file(target);
  return answer();
}

int __wrap_sbx_mount_detach(int at) {
  check_file(at);
  return answer();
}

int __wrap_sbx_mount_seal(const char *path, bool recursive) {
  (void)recursive;
  MUST(path);
  return answer();
}

int __wrap_sbx_mount_tmpfs(int target, uint32_t mode) {
  (void)mode;
  check_file(target);
  return answer();
}

int __wrap_sbx_mount_devpts(int target) {
  check_file(target);
  return answer();
}

int __wrap_sbx_landlock_ruleset(int abi, uint64_t fs, uint64_t net, uint64_t scope) {
  return playing ? new_file() : __real_sbx_landlock_ruleset(abi, fs, net, scope);
}

int __wrap_sbx_landlock_allow(int ruleset, int path_fd, uint64_t access) {
  if (!playing) return __real_sbx_landlock_allow(ruleset, path_fd, access);
  check_file(ruleset);
  check_file(path_fd);
  return answer();
}

int __wrap_mkdirat(int directory, const char *name, mode_t mode) {
  (void)mode;
  check_file(directory);
  MUST(!strchr(name, '/'));
  return answer();
}

int __wrap_symlinkat(const char *target, int directory, const char *name) {
  check_file(directory);
  MUST(target && !strchr(name, '/'));
  return answer();
}

int __wrap_openat(int directory, const char *name, int flags, ...) {
  check_file(directory);
  MUST(!strchr(name, '/') && flags & O_EXCL);
  return new_file();
}

/* ---- promises ---- */

/* A path of the plan, or none. */
static void check_named(const sbx_plan *plan, const char *path) {
  size_t size;
  const char *bytes = sbx_plan_bytes(plan, &size);
  MUST(path && (!*path || (path >= bytes && path < bytes + size)));
}

/* A second one on top, as the policy's own after what all share. */
static void try_view(const sbx_plan *plan) {
  struct sbx_view view = {0};
  struct sbx_view_failure failure;
  for (int i = 0; i < 2; i++)
    if (sbx_view_make(&view, plan, &failure) < 0) check_named(plan, failure.path);
  free(view.read_only.ids);
}

static void try_ruleset(const sbx_plan *plan) {
  struct sbx_view_failure failure;
  int ruleset = sbx_view_ruleset(plan, &failure);
  if (ruleset < 0) check_named(plan, failure.path);
  sbx_fd_close(&ruleset);
}

static void try_watch(const sbx_plan *plan) {
  struct sbx_watch watch;
  if (sbx_watch_open(&watch, plan) == 0 && watch.fd >= 0) {
    const char *lost = sbx_watch_lost(&watch);
    if (lost) check_named(plan, lost);
  }
  sbx_fd_close(&watch.fd);
  free(watch.list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  sbx_plan *plan = size > 0 ? sbx_plan_from_bytes(data + 1, size - 1, NULL) : NULL;
  unsigned files = fuzz_open_files();
  if (!plan) return 0;
  calls_left = data[0] - 1;
  try_view(plan);
  calls_left = data[0] - 1;
  try_ruleset(plan);
  try_watch(plan);
  sbx_plan_free(plan);
  MUST(fuzz_open_files() == files);
  return 0;
}
