/* What the hosts' servers share. */
#ifndef LOOPBACK_H
#define LOOPBACK_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* A socket at the loopback address of a family, and its port: any free one for 0. -1: none. */
static int bind_loopback(int family, int type, int *port) {
  int fd = socket(family, type | SOCK_CLOEXEC, 0), yes = 1;
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
  struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = in.sin_port};
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  in6.sin6_addr = in6addr_loopback;
  struct sockaddr *address = family == AF_INET ? (void *)&in : (void *)&in6;
  socklen_t size = family == AF_INET ? sizeof in : sizeof in6;
  *port = 0;
  if (fd < 0) return -1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(fd, address, size) < 0 || getsockname(fd, address, &size) < 0) return close(fd), -1;
  *port = ntohs(family == AF_INET ? in.sin_port : in6.sin6_port);
  return fd;
}

#endif
