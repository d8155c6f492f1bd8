/* What stands between the command and the host: the process that started it, and the first of its
 * PID namespace. Nothing here would do that process harm. */
#include "catalogue.h"

#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

pid_t supervisor;

static long write_through(const char *link) {
  long rc = -1;
  pid_t list[] = {supervisor, 1};
  for (int i = 0; i < 2 && rc < 0; i++)
    rc = put(open(text("/proc/%d/%s", list[i], link), O_WRONLY));
  return rc;
}
static long through_root(void) {
  return write_through(text("root%s", outside("file")));
}
static long through_cwd(void) {
  char *up = text("cwd");
  for (int i = 0; i < 40; i++) up = text("%s/..", up);
  return write_through(text("%s%s", up, outside("file")));
}

static long memory(void) {
  return open(text("/proc/%d/mem", supervisor), O_RDWR);
}

static long descriptor(void) {
  int pidfd = (int)syscall(SYS_pidfd_open, supervisor, 0), found = -1;
  for (int fd = 0; fd < 64 && found < 0; fd++) found = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
  return found < 0 ? -1 : dup2(found, 200);
}

static long trace(void) {
  return ptrace(PTRACE_SEIZE, supervisor, NULL, NULL);
}

const struct attempt supervisor_attempts[] = {
    {"supervisor_root", "write through its root", through_root, NULL, NULL},
    {"supervisor_cwd", "write through its directory", through_cwd, NULL, NULL},
    {"supervisor_memory", "open its memory", memory, "write:/mem", NULL},
    {"supervisor_descriptor", "pidfd_getfd", descriptor, "number:200", NULL},
    {"supervisor_trace", "PTRACE_SEIZE", trace, "tracer:", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
