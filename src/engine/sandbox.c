#include "engine/sandbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/behind.h"
#include "engine/bounds.h"
#include "engine/error.h"
#include "engine/plan.h"
#include "layers/descriptors.h"
#include "layers/landlock.h"
#include "layers/mounts.h"
#include "layers/paths.h"

static int fail(struct sbx_error *err, const char *step, int code, const char *detail) {
  return sbx_fail(err, SBX_ERROR_SANDBOX, step, code, detail);
}

/* Before the rest: they say how some of it is compiled. */
static void set_flags(sbx_sandbox *sandbox, const sbx_plan *plan) {
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *record;
  while ((record = sbx_plan_next(&cursor)))
    if (record->type == SBX_RECORD_FLAGS)
      memcpy(&sandbox->layers.flags, sbx_record_payload(record), sizeof sandbox->layers.flags);
}

static int set_namespaces(sbx_sandbox *sandbox, const struct sbx_record_header *record,
                          struct sbx_error *err) {
  (void)err;
  memcpy(&sandbox->layers.namespaces, sbx_record_payload(record), sizeof(uint32_t));
  return 0;
}

static int set_caps(sbx_sandbox *sandbox, const struct sbx_record_header *record,
                    struct sbx_error *err) {
  (void)err;
  memcpy(&sandbox->layers.keep_caps, sbx_record_payload(record), sizeof(uint64_t));
  return 0;
}

static int set_kill(sbx_sandbox *sandbox, const struct sbx_record_header *record,
                    struct sbx_error *err) {
  const struct sbx_kill_record *kill = sbx_record_payload(record);
  const char *cgroup = sbx_record_string(record, sizeof *kill);
  sandbox->layers.kill = kill->kill;
  if (kill->kill == SBX_KILL_CGROUP && !*cgroup)
    return fail(err, "cgroup", EINVAL, "the plan names no cgroup directory");
  free(sandbox->cgroup);
  sandbox->cgroup = strdup(cgroup);
  return sandbox->cgroup ? 0 : fail(err, "cgroup", ENOMEM, NULL);
}

static int add_limit(sbx_sandbox *sandbox, const struct sbx_record_header *record,
                     struct sbx_error *err) {
  const struct sbx_rlimit_record *limit = sbx_record_payload(record);
  struct sbx_layers *layers = &sandbox->layers;
  if (layers->nlimits == SBX_LIMITS_MAX) return fail(err, "limits", E2BIG, "too many limits");
  layers->limits[layers->nlimits].resource = limit->resource;
  layers->limits[layers->nlimits++].limit = limit->limit;
  return 0;
}

/* ---- Landlock ---- */

/* A right that the plan handles and this ABI lacks would not be held: refused, never masked. */
static int check_rights(const struct sbx_landlock_record *landlock, struct sbx_error *err) {
  int kernel = sbx_landlock_version(), abi = (int)landlock->abi;
  if (kernel == 0) return fail(err, "landlock", EOPNOTSUPP, "this kernel has no Landlock");
  if (abi < 1 || abi > kernel)
    return fail(err, "landlock", EOPNOTSUPP, "the plan's ABI is newer than this kernel's");
  if (landlock->fs & ~sbx_landlock_known_fs(abi) || landlock->net & ~sbx_landlock_known_net(abi) ||
      landlock->scope & ~sbx_landlock_known_scope(abi))
    return fail(err, "landlock", EOPNOTSUPP, "the plan names a right that its ABI does not have");
  return 0;
}

/* By its number a ruleset is told from any other of this process. */
static uint64_t rulesets;

