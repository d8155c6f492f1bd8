/* The message of a request to the spawner, as the host sends it: seed PLAN >MESSAGE. The word
 * "memfd" behind the plan's name makes it one whose blob goes in a file of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/launch.h"

static sbx_plan *read_plan(const char *path) {
  static char bytes[1 << 20];
  FILE *file = fopen(path, "re");
  size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
  if (file) fclose(file);
  return sbx_plan_from_bytes(bytes, size, NULL);
}

int main(int argc, char **argv) {
  static const char *const command[] = {"sh", "-c", "true", NULL};
  static const char *const env[] = {"PATH=/usr/bin:/bin", "HOME=/", NULL};
  struct sbx_error err = {0};
  struct sbx_request request;
  struct sbx_wire_head head;
  sbx_plan *plan = argc > 1 ? read_plan(argv[1]) : NULL;
  sbx_sandbox *sandbox = plan ? sbx_sandbox_new(plan, &err) : NULL;
  if (!sandbox) {
    fprintf(stderr, "seed: %s\n", *err.message ? err.message : "no plan");
    return 1;
  }
  sbx_request_init(&request);
  request.argv = command;
  request.env = env;
  request.cwd = "/";
  struct sbx_layers layers = sandbox->layers;
  sbx_layers_measure(&layers, sandbox->inside);
  char *blob = sbx_launch_pack(sandbox, &layers, sandbox->inside, &request, &head, &err);
  if (!blob) return 1;
  head.has_ruleset = sandbox->ruleset >= 0;
  head.blob_in_memfd = argc > 2 && strcmp(argv[2], "memfd") == 0;
  fwrite(&head, sizeof head, 1, stdout);
  fwrite(blob, head.blob_size, 1, stdout);
  free(blob);
  sbx_sandbox_free(sandbox);
  sbx_plan_free(plan);
  return 0;
}
