#include "engine/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/error.h"
#include "engine/plan.h"
#include "layers/descriptors.h"
#include "layers/landlock.h"
#include "layers/seccomp.h"

static int fail(struct sbx_error *err, const char *step, int code, const char *detail) {
  return sbx_fail(err, SBX_ERROR_SANDBOX, step, code, detail);
}

static int set_flags(sbx_sandbox *sandbox, const struct sbx_record_header *record,
                     struct sbx_error *err) {
  (void)err;
  memcpy(&sandbox->layers.flags, sbx_record_payload(record), sizeof sandbox->layers.flags);
  return 0;
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

static int make_ruleset(sbx_sandbox *sandbox, const struct sbx_record_header *record,
                        struct sbx_error *err) {
  const struct sbx_landlock_record *landlock = sbx_record_payload(record);
  if (sandbox->ruleset >= 0) return fail(err, "landlock", EINVAL, "two rulesets in one plan");
  if (check_rights(landlock, err) < 0) return -1;
  sandbox->ruleset = sbx_fd_high(
      sbx_landlock_ruleset((int)landlock->abi, landlock->fs, landlock->net, landlock->scope));
  if (sandbox->ruleset < 0) return fail(err, "landlock", errno, "create the ruleset");
  sandbox->layers.has_ruleset = 1;
  return 0;
}

/* Paths of a plan are real paths. A link on the way now is somebody's change since: following it
 * would allow another place than the one that was judged. */
static int open_exact(const char *path) {
  struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
  return sbx_fd_high((int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how));
}

static int pin(sbx_sandbox *sandbox, int fd) {
  int *pins = realloc(sandbox->pins, (sandbox->npins + 1) * sizeof *pins);
  if (!pins) return -1;
  sandbox->pins = pins;
  pins[sandbox->npins++] = fd;
  return 0;
}

static int allow_path(sbx_sandbox *sandbox, const struct sbx_record_header *record,
                      struct sbx_error *err) {
  uint64_t access;
  struct stat st;
  const char *path = sbx_record_string(record, sizeof access);
  memcpy(&access, sbx_record_payload(record), sizeof access);
  if (sandbox->ruleset < 0) return fail(err, "landlock", EINVAL, "a rule without a ruleset");
  int fd = open_exact(path);
  if (fd < 0) return fail(err, "landlock", errno, path);
  if (pin(sandbox, fd) < 0) {
    close(fd);
    return fail(err, "landlock", ENOMEM, path);
  }
  if (fstat(fd, &st) < 0) return fail(err, "landlock", errno, path);
  if (!S_ISDIR(st.st_mode) && access & ~sbx_landlock_file_rights())
    return fail(err, "landlock", ENOTDIR, path);
  if (sbx_landlock_allow(sandbox->ruleset, fd, access) < 0)
    return fail(err, "landlock", errno, path);
  return 0;
}

/* ---- seccomp ---- */

static int refuse(struct sbx_filter *filter, const struct sbx_record_header *record,
                  struct sbx_error *err) {
  struct sbx_refusal refusal;
  struct sbx_arg args[6];
  memcpy(&refusal, sbx_record_payload(record), sizeof refusal);
  const char *after = (const char *)sbx_record_payload(record) + sizeof refusal;
  memcpy(args, after, refusal.nargs * sizeof *args);
  const char *name = after + refusal.nargs * sizeof *args;
  int rc =
      sbx_filter_refuse(filter, name, refusal.number, refusal.errno_value, args, refusal.nargs);
  return rc == 0 ? 0 : fail(err, "seccomp", rc, *name ? name : "a call by number");
}

static int fill_filter(struct sbx_filter *filter, const sbx_plan *plan, struct sbx_error *err) {
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *record;
  while ((record = sbx_plan_next(&cursor)))
    if (record->type == SBX_RECORD_REFUSE && refuse(filter, record, err) < 0) return -1;
  return 0;
}

static bool has_refusals(const sbx_plan *plan) {
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *record;
  while ((record = sbx_plan_next(&cursor)))
    if (record->type == SBX_RECORD_REFUSE) return true;
  return false;
}

static int compile_filter(sbx_sandbox *sandbox, const sbx_plan *plan, struct sbx_error *err) {
  size_t count = 0;
  if (!has_refusals(plan)) return 0;
  struct sbx_filter *filter = sbx_filter_new();
  if (!filter) return fail(err, "seccomp", errno, NULL);
  int rc = fill_filter(filter, plan, err);
  if (rc == 0 && !(sandbox->filter = sbx_filter_export(filter, &count)))
    rc = fail(err, "seccomp", errno ? errno : EINVAL, "export the filter");
  if (rc == 0 && count > BPF_MAXINSNS) rc = fail(err, "seccomp", E2BIG, NULL);
  sandbox->layers.filter_count = (uint32_t)count;
  sbx_filter_free(filter);
  return rc;
}

/* ---- the whole ---- */

static int apply_record(sbx_sandbox *sandbox, const struct sbx_record_header *record,
                        struct sbx_error *err) {
  switch (record->type) {
  case SBX_RECORD_FLAGS: return set_flags(sandbox, record, err);
  case SBX_RECORD_NAMESPACES: return set_namespaces(sandbox, record, err);
  case SBX_RECORD_KEEP_CAPS: return set_caps(sandbox, record, err);
  case SBX_RECORD_KILL: return set_kill(sandbox, record, err);
  case SBX_RECORD_RLIMIT: return add_limit(sandbox, record, err);
  case SBX_RECORD_LANDLOCK: return make_ruleset(sandbox, record, err);
  case SBX_RECORD_LANDLOCK_PATH: return allow_path(sandbox, record, err);
  default: return 0;
  }
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
  return 0;
}

sbx_sandbox *sbx_sandbox_new(const sbx_plan *plan, struct sbx_error *err) {
  sbx_sandbox *sandbox = calloc(1, sizeof *sandbox);
  if (!sandbox) {
    fail(err, "plan", ENOMEM, NULL);
    return NULL;
  }
  sandbox->ruleset = -1;
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *record;
  int rc = 0;
  while (rc == 0 && (record = sbx_plan_next(&cursor))) rc = apply_record(sandbox, record, err);
  if (rc == 0) rc = compile_filter(sandbox, plan, err);
  if (rc == 0) rc = check_whole(sandbox, err);
  if (rc == 0) return sandbox;
  sbx_sandbox_free(sandbox);
  return NULL;
}

void sbx_sandbox_free(sbx_sandbox *sandbox) {
  if (!sandbox) return;
  for (size_t i = 0; i < sandbox->npins; i++) close(sandbox->pins[i]);
  free(sandbox->pins);
  free(sandbox->filter);
  free(sandbox->cgroup);
  sbx_fd_close(&sandbox->ruleset);
  free(sandbox);
}
