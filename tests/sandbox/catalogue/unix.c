/* Sockets of the host by path and by abstract name. Who is reached hears the attempt's name. */
#include "catalogue.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static socklen_t by_path(struct sockaddr_un *un, const char *path) {
  *un = (struct sockaddr_un){.sun_family = AF_UNIX};
  snprintf(un->sun_path, sizeof un->sun_path, "%s", path);
  return sizeof *un;
}

static socklen_t by_name(struct sockaddr_un *un, const char *kind) {
  *un = (struct sockaddr_un){.sun_family = AF_UNIX};
  int size = snprintf(un->sun_path + 1, sizeof un->sun_path - 1, "%s-%s", fact("id"), kind);
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)size);
}

static char *host_socket(const char *kind) {
  return text("%s/sockets/%s", arena, kind);
}

static long say(int fd, const struct sockaddr_un *un, socklen_t size) {
  if (fd < 0 || connect(fd, (const void *)un, size) < 0) return -1;
  return send(fd, current, strlen(current), MSG_NOSIGNAL);
}

static long connect_at(int type, const char *path) {
  struct sockaddr_un un;
  socklen_t size = by_path(&un, path);
  return say(socket(AF_UNIX, type, 0), &un, size);
}
static long stream_at(const char *path) {
  return connect_at(SOCK_STREAM, path);
}
static long stream(void) {
  return stream_at(host_socket("stream"));
}
static long stream_inside(void) {
  return stream_at(inside("s"));
}
static long stream_by_link(void) {
  if (symlink(host_socket("stream"), inside("link")) < 0) return -1;
  return stream_at(inside("link"));
}
static long stream_by_directory(void) {
  int fd = open(host_socket(""), O_PATH | O_DIRECTORY);
  return stream_at(text("/proc/self/fd/%d/stream", fd));
}
static long stream_by_hard_link(void) {
  if (link(host_socket("stream"), inside("linked")) < 0) return -1;
  return stream_at(inside("linked"));
}

static long packets(void) {
  return connect_at(SOCK_SEQPACKET, host_socket("packet"));
}
static long abstract(void) {
  struct sockaddr_un un;
  socklen_t size = by_name(&un, "stream");
  return say(socket(AF_UNIX, SOCK_STREAM, 0), &un, size);
}

static long send_to(int fd, const struct sockaddr_un *un, socklen_t size) {
  return fd < 0 ? -1 : sendto(fd, current, strlen(current), 0, (const void *)un, size);
}
static long send_from(int fd) {
  struct sockaddr_un un;
  socklen_t size = by_path(&un, host_socket("datagram"));
  return send_to(fd, &un, size);
}
static long datagram(void) {
  return send_from(socket(AF_UNIX, SOCK_DGRAM, 0));
}
static long abstract_datagram(void) {
  struct sockaddr_un un;
  socklen_t size = by_name(&un, "datagram");
  return send_to(socket(AF_UNIX, SOCK_DGRAM, 0), &un, size);
}

static int paired(void) {
  int fds[2];
  return socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) < 0 ? -1 : fds[0];
}
static long datagram_pair(void) {
  return send_from(paired());
}

static struct msghdr message(struct sockaddr_un *un, socklen_t size, struct iovec *iov) {
  *iov = (struct iovec){(void *)current, strlen(current)};
  return (struct msghdr){.msg_name = un, .msg_namelen = size, .msg_iov = iov, .msg_iovlen = 1};
}
static long datagram_message(void) {
  struct sockaddr_un un;
  struct iovec iov;
  struct msghdr msg = message(&un, by_path(&un, host_socket("datagram")), &iov);
  int fd = paired();
  return fd < 0 ? -1 : sendmsg(fd, &msg, 0);
}
static long datagram_messages(void) {
  struct sockaddr_un un;
  struct iovec iov;
  struct mmsghdr list[1] = {{.msg_hdr = message(&un, by_path(&un, host_socket("datagram")), &iov)}};
  int fd = paired();
  return fd < 0 ? -1 : sendmmsg(fd, list, 1, 0);
}

/* The host's server gives a descriptor that writes outside to whoever connects. */
static long take_descriptor(void) {
  struct sockaddr_un un;
  char byte, control[CMSG_SPACE(sizeof(int))];
  struct iovec iov = {&byte, 1};
  struct msghdr msg = {
      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  socklen_t size = by_path(&un, host_socket("giver"));
  int fd = socket(AF_UNIX, SOCK_STREAM, 0), given = -1;
  if (fd < 0 || connect(fd, (void *)&un, size) < 0 || recvmsg(fd, &msg, 0) != 1) return -1;
  if (CMSG_FIRSTHDR(&msg)) memcpy(&given, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof given);
  return put(given);
}

const struct attempt unix_attempts[] = {
    {"unix_stream", "connect to a path", stream, NULL, NULL},
    {"unix_stream_inside", "connect to a path in the root", stream_inside, NULL, NULL},
    {"unix_stream_link", "connect through a link", stream_by_link, NULL, NULL},
    {"unix_stream_hard_link", "through a hard link", stream_by_hard_link, NULL, NULL},
    {"unix_stream_directory", "through a descriptor", stream_by_directory, NULL, NULL},
    {"unix_packets", "SOCK_SEQPACKET", packets, NULL, NULL},
    {"unix_abstract", "an abstract name", abstract, NULL, NULL},
    {"unix_datagram", "sendto a path", datagram, NULL, NULL},
    {"unix_abstract_datagram", "sendto an abstract name", abstract_datagram, NULL, NULL},
    {"unix_datagram_pair", "sendto from a pair", datagram_pair, NULL, NULL},
    {"unix_datagram_message", "sendmsg from a pair", datagram_message, NULL, NULL},
    {"unix_datagram_messages", "sendmmsg from a pair", datagram_messages, NULL, NULL},
    {"unix_descriptor", "take a descriptor of a server", take_descriptor, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