static int make_ruleset(sbx_sandbox *sandbox, const struct sbx_record_header *record,
                        struct sbx_error *err) {
  const struct sbx_landlock_record *landlock = sbx_record_payload(record);
  if (sandbox->layers.has_ruleset) return fail(err, "landlock", EINVAL, "two rulesets in one plan");
  if (check_rights(landlock, err) < 0) return -1;
  sandbox->layers.has_ruleset = 1;
  if (sandbox->layers.flags & SBX_FLAG_INNER_RULES)
    return sbx_plan_copy(sandbox->inside, record) ? 0 : fail(err, "landlock", errno, NULL);
  sandbox->ruleset = sbx_fd_high(
      sbx_landlock_ruleset((int)landlock->abi, landlock->fs, landlock->net, landlock->scope));
  if (sandbox->ruleset < 0) return fail(err, "landlock", errno, "create the ruleset");
  sandbox->layers.ruleset_id = __atomic_add_fetch(&rulesets, 1, __ATOMIC_RELAXED);
  return 0;
}

static int keep_pin(sbx_sandbox *sandbox, int fd) {
  int *pins = realloc(sandbox->pins, (sandbox->npins + 1) * sizeof *pins);
  if (!pins) return -1;
  sandbox->pins = pins;
  pins[sandbox->npins++] = fd;
  return 0;
}

/* Opens what a path of the plan names and keeps it open. Paths of a plan are real paths: a link on
 * the way now is somebody's change since; following it would mean another place than the one that
 * was judged. -1: err is filled. */
static int pin(sbx_sandbox *sandbox, const char *step, const char *path, struct stat *st,
               struct sbx_error *err) {
  int fd = sbx_path_open(path);
  if (fd < 0) return fail(err, step, errno, path);
  if (keep_pin(sandbox, fd) < 0) {
    close(fd);
    return fail(err, step, ENOMEM, path);
  }
  return fstat(fd, st) < 0 ? fail(err, step, errno, path) : fd;
}

static int allow_path(sbx_sandbox *sandbox, const struct sbx_record_header *record,
                      struct sbx_error *err) {
  const struct sbx_rule_record *rule = sbx_record_payload(record);
  const char *path = sbx_record_string(record, sizeof *rule);
  struct stat st = {0};
  bool inside = sandbox->layers.flags & SBX_FLAG_INNER_RULES;
  if (!sandbox->layers.has_ruleset)
    return fail(err, "landlock", EINVAL, "a rule without a ruleset");
  if (rule->inner && !inside) return fail(err, "landlock", EINVAL, path);
  int fd = rule->inner ? -1 : pin(sandbox, "landlock", path, &st, err);
  if (fd < 0 && !rule->inner) return -1;
  if (fd >= 0 && S_ISLNK(st.st_mode)) return fail(err, "landlock", ELOOP, path);
  if (fd >= 0 && !S_ISDIR(st.st_mode) && rule->access & ~sbx_landlock_file_rights())
    return fail(err, "landlock", ENOTDIR, path);
  if (inside) {
    struct sbx_rule_record *copied = sbx_plan_copy(sandbox->inside, record);
    if (!copied) return fail(err, "landlock", errno, path);
    copied->dev = st.st_dev;
    copied->ino = st.st_ino;
  } else if (sbx_landlock_allow(sandbox->ruleset, fd, rule->access) < 0) {
    return fail(err, "landlock", errno, path);
  }
  return 0;
}

/* ---- mounts ---- */

/* Only an entry for a path that is there before has an identity. */
static bool has_identity(const struct sbx_mount_record *mount) {
  if (mount->op == SBX_MOUNT_BIND) return !(mount->flags & SBX_MOUNT_PLACEHOLDER);
  return mount->op == SBX_MOUNT_HIDE;
}

static bool has_records(const sbx_plan *plan) {
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  return sbx_plan_next(&cursor) != NULL;
}

static bool has_mounts(const sbx_plan *plan) {
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *record;
  while ((record = sbx_plan_next(&cursor)))
    if (record->type == SBX_RECORD_MOUNT) return true;
  return false;
}

