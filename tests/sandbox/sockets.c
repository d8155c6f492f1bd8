/* Ways out by sockets:
 *   sockets families                             which can be made
 *   sockets reach TCP UDP DIR                    the host's listener, each way
 *   sockets own                                  a server of one's own on the loopback */
#define _GNU_SOURCE
#include "answer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static int made(const char *name, int family, int type, int protocol) {
  int fd = socket(family, type, protocol);
  return answer(name, fd);
}

static void pair(const char *name, int family, int type) {
  int fds[2] = {-1, -1};
  char text[4] = "";
  int rc = socketpair(family, type, 0, fds);
  if (rc == 0 && (write(fds[0], "abc", 3) != 3 || read(fds[1], text, 3) != 3)) rc = -1;
  answer(name, rc);
}

static int families(void) {
  made("tcp", AF_INET, SOCK_STREAM, 0);
  made("tcp6", AF_INET6, SOCK_STREAM, 0);
  made("mptcp", AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
  made("udp", AF_INET, SOCK_DGRAM, 0);
  made("udp6", AF_INET6, SOCK_DGRAM, 0);
  made("sctp", AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  made("ping", AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
  made("raw", AF_INET, SOCK_RAW, IPPROTO_ICMP);
  made("packet", AF_PACKET, SOCK_RAW, 0);
  made("netlink", AF_NETLINK, SOCK_RAW, 0);
  made("netlink_audit", AF_NETLINK, SOCK_RAW, 9);
  made("vsock", AF_VSOCK, SOCK_STREAM, 0);
  made("alg", AF_ALG, SOCK_SEQPACKET, 0);
  made("unix_stream", AF_UNIX, SOCK_STREAM, 0);
  made("unix_datagram", AF_UNIX, SOCK_DGRAM, 0);
  made("unix_seqpacket", AF_UNIX, SOCK_SEQPACKET, 0);
  pair("pair_stream", AF_UNIX, SOCK_STREAM);
  pair("pair_stream_flags", AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK);
  pair("pair_datagram", AF_UNIX, SOCK_DGRAM);
  pair("pair_datagram_flags", AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC);
  pair("pair_raw", AF_UNIX, SOCK_RAW);
  /* int arguments: the kernel forgets the upper half, a careless filter doesn't */
  answer("unix_high", syscall(SYS_socket, 0x100000001UL, SOCK_STREAM, 0));
  answer("tcp_high", syscall(SYS_socket, 0x100000002UL, SOCK_STREAM, 0));
  int fds[2];
  answer("pair_datagram_high", syscall(SYS_socketpair, AF_UNIX, 0x100000002UL, 0, fds));
  char parameters[256] = {0};
  answer("io_uring", syscall(SYS_io_uring_setup, 4, parameters));
  return 0;
}

static struct sockaddr_in address(int port) {
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return in;
}

static int meet(int fd, const void *to, socklen_t size) {
  return fd < 0 ? -1 : connect(fd, to, size);
}

static int send_to(int fd, const void *to, socklen_t size, int flags) {
  return fd < 0 ? -1 : (int)sendto(fd, "x", 1, flags, to, size);
}

static socklen_t local(struct sockaddr_un *un, const char *directory, const char *name) {
  *un = (struct sockaddr_un){.sun_family = AF_UNIX};
  if (name) {
    snprintf(un->sun_path, sizeof un->sun_path, "%s/%s", directory, name);
    return sizeof *un;
  }
  int size = snprintf(un->sun_path + 1, sizeof un->sun_path - 1, "sbx-spec-%s",
                      strrchr(directory, '.') + 1);
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)size);
}

static void reach_internet(int tcp, int udp) {
  struct sockaddr_in in = address(tcp), in_udp = address(udp);
  struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)tcp)};
  in6.sin6_addr = in6addr_loopback;
  answer("tcp", meet(socket(AF_INET, SOCK_STREAM, 0), &in, sizeof in));
  answer("tcp6", meet(socket(AF_INET6, SOCK_STREAM, 0), &in6, sizeof in6));
  answer("mptcp", meet(socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP), &in, sizeof in));
  answer("fastopen", send_to(socket(AF_INET, SOCK_STREAM, 0), &in, sizeof in, MSG_FASTOPEN));
  answer("udp", send_to(socket(AF_INET, SOCK_DGRAM, 0), &in_udp, sizeof in_udp, 0));
}

static void reach_local(const char *directory) {
  struct sockaddr_un un;
  socklen_t size = local(&un, directory, "stream.sock");
  answer("stream", meet(socket(AF_UNIX, SOCK_STREAM, 0), &un, size));
  size = local(&un, directory, "datagram.sock");
  answer("datagram", send_to(socket(AF_UNIX, SOCK_DGRAM, 0), &un, size, 0));
  int fds[2] = {-1, -1};
  if (socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) < 0)
    answer("pair", -1);
  else
    answer("pair", send_to(fds[0], &un, size, 0));
  size = local(&un, directory, NULL);
  answer("abstract", meet(socket(AF_UNIX, SOCK_STREAM, 0), &un, size));
}

static int own(void) {
  struct sockaddr_in in = address(0);
  socklen_t size = sizeof in;
  int server = socket(AF_INET, SOCK_STREAM, 0);
  if (!answer("bind", server < 0 ? -1 : bind(server, (void *)&in, sizeof in))) return 0;
  answer("listen", listen(server, 4));
  getsockname(server, (void *)&in, &size);
  int client = socket(AF_INET, SOCK_STREAM, 0);
  answer("connect", meet(client, &in, sizeof in));
  int accepted = accept(server, NULL, NULL);
  char text[8] = "";
  if (write(client, "hello", 5) != 5 || read(accepted, text, 5) != 5) return answer("talk", -1);
  answer("talk", strcmp(text, "hello") == 0 ? 0 : -1);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "families") == 0) return families();
  if (argc == 2 && strcmp(argv[1], "own") == 0) return own();
  if (argc != 5 || strcmp(argv[1], "reach") != 0) return 2;
  reach_internet(atoi(argv[2]), atoi(argv[3]));
  reach_local(argv[4]);
  return 0;
}
