/* The host's servers on its loopback, and families that speak with the kernel or the machine. */
#include "catalogue.h"

#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static struct sockaddr_in address(const char *kind) {
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(fact(kind)))};
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return in;
}

static struct sockaddr_in6 address6(const char *kind, const char *host) {
  struct sockaddr_in6 in = {.sin6_family = AF_INET6,
                            .sin6_port = htons((uint16_t)atoi(fact(kind)))};
  inet_pton(AF_INET6, host, &in.sin6_addr);
  return in;
}

static long say(int fd, const void *to, socklen_t size) {
  if (fd < 0 || connect(fd, to, size) < 0) return -1;
  return send(fd, current, strlen(current), MSG_NOSIGNAL);
}
static long send_to(int fd, const void *to, socklen_t size, int flags) {
  return fd < 0 ? -1 : sendto(fd, current, strlen(current), flags | MSG_NOSIGNAL, to, size);
}

static long tcp(void) {
  struct sockaddr_in in = address("tcp");
  return say(socket(AF_INET, SOCK_STREAM, 0), &in, sizeof in);
}
static long tcp_other_name(void) {
  struct sockaddr_in in = address("tcp");
  in.sin_addr.s_addr = 0; /* 0.0.0.0 is this machine too */
  return say(socket(AF_INET, SOCK_STREAM, 0), &in, sizeof in);
}
static long tcp_high(void) {
  struct sockaddr_in in = address("tcp");
  return say((int)syscall(SYS_socket, 0x100000002UL, SOCK_STREAM, 0), &in, sizeof in);
}
static long tcp6(void) {
  struct sockaddr_in6 in = address6("tcp", "::1");
  return say(socket(AF_INET6, SOCK_STREAM, 0), &in, sizeof in);
}
static long tcp_mapped(void) {
  struct sockaddr_in6 in = address6("tcp", "::ffff:127.0.0.1");
  return say(socket(AF_INET6, SOCK_STREAM, 0), &in, sizeof in);
}
static long mptcp(void) {
  struct sockaddr_in in = address("tcp");
  return say(socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP), &in, sizeof in);
}
static long fast_open(void) {
  struct sockaddr_in in = address("tcp");
  return send_to(socket(AF_INET, SOCK_STREAM, 0), &in, sizeof in, MSG_FASTOPEN);
}
static long fast_open_connect(void) {
  struct sockaddr_in in = address("tcp");
  int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &yes, sizeof yes);
  return say(fd, &in, sizeof in);
}
static long udp(void) {
  struct sockaddr_in in = address("udp");
  return send_to(socket(AF_INET, SOCK_DGRAM, 0), &in, sizeof in, 0);
}
static long udp_connected(void) {
  struct sockaddr_in in = address("udp");
  return say(socket(AF_INET, SOCK_DGRAM, 0), &in, sizeof in);
}
static long udp6(void) {
  struct sockaddr_in6 in = address6("udp", "::ffff:127.0.0.1");
  return send_to(socket(AF_INET6, SOCK_DGRAM, 0), &in, sizeof in, 0);
}

static long udp_messages(void) {
  struct sockaddr_in in = address("udp");
  struct iovec iov = {(void *)current, strlen(current)};
  struct mmsghdr list[1] = {
      {.msg_hdr = {.msg_name = &in, .msg_namelen = sizeof in, .msg_iov = &iov, .msg_iovlen = 1}}};
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  return fd < 0 ? -1 : sendmmsg(fd, list, 1, 0);
}

/* A UDP datagram made by hand. */
static long raw(void) {
  struct sockaddr_in in = address("udp");
  uint16_t packet[4 + 32] = {htons(9), in.sin_port, htons((uint16_t)(8 + strlen(current))), 0};
  snprintf((char *)(packet + 4), 64, "%s", current);
  int fd = socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
  if (fd < 0) return -1;
  return sendto(fd, packet, 8 + strlen(current), 0, (void *)&in, sizeof in);
}

static long ring_connect(void) {
  struct sockaddr_in in = address("tcp");
  struct io_uring_sqe make = {.opcode = IORING_OP_SOCKET, .fd = AF_INET, .off = SOCK_STREAM};
  int fd = uring_call(&make);
  if (fd < 0) return -1;
  struct io_uring_sqe meet = {
      .opcode = IORING_OP_CONNECT, .fd = fd, .addr = (uintptr_t)&in, .off = sizeof in};
  if (uring_call(&meet) < 0) return -1;
  return send(fd, current, strlen(current), MSG_NOSIGNAL);
}

static long packets(void) {
  return socket(AF_PACKET, SOCK_DGRAM, htons(3 /* all */));
}
static long ping(void) {
  return socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
}
static long netlink_route(void) {
  return socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
}
static long netlink_generic(void) {
  return socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
}
static long netlink_events(void) {
  struct sockaddr_nl nl = {.nl_family = AF_NETLINK, .nl_groups = 1};
  int fd = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_KOBJECT_UEVENT);
  return fd < 0 ? -1 : bind(fd, (void *)&nl, sizeof nl);
}
static long netlink_diagnosis(void) {
  return socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
}
static long vsock(void) {
  return socket(AF_VSOCK, SOCK_STREAM, 0);
}
static long algorithms(void) {
  return socket(AF_ALG, SOCK_SEQPACKET, 0);
}
static long express(void) {
  return socket(44 /* AF_XDP */, SOCK_RAW, 0);
}

const struct attempt network_attempts[] = {
    {"net_tcp", "connect to the host's server", tcp, NULL, NULL},
    {"net_tcp_any", "connect to 0.0.0.0", tcp_other_name, NULL, NULL},
    {"net_tcp_high", "socket with the upper half set", tcp_high, NULL, NULL},
    {"net_tcp6", "connect to ::1", tcp6, NULL, NULL},
    {"net_tcp_mapped", "connect to ::ffff:127.0.0.1", tcp_mapped, NULL, NULL},
    {"net_mptcp", "multipath TCP", mptcp, NULL, NULL},
    {"net_fast_open", "sendto with MSG_FASTOPEN", fast_open, NULL, NULL},
    {"net_fast_open_connect", "TCP_FASTOPEN_CONNECT", fast_open_connect, NULL, NULL},
    {"net_udp", "sendto", udp, NULL, NULL},
    {"net_udp_connected", "a connected UDP socket", udp_connected, NULL, NULL},
    {"net_udp6", "UDP to a mapped address", udp6, NULL, NULL},
    {"net_udp_messages", "sendmmsg", udp_messages, NULL, NULL},
    {"net_raw", "a raw socket", raw, NULL, NULL},
    {"net_ring", "socket and connect by io_uring", ring_connect, NULL, NULL},
    {"family_packet", "a packet socket", packets, "fd:socket:", NULL},
    {"family_ping", "a ping socket", ping, "fd:socket:", NULL},
    {"family_route", "netlink, routes", netlink_route, "fd:socket:", NULL},
    {"family_generic", "netlink, generic", netlink_generic, "fd:socket:", NULL},
    {"family_events", "netlink, the kernel's events", netlink_events, "fd:socket:", NULL},
    {"family_diagnosis", "netlink, others' sockets", netlink_diagnosis, "fd:socket:", NULL},
    {"family_vsock", "the hypervisor", vsock, "fd:socket:", NULL},
    {"family_algorithms", "AF_ALG", algorithms, "fd:socket:", NULL},
    {"family_xdp", "AF_XDP", express, "fd:socket:", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
