#include "engine/remote.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/clock.h"

#define MOUNTS_MAX 64

/* Without a mount namespace of its own a process sees what others mount: asked again after this. */
#define KEPT_MS 1000

static struct {
  uint64_t ids[MOUNTS_MAX];
  size_t count;
  int64_t since_ns;
  bool known, all; /* all: more than fit, or the list can't be had */
  bool never;      /* none, and none can come */
} remote;

/* Not those whose server is the machine below (9p, virtiofs). */
static bool is_remote(const char *type) {
  static const char *const types[] = {"nfs",      "cifs", "smb3", "fuse ",  "fuse.",
                                      "fuseblk ", "ceph", "afs ", "autofs", NULL};
  for (const char *const *at = types; *at; at++)
    if (strncmp(type, *at, strlen(*at)) == 0) return true;
  return false;
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw" (proc_pid_mountinfo(5)) */
static void take_line(const char *line) {
  const char *type = strstr(line, " - ");
  if (!type || !is_remote(type + 3)) return;
  if (remote.count == MOUNTS_MAX) {
    remote.all = true;
    return;
  }
  remote.ids[remote.count++] = strtoull(line, NULL, 10);
}

static void learn(void) {
  FILE *file = fopen("/proc/self/mountinfo", "re");
  char *line = NULL;
  size_t room = 0;
  remote.known = true;
  remote.since_ns = sbx_now();
  remote.count = 0;
  remote.all = !file;
  if (!file) return;
  while (getline(&line, &room, file) >= 0) take_line(line);
  free(line);
  fclose(file);
}

void sbx_remote_settle(void) {
  remote.never = !sbx_remote_any();
}

bool sbx_remote_any(void) {
  if (remote.never) return false;
  if (!remote.known || sbx_now() - remote.since_ns > KEPT_MS * SBX_MS) learn();
  return remote.all || remote.count > 0;
}

bool sbx_remote_is(int fd) {
  struct statx st;
  if (!sbx_remote_any()) return false;
  if (remote.all) return true;
  if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &st) < 0) return true;
  for (size_t i = 0; i < remote.count; i++)
    if (remote.ids[i] == st.stx_mnt_id) return true;
  return false;
}
