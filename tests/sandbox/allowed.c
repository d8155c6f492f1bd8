/* Ways to an address that is not listed, beside one that is:
 *   allowed doors YES NO          every way that is known, to port NO
 *   allowed race YES NO TIMES     two threads change the address while it is judged
 *   allowed many YES COUNT        so many connects at once, none of which blocks: how many came up
 *   allowed threads YES NO        one with descriptors of its own, and one that outlives the first
 */
#define _GNU_SOURCE
#include "answer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#ifndef TCP_FASTOPEN_CONNECT
#define TCP_FASTOPEN_CONNECT 30
#endif
#define HIGH 0x100000000UL

static int yes, no;

static struct sockaddr_in in4(const char *host, int port) {
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  inet_pton(AF_INET, host, &in.sin_addr);
  return in;
}

static struct sockaddr_in6 in6(const char *host, int port) {
  struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
  inet_pton(AF_INET6, host, &in.sin6_addr);
  return in;
}

static int tcp(void) {
  return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int to(int fd, const char *host, int port) {
  struct sockaddr_in in = in4(host, port);
  return connect(fd, (void *)&in, sizeof in);
}

static int to6(int fd, const char *host, int port) {
  struct sockaddr_in6 in = in6(host, port);
  return connect(fd, (void *)&in, sizeof in);
}

/* A socket that was connected to the listed port, and whose peer has gone. */
static int used(void) {
  int fd = tcp();
  char byte;
  if (to(fd, "127.0.0.1", yes) < 0) return -1;
  shutdown(fd, SHUT_WR);
  while (read(fd, &byte, 1) > 0) continue;
  return fd;
}

/* ---- plain ways ---- */

static void plain(void) {
  answer("listed", to(tcp(), "127.0.0.1", yes));
  answer("listed6", to6(socket(AF_INET6, SOCK_STREAM, 0), "::1", yes));
  answer("mapped_listed", to6(socket(AF_INET6, SOCK_STREAM, 0), "::ffff:127.0.0.1", yes));
  answer("other", to(tcp(), "127.0.0.1", no));
  answer("other6", to6(socket(AF_INET6, SOCK_STREAM, 0), "::1", no));
  answer("mapped", to6(socket(AF_INET6, SOCK_STREAM, 0), "::ffff:127.0.0.1", no));
  answer("any", to(tcp(), "0.0.0.0", no));
  answer("any_listed_port", to(tcp(), "0.0.0.0", yes));
  answer("any6", to6(socket(AF_INET6, SOCK_STREAM, 0), "::", no));
  answer("neighbour", to(tcp(), "127.0.0.2", no));
  answer("neighbour_listed_port", to(tcp(), "127.0.0.2", yes));
  answer("after_listed", to(used(), "127.0.0.1", no));
}

static void sizes(void) {
  struct sockaddr_in in = in4("127.0.0.1", no);
  char room[200] = {0};
  memcpy(room, &in, sizeof in);
  answer("long", connect(tcp(), (void *)room, 128));
  answer("too_long", connect(tcp(), (void *)room, 129));
  answer("short", connect(tcp(), (void *)&in, 15));
  answer("negative", connect(tcp(), (void *)&in, (socklen_t)-1));
  answer("nowhere", connect(tcp(), (void *)8, sizeof in));
  answer("high_size", syscall(SYS_connect, tcp(), &in, HIGH | sizeof in));
  in.sin_family = AF_UNSPEC;
  int fd = used();
  answer("unspec", connect(fd, (void *)&in, sizeof in));
  answer("unspec_then", to(fd, "127.0.0.1", no));
}

/* ---- without connect(2) ---- */

static void fastopen(const char *name, int fd, int how) {
  struct sockaddr_in in = in4("127.0.0.1", no);
  struct iovec iov = {(void *)"x", 1};
  struct mmsghdr msg = {.msg_hdr = {&in, sizeof in, &iov, 1, NULL, 0, MSG_FASTOPEN}};
  long rc = -1;
  if (how == 0) rc = sendto(fd, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, (void *)&in, sizeof in);
  if (how == 1) rc = sendmsg(fd, &msg.msg_hdr, MSG_FASTOPEN | MSG_NOSIGNAL);
  if (how == 2) rc = sendmmsg(fd, &msg, 1, MSG_FASTOPEN | MSG_NOSIGNAL);
  if (how == 3)
    rc = syscall(SYS_sendto, fd, "x", 1, HIGH | MSG_FASTOPEN | MSG_NOSIGNAL, &in, sizeof in);
  if (how == 4) rc = sendmmsg(fd, &msg, 1, MSG_NOSIGNAL); /* the flag in memory alone */
  answer(name, rc);
}

static void set(const char *name, int fd, int level, int option, const void *value, unsigned size) {
  answer(name, setsockopt(fd, level, option, value, size));
}

static void options(void) {
  int one = 1, fd = tcp();
  unsigned char route[] = {0x83, 7, 4, 127, 0, 0, 1, 0}; /* loose source route */
  set("nodelay", fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  set("keepalive", fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
  set("tos", fd, IPPROTO_IP, IP_TOS, &one, sizeof one);
  set("v6only", socket(AF_INET6, SOCK_STREAM, 0), IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
  set("defer", fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof one);
  set("queue", fd, IPPROTO_TCP, TCP_FASTOPEN, &one, sizeof one);
  set("ulp", fd, IPPROTO_TCP, 31, "tls", 3);
  set("route", fd, IPPROTO_IP, IP_OPTIONS, route, sizeof route);
  set("rthdr", socket(AF_INET6, SOCK_STREAM, 0), IPPROTO_IPV6, IPV6_RTHDR, NULL, 0);
  set("device", fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3);
  set("ifindex", fd, SOL_SOCKET, 62, &one, sizeof one);
  set("dontroute", fd, SOL_SOCKET, SO_DONTROUTE, &one, sizeof one);
  set("transparent", fd, IPPROTO_IP, IP_TRANSPARENT, &one, sizeof one);
  set("unknown", fd, IPPROTO_TCP, 99, &one, sizeof one);
  set("level", fd, 284, 1, &one, sizeof one);
  answer("defer_high", syscall(SYS_setsockopt, fd, HIGH | IPPROTO_TCP, HIGH | TCP_FASTOPEN_CONNECT,
                               &one, sizeof one));
}

static void side_doors(void) {
  fastopen("fastopen", tcp(), 0);
  fastopen("fastopen_msg", tcp(), 1);
  fastopen("fastopen_mmsg", tcp(), 2);
  fastopen("fastopen_high", tcp(), 3);
  fastopen("fastopen_memory", tcp(), 4);
  fastopen("fastopen_used", used(), 0);
  struct sockaddr_in in = in4("127.0.0.1", no);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  answer("udp", fd < 0 ? fd : sendto(fd, "x", 1, 0, (void *)&in, sizeof in));
  answer("udp6", socket(AF_INET6, SOCK_DGRAM, 0));
  answer("mptcp", to(socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP), "127.0.0.1", no));
  answer("mptcp_high", syscall(SYS_socket, AF_INET, SOCK_STREAM, HIGH | IPPROTO_MPTCP));
  answer("sctp", socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP));
  answer("sctp_packets", socket(AF_INET, SOCK_SEQPACKET, 0));
  answer("raw", socket(AF_INET, SOCK_RAW, IPPROTO_TCP));
  answer("packet", socket(AF_PACKET, SOCK_RAW, 0));
  answer("netlink", socket(AF_NETLINK, SOCK_RAW, 0));
  answer("vsock", socket(AF_VSOCK, SOCK_STREAM, 0));
  answer("unix", socket(AF_UNIX, SOCK_STREAM, 0));
  answer("unix_datagram", socket(AF_UNIX, SOCK_DGRAM, 0));
  char parameters[120] = {0};
  answer("io_uring", syscall(425, 4, parameters));
}

/* ---- coming in ---- */

static void inwards(void) {
  struct sockaddr_in in = in4("127.0.0.1", 0);
  int fd = tcp();
  answer("bind", bind(fd, (void *)&in, sizeof in));
  answer("listen", listen(tcp(), 1));
  answer("listen_used", listen(used(), 1));
}

/* ---- around the supervisor ---- */

static void by_child(void) {
  int pair[2], fd = tcp(), status = 0;
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  char rights[CMSG_SPACE(sizeof fd)] = {0};
  struct iovec iov = {(void *)"x", 1};
  struct msghdr msg = {
      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = rights, .msg_controllen = sizeof rights};
  struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
  c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(c), &fd, sizeof fd);
  sendmsg(pair[0], &msg, 0);
  if (fork() == 0) {
    char byte;
    iov.iov_base = &byte;
    recvmsg(pair[1], &msg, 0);
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof fd);
    _exit(to(fd, "127.0.0.1", no) == 0 ? 0 : 1);
  }
  wait(&status);
  errno = EACCES;
  answer("passed_on", WEXITSTATUS(status) ? -1 : 0);
}

