// A pipe gets out of the tree: `holder serve SOCKET SECONDS` takes one descriptor over a socket and
// writes to it without a pause; `holder give SOCKET` hands over its standard output.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int open_socket(const char *path, struct sockaddr_un *address) {
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  snprintf(address->sun_path, sizeof address->sun_path, "%s", path);
  return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int give(const char *path) {
  struct sockaddr_un address;
  char byte = 'x', control[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec iov = {&byte, 1};
  struct msghdr msg = {
      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
  int fd = open_socket(path, &address), one = 1;
  cmsg->cmsg_level = SOL_SOCKET;
  cmsg->cmsg_type = SCM_RIGHTS;
  cmsg->cmsg_len = CMSG_LEN(sizeof one);
  memcpy(CMSG_DATA(cmsg), &one, sizeof one);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) return 3;
  if (sendmsg(fd, &msg, 0) != 1) return 4;
  return read(fd, &byte, 1) == 1 ? 0 : 5;
}

static int take(int connection) {
  char byte, control[CMSG_SPACE(sizeof(int))];
  struct iovec iov = {&byte, 1};
  struct msghdr msg = {
      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  int fd = -1;
  if (recvmsg(connection, &msg, 0) == 1 && CMSG_FIRSTHDR(&msg))
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof fd);
  return fd;
}

static int serve(const char *path, int seconds) {
  static char block[65536];
  struct sockaddr_un address;
  int listener = open_socket(path, &address);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0) return 3;
  if (listen(listener, 1) < 0) return 4;
  puts("ready");
  fflush(stdout);
  int connection = accept(listener, NULL, NULL), fd = take(connection);
  if (write(connection, "o", 1) != 1) return 5;
  for (time_t end = time(NULL) + seconds; time(NULL) < end;)
    if (write(fd, block, sizeof block) < 0) return 0;
  return 0;
}

int main(int argc, char **argv) {
  alarm(30);
  if (argc == 4 && strcmp(argv[1], "serve") == 0) return serve(argv[2], atoi(argv[3]));
  if (argc == 3 && strcmp(argv[1], "give") == 0) return give(argv[2]);
  return 2;
}
