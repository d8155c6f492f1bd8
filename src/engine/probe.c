/* What this machine can do. An ability counts only when it was tried to the end: sbx_try() starts
 * a real command under a plan that asks for it. */
#include <linux/seccomp.h>
#include <stddef.h>
#include <unistd.h>

#include "engine/error.h"
#include "engine/launch.h"
#include "layers/cgroup.h"
#include "layers/group.h"
#include "layers/landlock.h"
#include "layers/seccomp.h"

#ifndef SECCOMP_RET_USER_NOTIF
#define SECCOMP_RET_USER_NOTIF 0x7fc00000U
#endif

#define TRY_MS 5000

int sbx_landlock_abi(void) {
  return sbx_landlock_version();
}

bool sbx_seccomp(void) {
  return sbx_filter_action_available(SECCOMP_RET_ERRNO);
}

bool sbx_user_notify(void) {
  return sbx_filter_action_available(SECCOMP_RET_USER_NOTIF);
}

bool sbx_pidfd(void) {
  int fd = sbx_pidfd_open(getpid());
  if (fd >= 0) close(fd);
  return fd >= 0;
}

int sbx_group_directory(const char *controller, char *path, size_t size) {
  return sbx_group_find(controller, path, size);
}

bool sbx_delegated_cgroup(char *path, size_t size) {
  return sbx_cgroup_find(path, size);
}

static int try_in(sbx_engine *engine, const char *helper, const sbx_sandbox *sandbox,
                  struct sbx_error *err) {
  const char *const argv[] = {helper, "--noop", NULL};
  const char *const env[] = {NULL};
  struct sbx_request request;
  sbx_request_init(&request);
  request.argv = argv;
  request.arg0 = "sbx-exec";
  request.env = env;
  request.timeout_ms = TRY_MS;
  request.setup_timeout_ms = TRY_MS;
  request.max_output_bytes = 4096;
  sbx_job *job = sbx_spawn(engine, sandbox, &request, err);
  if (!job) return -1;
  while (sbx_job_pump(job, -1) == 0) continue;
  int code = sbx_job_result(job)->exit_code;
  sbx_job_free(job);
  return code == 0 ? 0 : sbx_fail(err, SBX_ERROR_SANDBOX, "command", 0, "did not run to its end");
}

int sbx_try(sbx_engine *engine, const char *helper, const sbx_plan *plan, struct sbx_error *err) {
  sbx_sandbox *sandbox = sbx_sandbox_new(plan, err);
  if (!sandbox) return -1;
  int rc = try_in(engine, helper, sandbox, err);
  sbx_sandbox_free(sandbox);
  return rc;
}
