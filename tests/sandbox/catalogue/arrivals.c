/* The other direction: the host dials what the command offers, and is told the attempt's name. */
#include "catalogue.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { PATIENCE_MS = 300 };

static long wait_for(int fd) {
  struct pollfd poll_for = {.fd = fd, .events = POLLIN};
  errno = ETIMEDOUT;
  return poll(&poll_for, 1, PATIENCE_MS) == 1 ? 0 : -1;
}

/* The world sees the file and dials that port. */
static int announce(int fd) {
  struct sockaddr_in in;
  socklen_t size = sizeof in;
  if (getsockname(fd, (void *)&in, &size) < 0) return -1;
  FILE *file = fopen(inside("port.new"), "we");
  if (!file) return -1;
  fprintf(file, "%d\n", ntohs(in.sin_port));
  fclose(file);
  return rename(inside("port.new"), inside("port"));
}

static long welcome(int fd) {
  if (wait_for(fd) < 0) return -1;
  int connection = accept(fd, NULL, NULL);
  return connection < 0 ? -1 : send(connection, current, strlen(current), MSG_NOSIGNAL);
}

static int bound(int type) {
  struct sockaddr_in in = {.sin_family = AF_INET};
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, type, 0);
  return fd < 0 || bind(fd, (void *)&in, sizeof in) < 0 ? -1 : fd;
}

static long listen_bound(void) {
  int fd = bound(SOCK_STREAM);
  return fd < 0 || listen(fd, 1) < 0 || announce(fd) < 0 ? -1 : welcome(fd);
}

static long listen_unbound(void) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  return fd < 0 || listen(fd, 1) < 0 || announce(fd) < 0 ? -1 : welcome(fd);
}

static long receive(void) {
  int fd = bound(SOCK_DGRAM);
  if (fd < 0 || announce(fd) < 0 || wait_for(fd) < 0) return -1;
  return leak_from(fd);
}

static long listen_path(void) {
  struct sockaddr_un un = {.sun_family = AF_UNIX};
  snprintf(un.sun_path, sizeof un.sun_path, "%s", inside("s"));
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0 || bind(fd, (void *)&un, sizeof un) < 0 || listen(fd, 1) < 0) return -1;
  return welcome(fd);
}

const struct attempt arrival_attempts[] = {
    {"arrive_tcp", "bind and listen", listen_bound, NULL, NULL},
    {"arrive_unbound", "listen without bind", listen_unbound, NULL, NULL},
    {"arrive_udp", "a datagram of the host's", receive, NULL, NULL},
    {"arrive_path", "a socket in the root", listen_path, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
