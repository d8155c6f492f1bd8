#include "layers/limits.h"

#include <string.h>
#include <sys/resource.h>

#include "sbx.h"

int sbx_rlimit(const char *name) {
  static const struct {
    const char *name;
    int resource;
  } table[] = {
      {"core", RLIMIT_CORE},   {"nofile", RLIMIT_NOFILE}, {"nproc", RLIMIT_NPROC},
      {"fsize", RLIMIT_FSIZE}, {"cpu", RLIMIT_CPU},       {"memlock", RLIMIT_MEMLOCK},
      {"as", RLIMIT_AS},       {"data", RLIMIT_DATA},     {"stack", RLIMIT_STACK},
  };
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
    if (strcmp(table[i].name, name) == 0) return table[i].resource;
  return -1;
}

int sbx_limit_set(int resource, uint64_t limit) {
  struct rlimit now;
  if (getrlimit((__rlimit_resource_t)resource, &now) < 0) return -1;
  rlim_t value = (rlim_t)limit < now.rlim_max ? (rlim_t)limit : now.rlim_max;
  struct rlimit next = {value, value};
  /* SIGXCPU comes at the soft one, which says why; at the hard one it is SIGKILL. */
  if (resource == RLIMIT_CPU && value < now.rlim_max) next.rlim_max = value + 1;
  return setrlimit((__rlimit_resource_t)resource, &next);
}
