/* What a command inherits from its host beyond the request, and how confined that is: a spawner is
 * used only while its host is what it was when it started it. */
#ifndef SBX_CONFINEMENT_H
#define SBX_CONFINEMENT_H

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

#define SBX_CONFINEMENT_TEXT 1024

/* Compared as bytes: made by sbx_confinement_read() alone, which clears it first. */
struct sbx_confinement {
  char text[SBX_CONFINEMENT_TEXT]; /* ids, groups, mask, capabilities, filters, CPUs, namespaces */
  struct rlimit limits[RLIM_NLIMITS];
  int nice, personality;
  dev_t root_dev;
  ino_t root_ino;
};

void sbx_confinement_read(struct sbx_confinement *confinement);
/* Whether the spawner may still be looked into: not so once the caller entered a Landlock domain
 * after that one was started, or when it is gone. */
bool sbx_confinement_sees(pid_t spawner);

#endif
