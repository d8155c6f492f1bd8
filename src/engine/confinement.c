#include "engine/confinement.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <unistd.h>

/* Lines of proc_pid_status(5), by their beginning. */
static const char *const fields[] = {
    "Umask:",  "Uid:",    "Gid:",    "Groups:",     "CapInh:", "CapPrm:",
    "CapEff:", "CapBnd:", "CapAmb:", "NoNewPrivs:", "Seccomp", "Cpus_allowed:"};

static bool counts(const char *line) {
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
    if (strncmp(line, fields[i], strlen(fields[i])) == 0) return true;
  return false;
}

static size_t add(char *text, size_t used, const char *more, size_t size) {
  if (size > SBX_CONFINEMENT_TEXT - 1 - used) size = SBX_CONFINEMENT_TEXT - 1 - used;
  memcpy(text + used, more, size);
  return used + size;
}

/* One file (12 microseconds) instead of some sixty calls; the mask and the number of filters stand
 * nowhere else. */
static size_t add_status(char *text, size_t used) {
  char status[4096];
  int fd = open("/proc/thread-self/status", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return used;
  ssize_t size = read(fd, status, sizeof status - 1);
  close(fd);
  status[size > 0 ? size : 0] = 0;
  for (const char *line = status; *line;) {
    size_t length = strcspn(line, "\n");
    if (counts(line)) used = add(text, used, line, length);
    line += length + (line[length] == '\n');
  }
  return used;
}

static size_t add_namespaces(char *text, size_t used) {
  static const char *const links[] = {"/proc/thread-self/ns/mnt", "/proc/thread-self/ns/user",
                                      "/proc/thread-self/ns/net"};
  char link[64];
  for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
    ssize_t size = readlink(links[i], link, sizeof link);
    if (size > 0) used = add(text, used, link, (size_t)size);
  }
  return used;
}

void sbx_confinement_read(struct sbx_confinement *confinement) {
  struct stat st;
  memset(confinement, 0, sizeof *confinement);
  add_namespaces(confinement->text, add_status(confinement->text, 0));
  for (int i = 0; i < RLIM_NLIMITS; i++) getrlimit((__rlimit_resource_t)i, &confinement->limits[i]);
  confinement->nice = getpriority(PRIO_PROCESS, 0);
  confinement->personality = personality(0xffffffff);
  if (stat("/", &st) < 0) return;
  confinement->root_dev = st.st_dev;
  confinement->root_ino = st.st_ino;
}

bool sbx_confinement_sees(pid_t spawner) {
  char path[48], link[64];
  snprintf(path, sizeof path, "/proc/%d/ns/user", (int)spawner);
  return readlink(path, link, sizeof link) > 0;
}