/* A filter of one's own can't say more than the first. */
static void by_filter(void) {
  struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  struct sock_fprog program = {1, allow};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  answer("listener",
         syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
  syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
  answer("own_filter", to(tcp(), "127.0.0.1", no));
}

static void by_descriptor(void) {
  int pidfd = (int)syscall(SYS_pidfd_open, 1, 0), found = -1;
  for (int fd = 0; pidfd >= 0 && fd < 256 && found < 0; fd++)
    found = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
  answer("supervisors", pidfd < 0 ? -1 : found);
  int pair[2], pipes[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  if (pipe(pipes) < 0) return;
  answer("pipe", to(pipes[0], "127.0.0.1", yes));
  answer("pair", to(pair[0], "127.0.0.1", yes));
  answer("closed", to(999, "127.0.0.1", yes));
}

static int doors(void) {
  plain();
  sizes();
  options();
  side_doors();
  inwards();
  by_child();
  by_descriptor();
  by_filter();
  return 0;
}

/* ---- races ---- */

static struct sockaddr_in shared;
static volatile int over;

static void *flip_address(void *unused) {
  volatile in_port_t *port = &shared.sin_port;
  (void)unused;
  while (!over) {
    *port = htons((uint16_t)no);
    *port = htons((uint16_t)yes);
  }
  return NULL;
}

static int peer_port(int fd) {
  struct sockaddr_in in = {0};
  socklen_t size = sizeof in;
  return getpeername(fd, (void *)&in, &size) == 0 ? ntohs(in.sin_port) : 0;
}

static int race(int times) {
  struct linger at_once = {1, 0};
  pthread_t threads[2];
  int met[3] = {0};
  shared = in4("127.0.0.1", yes);
  for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, flip_address, NULL);
  for (int i = 0; i < times; i++) {
    int fd = tcp();
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    int rc = connect(fd, (void *)&shared, sizeof shared), port = peer_port(fd);
    met[rc < 0 ? 0 : port == no ? 2 : 1]++;
    close(fd);
  }
  over = 1;
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  printf("refused %d\nright %d\nwrong %d\n", met[0], met[1], met[2]);
  return 0;
}

static int many(int count) {
  struct pollfd *list = calloc((size_t)count, sizeof *list);
  int up = 0;
  for (int i = 0; i < count; i++) {
    list[i] = (struct pollfd){socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), POLLOUT, 0};
    if (to(list[i].fd, "127.0.0.1", yes) < 0 && errno != EINPROGRESS) perror("connect");
  }
  for (int i = 0; i < count; i++) {
    int code = -1;
    socklen_t size = sizeof code;
    if (poll(&list[i], 1, 5000) == 1) getsockopt(list[i].fd, SOL_SOCKET, SO_ERROR, &code, &size);
    up += code == 0;
  }
  printf("up %d\n", up);
  return 0;
}

