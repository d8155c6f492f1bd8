#include "layers/landlock.h"

#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sbx.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

/* Layout and numbers: Documentation/userspace-api/landlock.rst and include/uapi/linux/landlock.h.
 * Fields were only ever added at the end, so that a shorter size means an older ABI. */
struct ruleset_attr {
  uint64_t handled_access_fs;
  uint64_t handled_access_net; /* ABI 4 */
  uint64_t scoped;             /* ABI 6 */
};

struct path_beneath_attr {
  uint64_t allowed_access;
  int32_t parent_fd;
} __attribute__((packed));

#define CREATE_RULESET_VERSION 1U
#define RULE_PATH_BENEATH 1

struct right {
  const char *name;
  uint64_t bit;
  int abi;
  int on_file; /* legal in a rule on a non-directory */
};

static const struct right fs_rights[] = {
    {"execute", 1ULL << 0, 1, 1},    {"write_file", 1ULL << 1, 1, 1},
    {"read_file", 1ULL << 2, 1, 1},  {"read_dir", 1ULL << 3, 1, 0},
    {"remove_dir", 1ULL << 4, 1, 0}, {"remove_file", 1ULL << 5, 1, 0},
    {"make_char", 1ULL << 6, 1, 0},  {"make_dir", 1ULL << 7, 1, 0},
    {"make_reg", 1ULL << 8, 1, 0},   {"make_sock", 1ULL << 9, 1, 0},
    {"make_fifo", 1ULL << 10, 1, 0}, {"make_block", 1ULL << 11, 1, 0},
    {"make_sym", 1ULL << 12, 1, 0},  {"refer", 1ULL << 13, 2, 0},
    {"truncate", 1ULL << 14, 3, 1},  {"ioctl_dev", 1ULL << 15, 5, 1},
};

static const struct right net_rights[] = {
    {"bind_tcp", 1ULL << 0, 4, 0},
    {"connect_tcp", 1ULL << 1, 4, 0},
};

static const struct right scopes[] = {
    {"abstract_unix_socket", 1ULL << 0, 6, 0},
    {"signal", 1ULL << 1, 6, 0},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint64_t by_name(const struct right *rights, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(rights[i].name, name) == 0) return rights[i].bit;
  return 0;
}

static uint64_t known(const struct right *rights, size_t count, int abi) {
  uint64_t bits = 0;
  for (size_t i = 0; i < count; i++)
    if (rights[i].abi <= abi) bits |= rights[i].bit;
  return bits;
}

uint64_t sbx_landlock_fs_right(const char *name) {
  return by_name(fs_rights, COUNT(fs_rights), name);
}

uint64_t sbx_landlock_net_right(const char *name) {
  return by_name(net_rights, COUNT(net_rights), name);
}

uint64_t sbx_landlock_scope(const char *name) {
  return by_name(scopes, COUNT(scopes), name);
}

uint64_t sbx_landlock_known_fs(int abi) {
  return known(fs_rights, COUNT(fs_rights), abi);
}

uint64_t sbx_landlock_known_net(int abi) {
  return known(net_rights, COUNT(net_rights), abi);
}

uint64_t sbx_landlock_known_scope(int abi) {
  return known(scopes, COUNT(scopes), abi);
}

uint64_t sbx_landlock_file_rights(void) {
  uint64_t bits = 0;
  for (size_t i = 0; i < COUNT(fs_rights); i++)
    if (fs_rights[i].on_file) bits |= fs_rights[i].bit;
  return bits;
}

int sbx_landlock_version(void) {
  long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
  return abi < 0 ? 0 : (int)abi;
}

/* The kernel refuses (E2BIG) a larger struct only where the part that it doesn't know is not zero,
 * but an old one is given what it knows, so that a right it lacks can't slip in unseen. */
static size_t attr_size(int abi) {
  if (abi < 4) return offsetof(struct ruleset_attr, handled_access_net);
  if (abi < 6) return offsetof(struct ruleset_attr, scoped);
  return sizeof(struct ruleset_attr);
}

int sbx_landlock_ruleset(int abi, uint64_t fs, uint64_t net, uint64_t scope) {
  struct ruleset_attr attr = {.handled_access_fs = fs, .handled_access_net = net, .scoped = scope};
  return (int)syscall(SYS_landlock_create_ruleset, &attr, attr_size(abi), 0);
}

int sbx_landlock_allow(int ruleset, int path_fd, uint64_t access) {
  struct path_beneath_attr attr = {.allowed_access = access, .parent_fd = path_fd};
  return (int)syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &attr, 0);
}

int sbx_landlock_restrict(int ruleset) {
  return (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
}
