#include "layers/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sbx.h"

int sbx_namespace_flags(uint32_t namespaces) {
  static const struct {
    uint32_t bit;
    int flag;
  } table[] = {{SBX_NS_USER, CLONE_NEWUSER}, {SBX_NS_MOUNT, CLONE_NEWNS},
               {SBX_NS_PID, CLONE_NEWPID},   {SBX_NS_NET, CLONE_NEWNET},
               {SBX_NS_IPC, CLONE_NEWIPC},   {SBX_NS_UTS, CLONE_NEWUTS}};
  int flags = 0;
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
    if (namespaces & table[i].bit) flags |= table[i].flag;
  return flags;
}

static int write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  size_t size = strlen(text);
  ssize_t written = write(fd, text, size);
  int saved = written < 0 ? errno : EIO;
  close(fd);
  errno = saved;
  return written == (ssize_t)size ? 0 : -1;
}

/* user_namespaces(7): setgroups must be denied before an unprivileged gid_map is written, and the
 * one line may only map the writer's own effective ids. */
int sbx_namespace_map_self(uid_t uid, gid_t gid) {
  char line[64];
  if (write_file("/proc/self/setgroups", "deny") < 0) return -1;
  snprintf(line, sizeof line, "%u %u 1\n", uid, uid);
  if (write_file("/proc/self/uid_map", line) < 0) return -1;
  snprintf(line, sizeof line, "%u %u 1\n", gid, gid);
  return write_file("/proc/self/gid_map", line);
}

/* As this process has them: each range as itself. */
static int copy_map(pid_t pid, const char *name) {
  char path[48], line[128], map[1024] = "";
  size_t used = 0;
  snprintf(path, sizeof path, "/proc/self/%s", name);
  FILE *file = fopen(path, "re");
  if (!file) return -1;
  while (fgets(line, sizeof line, file) && used < sizeof map - 64) {
    unsigned first, outside, count;
    if (sscanf(line, "%u %u %u", &first, &outside, &count) != 3) continue;
    used += (size_t)snprintf(map + used, sizeof map - used, "%u %u %u\n", first, first, count);
  }
  fclose(file);
  snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
  return write_file(path, map);
}

int sbx_namespace_map_all(pid_t pid) {
  return copy_map(pid, "uid_map") < 0 ? -1 : copy_map(pid, "gid_map");
}

int sbx_namespace_loopback(void) {
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  int rc = ioctl(fd, SIOCSIFFLAGS, &request);
  int saved = errno;
  close(fd);
  errno = saved;
  return rc;
}
