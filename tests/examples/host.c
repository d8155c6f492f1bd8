/* A host in C: runs a command that may write nowhere and prints what came of it.
 * cc host.c -lsbx -o host && ./host /usr/local/bin/sbx-exec sh -c 'echo hello; touch /tmp/x' */
#include <sbx.h>
#include <stdio.h>

static int fail(const struct sbx_error *err) {
  fprintf(stderr, "%s\n", err->message);
  return 125;
}

/* Writing and creating are handled and no path has a rule that allows them. */
static sbx_plan *plan_without_writes(void) {
  static const char *const rights[] = {"write_file", "make_reg", "make_dir", "remove_file"};
  uint64_t fs = 0;
  for (size_t i = 0; i < sizeof rights / sizeof *rights; i++) {
    fs |= sbx_landlock_fs_right(rights[i]);
  }
  sbx_plan *plan = sbx_plan_new();
  if (plan == NULL) return NULL;
  sbx_plan_flags(plan, SBX_FLAG_NO_NEW_PRIVS);
  sbx_plan_landlock(plan, 1, fs, 0, 0);
  return plan;
}

static void print_result(sbx_job *job) {
  const struct sbx_result *result = sbx_job_result(job);
  size_t size = 0;
  const char *text = sbx_job_output(job, SBX_AGGREGATED, &size);
  printf("exit code %d, %zu bytes: ", result->exit_code, size);
  fwrite(text, 1, size, stdout);
}

int main(int argc, char **argv) {
  static const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
  if (argc < 3) return 125;
  struct sbx_error err = {0};
  struct sbx_request request = {
      .argv = (const char *const *)(argv + 2),
      .env = env,
      .cwd = "/",
      .stdout_fd = -1,
      .stderr_fd = -1,
      .timeout_ms = 10000,
      .idle_timeout_ms = -1,
      .drain_ms = 100,
      .setup_timeout_ms = 5000,
      .max_output_bytes = 1 << 20,
  };
  sbx_plan *plan = plan_without_writes();
  sbx_sandbox *sandbox = plan ? sbx_sandbox_new(plan, &err) : NULL;
  if (sandbox == NULL) return fail(&err);
  sbx_engine *engine = sbx_engine_new(argv[1]);
  sbx_job *job = sbx_spawn(engine, sandbox, &request, &err);
  if (job == NULL) return fail(&err);
  while (sbx_job_pump(job, -1) == 0) continue;
  print_result(job);
  sbx_job_free(job);
  sbx_engine_free(engine);
  sbx_sandbox_free(sandbox);
  sbx_plan_free(plan);
  return 0;
}