/* NULL where the order of the plan could not be kept. */
static sbx_plan *part_of(const sbx_sandbox *sandbox, const struct sbx_mount_record *mount) {
  if (mount->flags & SBX_MOUNT_PLACEHOLDER) return sandbox->placeholders;
  if (mount->op == SBX_MOUNT_NAMES) return sandbox->names;
  if (!(mount->flags & SBX_MOUNT_AHEAD)) return sandbox->inside;
  return has_mounts(sandbox->inside) ? NULL : sandbox->ahead;
}

static int add_mount(sbx_sandbox *sandbox, const struct sbx_record_header *record,
                     struct sbx_error *err) {
  const struct sbx_mount_record *mount = sbx_record_payload(record);
  const char *path = sbx_mount_path(record);
  struct stat st = {0};
  if (*path != '/') return fail(err, "mount_paths", EINVAL, path);
  if (has_identity(mount) && pin(sandbox, "mount_paths", path, &st, err) < 0) return -1;
  sbx_plan *part = part_of(sandbox, mount);
  if (!part) return fail(err, "mounts", EINVAL, "an entry to be made ahead after one that is not");
  struct sbx_mount_record *copied = sbx_plan_copy(part, record);
  if (!copied) return fail(err, "mounts", errno, path);
  copied->dev = st.st_dev;
  copied->ino = st.st_ino;
  return 0;
}

static int add_socket(sbx_sandbox *sandbox, const struct sbx_record_header *record,
                      struct sbx_error *err) {
  struct stat st = {0};
  const char *path = sbx_record_string(record, sizeof(struct sbx_socket_record));
  if (pin(sandbox, "sockets", path, &st, err) < 0) return -1;
  if (!S_ISSOCK(st.st_mode)) return fail(err, "sockets", ENOTSOCK, path);
  struct sbx_socket_record *copied = sbx_plan_copy(sandbox->inside, record);
  if (!copied) return fail(err, "sockets", errno, path);
  copied->dev = st.st_dev;
  copied->ino = st.st_ino;
  return 0;
}

static int add_journal(sbx_sandbox *sandbox, const struct sbx_record_header *record,
                       struct sbx_error *err) {
  const char *path = sbx_record_string(record, sizeof(uint64_t));
  size_t size = strlen(path) + 1;
  char *journals = realloc(sandbox->journals, sandbox->journals_size + size);
  if (!journals) return fail(err, "placeholders", ENOMEM, NULL);
  memcpy(journals + sandbox->journals_size, path, size);
  sandbox->journals = journals;
  sandbox->journals_size += size;
  return 0;
}

/* What the supervisor does by itself, and needs nothing of before. */
static int add_inside(sbx_sandbox *sandbox, const struct sbx_record_header *record,
                      struct sbx_error *err) {
  return sbx_plan_copy(sandbox->inside, record) ? 0 : fail(err, "limits", errno, NULL);
}

static uint64_t key_of(const void *bytes, size_t size) {
  const unsigned char *at = bytes;
  uint64_t key = UINT64_C(14695981039346656037); /* FNV-1a, eight bytes at a time */
  for (; size >= sizeof key; at += sizeof key, size -= sizeof key) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    key = (key ^ word) * UINT64_C(1099511628211);
    key ^= key >> 32; /* what differs in high bits alone must reach the low ones */
  }
  for (size_t i = 0; i < size; i++) key = (key ^ at[i]) * UINT64_C(1099511628211);
  return key;
}

static uint64_t measure(const sbx_plan *plan, uint32_t *size) {
  size_t whole;
  const void *bytes = sbx_plan_bytes(plan, &whole);
  *size = (uint32_t)whole;
  return key_of(bytes, whole);
}

void sbx_layers_measure(struct sbx_layers *layers, const sbx_plan *inside) {
  layers->inside_key = measure(inside, &layers->inside_size);
}

/* ---- seccomp ---- */

