/* Tries what a verdict was asked about: lines "NUMBER OPERATION SUBJECT" on stdin, for each one
 * line "NUMBER ok" or "NUMBER ERRNO". Each try but a removal puts back what it changed, so that
 * their order says nothing. */
#include "answer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int closed(int fd) {
  int code = errno;
  if (fd >= 0) close(fd);
  errno = code;
  return fd < 0 ? -1 : 0;
}

static const char *beside(const char *path) {
  static char name[PATH_MAX];
  snprintf(name, sizeof name, "%s~", path);
  return name;
}

static int try_read(const char *path) {
  return closed(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
}

static int try_create(const char *path) {
  int rc = closed(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (rc == 0) unlink(path);
  return rc;
}

static int write_new(const char *path) {
  char real[PATH_MAX];
  int rc = closed(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  if (rc == 0 && realpath(path, real)) unlink(real);
  return rc;
}

static int try_write(const char *path) {
  struct stat st;
  if (stat(path, &st) < 0) return write_new(path);
  if (!S_ISDIR(st.st_mode)) return closed(open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  char inside[PATH_MAX];
  snprintf(inside, sizeof inside, "%s/attempt~", path);
  return try_create(inside);
}

static int try_delete(const char *path) {
  struct stat st;
  if (lstat(path, &st) < 0) return -1;
  return S_ISDIR(st.st_mode) ? rmdir(path) : unlink(path);
}

static int try_rename(const char *path) {
  if (rename(path, beside(path)) < 0) return -1;
  if (rename(beside(path), path) < 0) abort();
  return 0;
}

static int try_link(const char *path) {
  if (link(path, beside(path)) < 0) return -1;
  return unlink(beside(path));
}

static int try_metadata(const char *path) {
  struct stat st;
  if (stat(path, &st) < 0) return -1;
  return chmod(path, st.st_mode & 07777);
}

static int try_execute(const char *path) {
  pid_t child = fork();
  if (child == 0) {
    char *const argv[] = {(char *)path, NULL}, *const env[] = {NULL};
    execve(path, argv, env);
    _exit(errno);
  }
  int status;
  if (child < 0 || waitpid(child, &status, 0) < 0) return -1;
  errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
  return errno ? -1 : 0;
}

/* "127.0.0.1:80", "[::1]:80", "unix:/path", "unix:@name" */
static socklen_t address_of(const char *text, struct sockaddr_storage *address) {
  struct sockaddr_un *un = (void *)address;
  struct sockaddr_in *in = (void *)address;
  struct sockaddr_in6 *in6 = (void *)address;
  char host[128];
  unsigned port;
  memset(address, 0, sizeof *address);
  if (sscanf(text, "[%127[^]]]:%u", host, &port) == 2) {
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons((uint16_t)port);
    inet_pton(AF_INET6, host, &in6->sin6_addr);
    return sizeof *in6;
  }
  if (strncmp(text, "unix:", 5) != 0 && sscanf(text, "%127[^:]:%u", host, &port) == 2) {
    in->sin_family = AF_INET;
    in->sin_port = htons((uint16_t)port);
    inet_pton(AF_INET, host, &in->sin_addr);
    return sizeof *in;
  }
  un->sun_family = AF_UNIX;
  strncpy(un->sun_path, text + 5, sizeof un->sun_path - 1);
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(un->sun_path));
  if (un->sun_path[0] != '@') return size + 1;
  un->sun_path[0] = '\0';
  return size;
}

static int with_socket(const char *text, int type,
                       int (*use)(int, const struct sockaddr *, socklen_t)) {
  struct sockaddr_storage address;
  socklen_t size = address_of(text, &address);
  int fd = socket(address.ss_family, type | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  int rc = use(fd, (struct sockaddr *)&address, size), code = errno;
  close(fd);
  errno = code;
  return rc;
}

static int send_byte(int fd, const struct sockaddr *address, socklen_t size) {
  return sendto(fd, "x", 1, 0, address, size) == 1 ? 0 : -1;
}

static int try_connect(const char *text) {
  return with_socket(text, SOCK_STREAM, connect);
}
static int try_send(const char *text) {
  return with_socket(text, SOCK_DGRAM, send_byte);
}
static int try_bind(const char *text) {
  int rc = with_socket(text, SOCK_STREAM, bind);
  if (rc == 0 && strncmp(text, "unix:/", 6) == 0) unlink(text + 5);
  return rc;
}
static int try_socket(const char *family) {
  int number = atoi(family);
  return closed(socket(number, number == AF_NETLINK ? SOCK_RAW : SOCK_STREAM, 0));
}
static int try_signal(const char *pid) {
  return kill(atoi(pid), 0);
}

static const struct {
  const char *name;
  int (*try)(const char *subject);
} TRIES[] = {
    {"read", try_read},       {"write", try_write},     {"create", try_create},
    {"delete", try_delete},   {"rename", try_rename},   {"link", try_link},
    {"execute", try_execute}, {"connect", try_connect}, {"metadata", try_metadata},
    {"send", try_send},       {"bind", try_bind},       {"socket", try_socket},
    {"signal", try_signal},
};

int main(void) {
  char line[PATH_MAX + 64], number[16], operation[16], subject[PATH_MAX];
  while (fgets(line, sizeof line, stdin)) {
    if (sscanf(line, "%15s %15s %4095[^\n]", number, operation, subject) != 3) return 1;
    for (size_t i = 0; i < sizeof TRIES / sizeof *TRIES; i++)
      if (strcmp(TRIES[i].name, operation) == 0) answer(number, TRIES[i].try(subject));
  }
  return 0;
}
