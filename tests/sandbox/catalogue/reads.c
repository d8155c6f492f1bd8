/* Secrets that a policy keeps from being read: OUTSIDE/secret and INSIDE/parent/secret by
 * deny_read, or because `readable` doesn't list them. */
#include "catalogue.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* The name in a directory is a secret too. */
static void make_secrets(void) {
  mkdir(outside("hidden"), 0755);
  write_file(outside(text("hidden/%s", secret_of(current))), "");
  write_file(outside("secret"), secret_of(current));
  mkdir(inside("parent"), 0755);
  write_file(inside("parent/secret"), secret_of(current));
}

static long read_path(const char *path) {
  return leak_from(open(path, O_RDONLY));
}
static long plain(void) {
  return read_path(outside("secret"));
}
static long plain_inside(void) {
  return read_path(inside("parent/secret"));
}
static long for_both(void) {
  return leak_from(open(inside("parent/secret"), O_RDWR));
}
static long through_root(void) {
  return read_path(text("/proc/self/root%s", outside("secret")));
}
static long through_link(void) {
  if (symlink(outside("secret"), inside("link")) < 0) return -1;
  return read_path(inside("link"));
}
static long through_parents(void) {
  char *path = inside("dir");
  for (int i = 0; i < 20; i++) path = text("%s/..", path);
  return read_path(text("%s%s", path, outside("secret")));
}
static long from_directory(void) {
  return leak_from(openat(open(outside(""), O_PATH | O_DIRECTORY), "secret", O_RDONLY));
}
static long hard_link(void) {
  const char *from = outside("secret");
  if (link(from, inside("linked")) < 0) return -1;
  return read_path(inside("linked"));
}
static long hard_link_inside(void) {
  if (link(inside("parent/secret"), inside("linked")) < 0) return -1;
  return read_path(inside("linked"));
}
/* A second name that was there before the policy named the first. */
static void make_link_before(void) {
  make_secrets();
  if (link(outside("secret"), inside("before")) < 0) exit(3);
}
static long link_before(void) {
  return read_path(inside("before"));
}
static long move_parent(void) {
  if (rename(inside("parent"), inside("moved")) < 0) return -1;
  return read_path(inside("moved/secret"));
}
static long move_secret(void) {
  if (rename(inside("parent/secret"), inside("moved")) < 0) return -1;
  return read_path(inside("moved"));
}
static long reopen(void) {
  return read_path(text("/proc/self/fd/%d", open(outside("secret"), O_PATH)));
}
static long reopen_inside(void) {
  return read_path(text("/proc/self/fd/%d", open(inside("parent/secret"), O_PATH)));
}
static long mode_first(void) {
  chmod(inside("parent/secret"), 0666);
  chmod(inside("parent"), 0777);
  return read_path(inside("parent/secret"));
}

static long extended(void) {
  struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_NO_SYMLINKS};
  const char *path = outside("secret");
  return leak_from((int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how));
}

static long list_names(void) {
  DIR *list = opendir(outside("hidden"));
  if (!list) return -1;
  for (struct dirent *entry; (entry = readdir(list));)
    leak(entry->d_name, (ssize_t)strlen(entry->d_name));
  return closedir(list);
}

/* As a program: the kernel reads it for whoever runs it, and says what it says of itself. */
static long as_interpreter(void) {
  char *argv[] = {"/bin/sh", outside("secret"), NULL};
  int fds[2];
  if (pipe(fds) < 0) return -1;
  pid_t pid = fork();
  if (pid == 0) {
    dup2(fds[1], 1);
    dup2(fds[1], 2);
    execv(argv[0], argv);
    _exit(1);
  }
  close(fds[1]);
  long rc = finish(pid); /* a line fits into the pipe, whatever pieces it comes in */
  leak_from(fds[0]);
  return rc;
}

static void take_and_read(int fd) {
  char byte, control[CMSG_SPACE(sizeof(int))];
  struct iovec iov = {&byte, 1};
  struct msghdr msg = {
      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  int given = -1;
  if (recvmsg(fd, &msg, 0) == 1 && CMSG_FIRSTHDR(&msg))
    memcpy(&given, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof given);
  _exit(read_path(text("/proc/self/fd/%d", given)) < 0 ? errno : 0);
}

/* A path descriptor, opened by one and read by another. */
static long pass(void) {
  char control[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec iov = {"x", 1};
  struct msghdr msg = {
      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  int fds[2], fd = open(outside("secret"), O_PATH);
  if (fd < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0) return -1;
  struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
  *cmsg = (struct cmsghdr){CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
  memcpy(CMSG_DATA(cmsg), &fd, sizeof fd);
  pid_t pid = fork();
  if (pid == 0) take_and_read(fds[1]);
  if (sendmsg(fds[0], &msg, 0) != 1) return -1;
  return finish(pid);
}

static long bound(void) {
  if (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
    if (same_namespace("mnt")) return -1;
  if (syscall(SYS_mount, "none", "/", NULL, 16384 | 1 << 18, NULL) < 0) return -1;
  if (syscall(SYS_mount, outside(""), inside("dir"), NULL, 4096, NULL) < 0) return -1;
  return read_path(inside("dir/secret"));
}

static long ring(void) {
  char *path = outside("secret");
  struct io_uring_sqe sqe = {.opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = (uintptr_t)path};
  return leak_from(uring_call(&sqe));
}

static long by_victim(void) {
  return read_path(text("/proc/%s/root%s", own("pid"), outside("secret")));
}

const struct attempt read_attempts[] = {
    {"read_plain", "open", plain, NULL, make_secrets},
    {"read_inside", "open, in a writable root", plain_inside, NULL, make_secrets},
    {"read_for_both", "for reading and writing", for_both, NULL, make_secrets},
    {"read_through_root", "/proc/self/root", through_root, NULL, make_secrets},
    {"read_through_link", "through a link", through_link, NULL, make_secrets},
    {"read_through_parents", "dot-dot from inside", through_parents, NULL, make_secrets},
    {"read_directory", "openat from its directory", from_directory, NULL, make_secrets},
    {"read_hard_link", "a hard link inside", hard_link, NULL, make_secrets},
    {"read_hard_link_inside", "the same, in one root", hard_link_inside, NULL, make_secrets},
    {"read_link_before", "a hard link made before", link_before, NULL, make_link_before},
    {"read_move_parent", "rename its parent", move_parent, NULL, make_secrets},
    {"read_move", "rename it", move_secret, NULL, make_secrets},
    {"read_reopen", "reopen an O_PATH descriptor", reopen, NULL, make_secrets},
    {"read_reopen_inside", "the same, in a root", reopen_inside, NULL, make_secrets},
    {"read_mode", "chmod first", mode_first, NULL, make_secrets},
    {"read_openat2", "openat2", extended, NULL, make_secrets},
    {"read_names", "list a directory", list_names, NULL, make_secrets},
    {"read_interpreter", "as another's script", as_interpreter, NULL, make_secrets},
    {"read_pass", "a descriptor passed on", pass, NULL, make_secrets},
    {"read_bound", "bound to another place", bound, NULL, make_secrets},
    {"read_ring", "io_uring", ring, NULL, make_secrets},
    {"read_victim", "/proc/PID/root", by_victim, NULL, make_secrets},
    {NULL, NULL, NULL, NULL, NULL},
};