static int add_refusal(sbx_sandbox *sandbox, const struct sbx_record_header *record,
                       struct sbx_error *err) {
  int rc = sbx_program_add(&sandbox->refusing, record);
  return rc == 0 ? 0 : fail(err, "seccomp", errno, NULL);
}

/* Where a listener has no number left, that is so for the first command and for the next. */
#define FEW_DESCRIPTORS 64

static bool has_few_descriptors(const struct sbx_layers *layers) {
  for (uint32_t i = 0; i < layers->nlimits; i++)
    if (layers->limits[i].resource == RLIMIT_NOFILE && layers->limits[i].limit < FEW_DESCRIPTORS)
      return true;
  return false;
}

static int make_programs(sbx_sandbox *sandbox, const sbx_plan *plan, const sbx_sandbox *like,
                         struct sbx_error *err) {
  struct sbx_layers *layers = &sandbox->layers;
  struct sbx_program *refusing = &sandbox->refusing;
  struct sbx_telling *telling = &sandbox->telling;
  if (sbx_program_make(refusing, like ? &like->refusing : NULL, err) < 0) return -1;
  if (sbx_telling_make(telling, refusing, plan, sandbox->inside, err) < 0) return -1;
  if (refusing->on_behalf && telling->code)
    return fail(err, "watch", EINVAL, "a tree has one listener: what is on behalf is watched");
  layers->filter_count = telling->code ? telling->count : refusing->count;
  layers->watched = telling->code != NULL;
  layers->on_behalf = refusing->on_behalf || telling->on_behalf;
  const struct sock_filter *filter = sbx_sandbox_filter(sandbox);
  layers->filter_key = key_of(filter, layers->filter_count * sizeof *filter);
  layers->child_ahead =
      !has_few_descriptors(layers) && sbx_child_may_wait(filter, layers->filter_count);
  return 0;
}

const struct sock_filter *sbx_sandbox_filter(const sbx_sandbox *sandbox) {
  return sandbox->layers.watched ? sandbox->telling.code : sandbox->refusing.code;
}

/* ---- the whole ---- */

static int apply_record(sbx_sandbox *sandbox, const struct sbx_record_header *record,
                        struct sbx_error *err) {
  switch (record->type) {
  case SBX_RECORD_NAMESPACES: return set_namespaces(sandbox, record, err);
  case SBX_RECORD_KEEP_CAPS: return set_caps(sandbox, record, err);
  case SBX_RECORD_KILL: return set_kill(sandbox, record, err);
  case SBX_RECORD_RLIMIT: return add_limit(sandbox, record, err);
  case SBX_RECORD_LANDLOCK: return make_ruleset(sandbox, record, err);
  case SBX_RECORD_LANDLOCK_PATH: return allow_path(sandbox, record, err);
  case SBX_RECORD_MOUNT: return add_mount(sandbox, record, err);
  case SBX_RECORD_SOCKET: return add_socket(sandbox, record, err);
  case SBX_RECORD_JOURNAL: return add_journal(sandbox, record, err);
  case SBX_RECORD_RESOLVE:
    return sbx_plan_copy(sandbox->names, record) ? 0 : fail(err, "resolve", errno, NULL);
  case SBX_RECORD_REFUSE: return add_refusal(sandbox, record, err);
  case SBX_RECORD_CONNECT:
  case SBX_RECORD_CONNECTING:
  case SBX_RECORD_PLACE:
  case SBX_RECORD_BOUNDS:
  case SBX_RECORD_GROUP:
  case SBX_RECORD_GROUP_SET:
  case SBX_RECORD_GROUP_READ: return add_inside(sandbox, record, err);
  default: return 0;
  }
}

static bool needs_mounts(const sbx_sandbox *sandbox) {
  return has_records(sandbox->ahead) || has_mounts(sandbox->inside) ||
         has_records(sandbox->placeholders) || has_mounts(sandbox->names);
}

