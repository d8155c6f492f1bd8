/* A plan as the helper compiles it: refused with a step, or a sandbox whose request arrives at the
 * supervisor as it was sent. No descriptor stays either way. */
#include "engine/sandbox.h"

#include <linux/bpf_common.h>

#include "engine/launch.h"
#include "engine/receive.h"
#include "fuzz.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, room);
  if (seed % 32) fuzz_mend_plan(data, size, 0, SIZE_MAX);
  return size;
}

static void check_list(char **list, const char *const *sent) {
  for (; *sent; list++, sent++) MUST(*list && strcmp(*list, *sent) == 0);
  MUST(!*list);
}

static void check_plan(const sbx_plan *sent, const sbx_plan *came) {
  size_t size_a, size_b;
  const void *a = sbx_plan_bytes(sent, &size_a), *b = sbx_plan_bytes(came, &size_b);
  MUST(size_a == size_b && memcmp(a, b, size_a) == 0);
}

static void check_arrived(const sbx_sandbox *sandbox, const struct sbx_request *request,
                          const struct sbx_launch *launch) {
  size_t filter = sandbox->layers.filter_count * sizeof(struct sock_filter);
  check_plan(sandbox->ahead, launch->ahead);
  check_plan(sandbox->inside, launch->inside);
  MUST(filter == 0 || memcmp(sbx_sandbox_filter(sandbox), launch->filter, filter) == 0);
  check_list(launch->argv, request->argv);
  check_list(launch->envp, request->env);
  MUST(strcmp(launch->cwd, request->cwd) == 0);
  MUST(strcmp(launch->cgroup, sandbox->cgroup ? sandbox->cgroup : "") == 0);
  MUST(strcmp(launch->candidates[0], "/first/true") == 0 && !launch->candidates[2]);
}

static void send_through(const sbx_sandbox *sandbox) {
  static const char *const argv[] = {"true", "", "a b", NULL};
  static const char *const env[] = {"HOME=/", "PATH=/first:/second", "X=", NULL};
  struct sbx_launch launch = {.control = -1, .in = -1, .out = -1, .err = -1, .ruleset = -1};
  struct sbx_error err = {0};
  struct sbx_request request;
  sbx_request_init(&request);
  request.argv = argv;
  request.env = env;
  request.cwd = "/somewhere";
  struct sbx_layers layers = sandbox->layers;
  sbx_layers_measure(&layers, sandbox->inside);
  char *blob = sbx_launch_pack(sandbox, &layers, sandbox->inside, &request, &launch.head, &err);
  MUST(blob && sbx_launch_unpack(&launch, blob) == 0);
  check_arrived(sandbox, &request, &launch);
  sbx_launch_release(&launch);
}

static void check_layers(const sbx_sandbox *sandbox) {
  const struct sbx_layers *layers = &sandbox->layers;
  MUST(layers->nlimits <= SBX_LIMITS_MAX && layers->filter_count <= BPF_MAXINSNS);
  MUST(layers->kill <= SBX_KILL_CGROUP &&
       (layers->filter_count == 0) == !sbx_sandbox_filter(sandbox));
  bool weak = !(layers->flags & SBX_FLAG_NO_NEW_PRIVS);
  MUST(!weak || (!layers->filter_count && !layers->has_ruleset));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  unsigned files = fuzz_open_files();
  struct sbx_error err = {0};
  sbx_plan *plan = sbx_plan_from_bytes(data, size, NULL);
  sbx_sandbox *sandbox = plan ? sbx_sandbox_new(plan, &err) : NULL;
  if (sandbox) {
    check_layers(sandbox);
    send_through(sandbox);
  } else if (plan) {
    MUST(err.kind == SBX_ERROR_SANDBOX && *err.step && *err.message);
  }
  sbx_sandbox_free(sandbox);
  sbx_plan_free(plan);
  MUST(fuzz_open_files() == files);
  return 0;
}
