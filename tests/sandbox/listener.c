/* A server of the host: listener DIR LOG. Notes what reaches it; ends when its input does. */
#define _GNU_SOURCE
#include "loopback.h"

#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

enum { MOST = 16 };
static struct pollfd fds[MOST];
static struct {
  const char *name;
  int datagrams;
} what[MOST];
static int count;

static void add(int fd, const char *name, int datagrams) {
  fds[count].fd = fd;
  fds[count].events = POLLIN;
  what[count].name = name;
  what[count++].datagrams = datagrams;
}

static int internet(int family, int type, int port) {
  int fd = bind_loopback(family, type, &port);
  if (fd < 0) return 0;
  if (type == SOCK_STREAM) {
    int queue = 5;
    setsockopt(fd, IPPROTO_TCP, 23 /* TCP_FASTOPEN */, &queue, sizeof queue);
    listen(fd, 16);
  }
  add(fd, type == SOCK_STREAM ? "tcp" : "udp", type == SOCK_DGRAM);
  return port;
}

static void local(const char *name, int type, const char *path, int abstract) {
  struct sockaddr_un un = {.sun_family = AF_UNIX};
  snprintf(un.sun_path + abstract, sizeof un.sun_path - 1, "%s", path);
  int fd = socket(AF_UNIX, type, 0);
  socklen_t size = offsetof(struct sockaddr_un, sun_path) + (socklen_t)(abstract + strlen(path));
  if (!abstract) unlink(path);
  if (bind(fd, (void *)&un, size) < 0) exit(1);
  if (type == SOCK_STREAM) listen(fd, 16);
  add(fd, name, type == SOCK_DGRAM);
}

int main(int argc, char **argv) {
  char path[4096];
  if (argc != 3) return 2;
  FILE *log = fopen(argv[2], "we");
  if (!log) return 1;
  add(0, "input", 0);
  int tcp = internet(AF_INET, SOCK_STREAM, 0);
  internet(AF_INET6, SOCK_STREAM, tcp);
  int udp = internet(AF_INET, SOCK_DGRAM, 0);
  snprintf(path, sizeof path, "%s/stream.sock", argv[1]);
  local("stream", SOCK_STREAM, path, 0);
  snprintf(path, sizeof path, "%s/datagram.sock", argv[1]);
  local("datagram", SOCK_DGRAM, path, 0);
  snprintf(path, sizeof path, "sbx-spec-%s", strrchr(argv[1], '.') + 1);
  local("abstract", SOCK_STREAM, path, 1);
  fprintf(log, "ready %d %d\n", tcp, udp);
  fflush(log);
  while (poll(fds, (nfds_t)count, -1) > 0) {
    if (fds[0].revents) break;
    for (int i = 1; i < count; i++) {
      if (!fds[i].revents) continue;
      if (what[i].datagrams) {
        char text[64];
        recv(fds[i].fd, text, sizeof text, MSG_DONTWAIT);
      } else {
        close(accept(fds[i].fd, NULL, NULL));
      }
      fprintf(log, "heard %s\n", what[i].name);
      fflush(log);
    }
  }
  return 0;
}
