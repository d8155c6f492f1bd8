#include "engine/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/address.h"
#include "engine/launch.h"
#include "layers/descriptors.h"

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

typedef struct seccomp_notif call;

/* ---- answers ---- */

static void answer(int listener, uint64_t id, int code) {
  struct seccomp_notif_resp response = {.id = id, .error = -code};
  ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

/* The number of a process that has ended may be another's by now. */
static bool is_valid(int listener, uint64_t id) {
  return ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

/* ---- the call's arguments, as this process has copied them ---- */

static int read_address(const call *taken, char path[SBX_ADDRESS_PATH]) {
  char bytes[SBX_ADDRESS_MAX];
  size_t size = (size_t)taken->data.args[2];
  if (taken->data.args[2] > sizeof bytes || size < sizeof(sa_family_t)) return EINVAL;
  struct iovec local = {bytes, size}, remote = {NULL, size};
  memcpy(&remote.iov_base, &taken->data.args[1], sizeof remote.iov_base);
  ssize_t got = process_vm_readv((pid_t)taken->pid, &local, 1, &remote, 1, 0);
  if (got < 0) return errno == EFAULT ? EFAULT : EACCES;
  return (size_t)got == size ? sbx_address_path(bytes, size, path) : EFAULT;
}

/* As the caller would find it: from its directory, by no way through /proc/PID. */
static int open_path(pid_t pid, const char *path) {
  struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS};
  char name[40];
  snprintf(name, sizeof name, "/proc/%d/cwd", (int)pid);
  int directory = *path == '/' ? AT_FDCWD : open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (*path != '/' && directory < 0) return -1;
  int fd = sbx_fd_high((int)syscall(SYS_openat2, directory, path, &how, sizeof how));
  int saved = errno;
  if (directory >= 0) close(directory);
  errno = saved;
  return fd;
}

/* By what it is: a command may move another socket to a listed path where it can write. */
static bool is_listed(const sbx_plan *plan, int fd) {
  struct stat st;
  if (fstat(fd, &st) < 0) return false;
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *header;
  while ((header = sbx_plan_next(&cursor))) {
    const struct sbx_socket_record *record = sbx_record_payload(header);
    if (header->type == SBX_RECORD_SOCKET && record->dev == st.st_dev && record->ino == st.st_ino)
      return true;
  }
  return false;
}

/* pidfd_open(2) takes the first thread's number alone. */
static pid_t process_of(pid_t thread) {
  char path[40], line[256];
  int pid = 0;
  snprintf(path, sizeof path, "/proc/%d/status", (int)thread);
  FILE *file = fopen(path, "re");
  while (file && !pid && fgets(line, sizeof line, file)) sscanf(line, "Tgid: %d", &pid);
  if (file) fclose(file);
  return pid;
}

/* The command's own socket, shared: -1 and errno. */
static int borrow_socket(pid_t thread, int number) {
  pid_t pid = process_of(thread);
  int pidfd = pid > 0 ? sbx_pidfd_open(pid) : -1;
  if (pidfd < 0) return -1;
  int fd = sbx_fd_high((int)syscall(SYS_pidfd_getfd, pidfd, number, 0));
  sbx_fd_close(&pidfd);
  return fd;
}

/* ---- the connect ---- */

/* By the descriptor of what was looked at: nobody can put another in its place. */
static int connect_to(int socket, int target) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", target);
  return connect(socket, (struct sockaddr *)&address, sizeof address) < 0 ? errno : 0;
}

static int make_call(const struct sbx_broker *broker, const call *taken) {
  char path[SBX_ADDRESS_PATH];
  int code = read_address(taken, path);
  if (code) return code;
  int target = open_path((pid_t)taken->pid, path);
  if (target < 0) return errno == ENOENT || errno == ENOTDIR ? errno : EACCES;
  if (!is_listed(broker->plan, target)) {
    sbx_fd_close(&target);
    return EACCES;
  }
  int socket = borrow_socket((pid_t)taken->pid, (int)taken->data.args[0]);
  code = socket < 0 ? EBADF : 0;
  if (!code && !is_valid(broker->listener, taken->id)) code = EINTR;
  if (!code) code = connect_to(socket, target);
  sbx_fd_close(&socket);
  sbx_fd_close(&target);
  return code;
}

bool sbx_broker_lists(const struct sbx_broker *broker, pid_t caller, const void *address,
                      size_t size) {
  char path[SBX_ADDRESS_PATH];
  if (size > SBX_ADDRESS_MAX || sbx_address_path(address, size, path) != 0) return false;
  int target = open_path(caller, path);
  /* nothing is there: the call itself says so */
  if (target < 0) return errno == ENOENT || errno == ENOTDIR;
  bool listed = is_listed(broker->plan, target);
  sbx_fd_close(&target);
  return listed;
}

/* ---- calls ---- */

void sbx_broker_call(struct sbx_broker *broker, const call *taken) {
  size_t i = 0;
  while (i < SBX_BROKER_WORKERS && broker->workers[i].pid) i++;
  pid_t pid = i < SBX_BROKER_WORKERS ? fork() : -1;
  if (pid == 0) {
    answer(broker->listener, taken->id, make_call(broker, taken));
    _exit(0);
  }
  if (pid < 0) {
    answer(broker->listener, taken->id, EAGAIN);
    return;
  }
  broker->workers[i].pid = pid;
  broker->workers[i].call = taken->id;
}

void sbx_broker_serve(struct sbx_broker *broker, short events) {
  call taken = {0};
  if (!(events & POLLIN)) { /* nobody is left who could call */
    sbx_fd_close(&broker->listener);
    return;
  }
  if (ioctl(broker->listener, SECCOMP_IOCTL_NOTIF_RECV, &taken) == 0)
    sbx_broker_call(broker, &taken);
}

bool sbx_broker_reaped(struct sbx_broker *broker, pid_t pid) {
  for (size_t i = 0; i < SBX_BROKER_WORKERS; i++) {
    if (broker->workers[i].pid != pid) continue;
    broker->workers[i].pid = 0;
    /* one that was killed has answered nothing */
    if (broker->listener >= 0) answer(broker->listener, broker->workers[i].call, EACCES);
    return true;
  }
  return false;
}

/* ---- the listener ---- */

int sbx_broker_open(struct sbx_broker *broker, int socket, const sbx_plan *plan) {
  char byte, control[CMSG_SPACE(sizeof(int))];
  struct iovec iov = {&byte, 1};
  struct msghdr msg = {
      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t size = recvmsg(socket, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  struct cmsghdr *c = size == 1 ? CMSG_FIRSTHDR(&msg) : NULL;
  errno = EPROTO;
  if (!c || c->cmsg_type != SCM_RIGHTS) return -1;
  memcpy(&broker->listener, CMSG_DATA(c), sizeof(int));
  broker->listener = sbx_fd_high(broker->listener);
  broker->plan = plan;
  return broker->listener < 0 ? -1 : 0;
}
