#include "engine/confinement.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layers/capabilities.h"

/* Before every command: system calls that are answered from the task itself, since the status file
 * that has it all takes 30 microseconds to print. */
static void read_ids(struct sbx_confinement *c) {
  getresuid(&c->uids[0], &c->uids[1], &c->uids[2]);
  getresgid(&c->gids[0], &c->gids[1], &c->gids[2]);
  c->ngroups = getgroups(SBX_CONFINEMENT_GROUPS, c->groups);
}

static void read_privileges(struct sbx_confinement *c) {
  c->no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
  c->seccomp = prctl(PR_GET_SECCOMP, 0, 0, 0, 0);
  c->securebits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
  sbx_capabilities_read(&c->effective, &c->permitted, &c->inheritable, &c->bounding);
}

/* That there is one more filter than before stands in the status file alone (proc_pid_status(5)).
 */
static void read_filters(struct sbx_confinement *c) {
  char status[4096];
  if (c->seccomp == 0) return;
  int fd = open("/proc/thread-self/status", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t size = read(fd, status, sizeof status - 1);
  close(fd);
  status[size > 0 ? size : 0] = 0;
  const char *line = strstr(status, "Seccomp_filters:");
  if (line) snprintf(c->filters, sizeof c->filters, "%.*s", (int)strcspn(line, "\n"), line);
}

static void read_places(struct sbx_confinement *c) {
  struct stat st;
  if (stat("/", &st) == 0) {
    c->root_dev = (uint64_t)st.st_dev;
    c->root_ino = (uint64_t)st.st_ino;
  }
  static const char *const links[] = {"/proc/thread-self/ns/mnt", "/proc/thread-self/ns/user",
                                      "/proc/thread-self/ns/net"};
  for (int i = 0; i < 3; i++)
    if (readlink(links[i], c->namespaces[i], sizeof c->namespaces[i] - 1) < 0)
      c->namespaces[i][0] = 0;
}

void sbx_confinement_read(struct sbx_confinement *confinement) {
  memset(confinement, 0, sizeof *confinement);
  read_ids(confinement);
  read_privileges(confinement);
  read_filters(confinement);
  read_places(confinement);
}

bool sbx_confinement_sees(pid_t spawner) {
  char path[48], link[64];
  snprintf(path, sizeof path, "/proc/%d/ns/user", (int)spawner);
  return readlink(path, link, sizeof link) > 0;
}
