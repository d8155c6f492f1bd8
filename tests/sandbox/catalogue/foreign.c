/* Calls of another architecture, of which rules by number know nothing. */
#include "catalogue.h"

#include "../int80.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#ifdef __x86_64__
/* A copy that a 32-bit pointer reaches. */
static long low(const void *bytes, size_t size) {
  void *copy =
      mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  if (copy == MAP_FAILED) exit(6);
  memcpy(copy, bytes, size);
  return (long)copy;
}
static long low_path(const char *path) {
  return low(path, strlen(path) + 1);
}

static long foreign_open(void) {
  return put((int)int80(5, low_path(outside("file")), O_WRONLY, 0));
}
static long foreign_mode(void) {
  return int80(15, low_path(outside("file")), 0600, 0);
}
static long foreign_unlink(void) {
  return int80(10, low_path(outside("file")), 0, 0);
}
static long foreign_kill(void) {
  int pid = atoi(own("pid"));
  return pid < 2 ? -1 : int80(37, pid, SIGUSR1, 0);
}
static long foreign_tcp(void) {
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(fact("tcp")))};
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  long fd = int80(359, AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || int80(362, fd, low(&in, sizeof in), sizeof in) < 0) return -1;
  return int80(4, fd, low_path(current), (long)strlen(current));
}
static long x32_open(void) {
  return put((int)syscall(0x40000000 | SYS_open, outside("file"), O_WRONLY));
}
#else
static long none(void) {
  errno = ENOSYS;
  return -1;
}
#define foreign_open none
#define foreign_mode none
#define foreign_unlink none
#define foreign_kill none
#define foreign_tcp none
#define x32_open none
#endif

const struct attempt foreign_attempts[] = {
    {"foreign_open", "open by int 0x80", foreign_open, NULL, NULL},
    {"foreign_mode", "chmod by int 0x80", foreign_mode, NULL, NULL},
    {"foreign_unlink", "unlink by int 0x80", foreign_unlink, NULL, NULL},
    {"foreign_kill", "kill by int 0x80", foreign_kill, NULL, NULL},
    {"foreign_tcp", "connect by int 0x80", foreign_tcp, NULL, NULL},
    {"foreign_x32", "open by x32", x32_open, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