/* Combinations that would be weaker than they look. */
static int check_whole(const sbx_sandbox *sandbox, struct sbx_error *err) {
  const struct sbx_layers *layers = &sandbox->layers;
  bool nnp = layers->flags & SBX_FLAG_NO_NEW_PRIVS;
  if (!nnp && (layers->filter_count || layers->has_ruleset || layers->flags & SBX_FLAG_DROP_CAPS))
    return fail(err, "no_new_privs", EINVAL, "a sandbox needs no_new_privs");
  if (layers->kill > SBX_KILL_CGROUP) return fail(err, "plan", EINVAL, "unknown way to kill");
  if (layers->kill == SBX_KILL_PIDNS && !(layers->namespaces & SBX_NS_PID))
    return fail(err, "plan", EINVAL, "kill by PID namespace without one");
  if (layers->flags & SBX_FLAG_PROC &&
      (layers->namespaces & (SBX_NS_PID | SBX_NS_MOUNT)) != (SBX_NS_PID | SBX_NS_MOUNT))
    return fail(err, "proc", EINVAL, "a fresh /proc needs a PID and a mount namespace");
  if (layers->flags & SBX_FLAG_LOOPBACK && !(layers->namespaces & SBX_NS_NET))
    return fail(err, "loopback", EINVAL, "loopback without a network namespace");
  if (needs_mounts(sandbox) && !(layers->namespaces & SBX_NS_MOUNT))
    return fail(err, "mounts", EINVAL, "mounts without a mount namespace");
  if (has_records(sandbox->placeholders) && !sandbox->journals)
    return fail(err, "placeholders", EINVAL, "placeholders without a journal");
  const char *beyond = sbx_bounds_check(sandbox->inside, layers->namespaces);
  return beyond ? fail(err, "limits", EINVAL, beyond) : 0;
}

sbx_sandbox *sbx_sandbox_new(const sbx_plan *plan, struct sbx_error *err) {
  return sbx_sandbox_new_like(plan, NULL, err);
}

sbx_sandbox *sbx_sandbox_new_like(const sbx_plan *plan, const sbx_sandbox *like,
                                  struct sbx_error *err) {
  sbx_sandbox *sandbox = calloc(1, sizeof *sandbox);
  if (!sandbox) {
    fail(err, "plan", ENOMEM, NULL);
    return NULL;
  }
  sandbox->ruleset = -1;
  sandbox->ahead = sbx_plan_new();
  sandbox->inside = sbx_plan_new();
  sandbox->placeholders = sbx_plan_new();
  sandbox->names = sbx_plan_new();
  bool all = sandbox->ahead && sandbox->inside && sandbox->placeholders && sandbox->names;
  int rc = all ? 0 : fail(err, "plan", ENOMEM, NULL);
  if (rc == 0) set_flags(sandbox, plan);
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *record;
  while (rc == 0 && (record = sbx_plan_next(&cursor))) rc = apply_record(sandbox, record, err);
  if (rc == 0) rc = make_programs(sandbox, plan, like, err);
  if (rc == 0) rc = check_whole(sandbox, err);
  if (rc == 0) sandbox->layers.ahead_key = measure(sandbox->ahead, &sandbox->layers.ahead_size);
  if (rc == 0) return sandbox;
  sbx_sandbox_free(sandbox);
  return NULL;
}

void sbx_sandbox_free(sbx_sandbox *sandbox) {
  if (!sandbox) return;
  for (size_t i = 0; i < sandbox->npins; i++) close(sandbox->pins[i]);
  free(sandbox->pins);
  sbx_program_free(&sandbox->refusing);
  sbx_telling_free(&sandbox->telling);
  free(sandbox->cgroup);
  free(sandbox->journals);
  sbx_plan_free(sandbox->ahead);
  sbx_plan_free(sandbox->inside);
  sbx_plan_free(sandbox->placeholders);
  sbx_plan_free(sandbox->names);
  sbx_fd_close(&sandbox->ruleset);
  free(sandbox);
}
