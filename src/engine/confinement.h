/* What a command inherits from its host beyond the request, and how confined that is: a spawner is
 * used only while its host is what it was when it started it. */
#ifndef SBX_CONFINEMENT_H
#define SBX_CONFINEMENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

/* Compared as bytes: made by sbx_confinement_read() alone, which clears it first. */
struct sbx_confinement {
  uint64_t status; /* ids, groups, mask, capabilities, filters, CPUs: a hash of these lines */
  uint64_t places; /* namespaces, cgroups, out-of-memory score: a hash of their names */
  struct rlimit limits[RLIM_NLIMITS];
  int nice, scheduler, io_priority, personality, secure_bits, timer_slack;
  dev_t root_dev;
  ino_t root_ino;
};

/* False: something could not be read, so that nothing can be said. */
bool sbx_confinement_read(struct sbx_confinement *confinement);
/* Whether the spawner may still be looked into: not so once the caller entered a Landlock domain
 * after that one was started, or when it is gone. */
bool sbx_confinement_sees(pid_t spawner);

#endif