/* ---- threads ---- */

/* The socket that was named is the one that is connected. */
static void *connect_here(void *name) {
  struct sockaddr_in peer;
  socklen_t size = sizeof peer;
  int fd = tcp();
  bool up = to(fd, "127.0.0.1", yes) == 0 && getpeername(fd, (void *)&peer, &size) == 0;
  printf("%s %s\n", (const char *)name, up ? "up" : "not");
  return NULL;
}

static void *with_own(void *name) {
  if (unshare(CLONE_FILES) == 0) tcp(); /* its numbers are others than the first thread's */
  return connect_here(name);
}

static void *outlive(void *first) {
  while (pthread_kill(*(pthread_t *)first, 0) == 0) {
    char stat[64], text[256] = "";
    snprintf(stat, sizeof stat, "/proc/self/task/%d/stat", (int)getpid());
    int fd = open(stat, O_RDONLY);
    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0) break;
    close(fd);
    if (strstr(text, ") Z")) break;
    usleep(1000);
  }
  connect_here("last");
  exit(0);
}

static int threads(void) {
  static pthread_t first;
  pthread_t other;
  first = pthread_self();
  if (pthread_create(&other, NULL, with_own, "own") != 0) return 1;
  pthread_join(other, NULL);
  if (pthread_create(&other, NULL, outlive, &first) != 0) return 1;
  pthread_exit(NULL);
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc < 4) return 2;
  yes = atoi(argv[2]);
  no = atoi(argv[3]);
  if (strcmp(argv[1], "doors") == 0) return doors();
  if (strcmp(argv[1], "race") == 0 && argc == 5) return race(atoi(argv[4]));
  if (strcmp(argv[1], "many") == 0) return many(no);
  if (strcmp(argv[1], "threads") == 0) return threads();
  return 2;
}
