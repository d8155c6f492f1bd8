/* Changes of the host's files, outside every writable root. */
#include "catalogue.h"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

static long open_write(void) {
  return put(open(outside("file"), O_WRONLY));
}
static long truncate_reading(void) {
  return open(outside("file"), O_RDONLY | O_TRUNC);
}
static long truncate_path(void) {
  return truncate(outside("file"), 1);
}
static long create(void) {
  return put(open(outside("new"), O_WRONLY | O_CREAT, 0644));
}
static long through_link(void) {
  if (symlink(outside("file"), inside("link")) < 0) return -1;
  return put(open(inside("link"), O_WRONLY));
}
static long create_through_link(void) {
  if (symlink(outside("new"), inside("link")) < 0) return -1;
  return put(open(inside("link"), O_WRONLY | O_CREAT, 0644));
}
static long rename_over(void) {
  return rename(inside("mine"), outside("file"));
}
static long rename_away(void) {
  return rename(outside("file"), inside("stolen"));
}
static long exchange(void) {
  return renameat2(AT_FDCWD, inside("mine"), AT_FDCWD, outside("file"), RENAME_EXCHANGE);
}
static long rename_directory(void) {
  return rename(outside("empty"), outside("full"));
}
static long link_out(void) {
  return link(inside("mine"), outside("linked"));
}
static long link_in(void) {
  if (link(outside("file"), inside("linked")) < 0) return -1;
  return put(open(inside("linked"), O_WRONLY));
}
static long link_descriptor(void) {
  char *path = text("/proc/self/fd/%d", open(outside("file"), O_PATH));
  return linkat(AT_FDCWD, path, AT_FDCWD, inside("linked"), AT_SYMLINK_FOLLOW);
}
static long link_before(void) {
  return put(open(inside("before"), O_WRONLY));
}
static void make_link_before(void) {
  if (link(outside("file"), inside("before")) < 0) exit(3);
}
static long remove_file(void) {
  return unlink(outside("file"));
}
static long make_directory(void) {
  return mkdir(outside("new"), 0755);
}
static long remove_directory(void) {
  return rmdir(outside("empty"));
}
static long make_fifo(void) {
  return mkfifo(outside("new"), 0644);
}
static long make_node(void) {
  return mknod(outside("new"), S_IFSOCK | 0644, 0);
}
static long make_symlink(void) {
  return symlink("/etc/passwd", outside("new"));
}

static long unnamed_file(void) {
  int fd = open(outside(""), O_TMPFILE | O_WRONLY, 0644);
  if (fd < 0) return -1;
  char *path = text("/proc/self/fd/%d", fd);
  return linkat(AT_FDCWD, path, AT_FDCWD, outside("new"), AT_SYMLINK_FOLLOW);
}

static long bind_socket(void) {
  struct sockaddr_un un = {.sun_family = AF_UNIX};
  int fds[2] = {-1, -1};
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0) fd = fds[0];
  snprintf(un.sun_path, sizeof un.sun_path, "%s", outside("new"));
  return bind(fd, (void *)&un, sizeof un);
}

static long through_root(void) {
  return put(open(text("/proc/self/root%s", outside("file")), O_WRONLY));
}
static long through_cwd(void) {
  if (chdir(outside("")) < 0) return -1;
  return put(open("/proc/self/cwd/file", O_WRONLY));
}
static long through_task(void) {
  return put(open(text("/proc/thread-self/root%s", outside("file")), O_WRONLY));
}
static long reopen_path(void) {
  return put(open(text("/proc/self/fd/%d", open(outside("file"), O_PATH)), O_WRONLY));
}
static long reopen_reading(void) {
  return put(open(text("/proc/self/fd/%d", open(outside("file"), O_RDONLY)), O_RDWR));
}
static long through_directory(void) {
  return put(openat(open(outside(""), O_PATH | O_DIRECTORY), "file", O_WRONLY));
}
static long through_parents(void) {
  char *path = inside("dir");
  for (int i = 0; i < 20; i++) path = text("%s/..", path);
  return put(open(text("%s%s", path, outside("file")), O_WRONLY));
}

static long open_extended(void) {
  struct open_how how = {.flags = O_WRONLY};
  return put((int)syscall(SYS_openat2, AT_FDCWD, outside("file"), &how, sizeof how));
}

static long map_shared(void) {
  int fd = open(outside("file"), O_RDWR);
  char *bytes = mmap(NULL, 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (bytes == MAP_FAILED) return -1;
  memcpy(bytes, "mmap", 4);
  return msync(bytes, 4, MS_SYNC);
}

static int is_changed(void) {
  char bytes[8] = "";
  int fd = open(outside("file"), O_RDONLY);
  ssize_t size = read(fd, bytes, 7);
  close(fd);
  return size == 7 && strcmp(bytes, "changed") == 0;
}

/* A name that is now a directory inside, now a link to the outside; 200 ms, or until it worked. */
static long race(void) {
  char *path = inside("dir/file"), *directory = inside("dir"), *other = inside("link");
  struct timespec now, end;
  if (symlink(outside(""), other) < 0) return -1;
  pid_t pid = fork();
  if (pid == 0) alarm(5);
  while (pid == 0) renameat2(AT_FDCWD, directory, AT_FDCWD, other, RENAME_EXCHANGE);
  clock_gettime(CLOCK_MONOTONIC, &end);
  end.tv_nsec += 200000000;
  do {
    for (int i = 0; i < 16; i++) put(open(path, O_WRONLY));
    sched_yield();
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while (!is_changed() && (now.tv_sec - end.tv_sec) * 1000000000 + now.tv_nsec - end.tv_nsec < 0);
  kill(pid, SIGKILL);
  return waitpid(pid, NULL, 0);
}

static long by_handle(void) {
  struct {
    struct file_handle handle;
    unsigned char bytes[MAX_HANDLE_SZ];
  } file = {.handle.handle_bytes = MAX_HANDLE_SZ};
  int mount_id;
  if (name_to_handle_at(AT_FDCWD, outside("file"), &file.handle, &mount_id, 0) < 0) return -1;
  return put(open_by_handle_at(open(outside(""), O_RDONLY), &file.handle, O_WRONLY));
}

/* A pipe with a name, from which the host reads: no file system is written. */
static long write_fifo(void) {
  int fd = open(outside("fifo"), O_WRONLY | O_NONBLOCK);
  return fd < 0 ? -1 : write(fd, current, strlen(current));
}
static void make_host_fifo(void) {
  if (mkfifo(outside("fifo"), 0644) < 0) exit(3);
}

static long ring_open(void) {
  char *path = outside("new");
  struct io_uring_sqe sqe = {.opcode = IORING_OP_OPENAT,
                             .fd = AT_FDCWD,
                             .addr = (uintptr_t)path,
                             .len = 0644,
                             .open_flags = O_WRONLY | O_CREAT};
  return put(uring_call(&sqe));
}

static long ring_unlink(void) {
  char *path = outside("file");
  struct io_uring_sqe sqe = {.opcode = IORING_OP_UNLINKAT, .fd = AT_FDCWD, .addr = (uintptr_t)path};
  return uring_call(&sqe);
}

const struct attempt file_attempts[] = {
    {"file_open_write", "write a file outside", open_write, NULL, NULL},
    {"file_truncate_reading", "O_TRUNC on a read-only open", truncate_reading, NULL, NULL},
    {"file_truncate", "truncate(2)", truncate_path, NULL, NULL},
    {"file_create", "make a file outside", create, NULL, NULL},
    {"file_through_link", "through a link made inside", through_link, NULL, NULL},
    {"file_create_link", "create through a dangling link", create_through_link, NULL, NULL},
    {"file_rename_over", "rename one's own file over it", rename_over, NULL, NULL},
    {"file_rename_away", "rename it into the root", rename_away, NULL, NULL},
    {"file_exchange", "RENAME_EXCHANGE across the border", exchange, NULL, NULL},
    {"file_rename_directory", "rename a directory outside", rename_directory, NULL, NULL},
    {"file_link_out", "hard link to the outside", link_out, NULL, NULL},
    {"file_link_in", "hard link to the inside, write it", link_in, NULL, NULL},
    {"file_link_descriptor", "hard link of a path descriptor", link_descriptor, NULL, NULL},
    {"file_link_before", "write a hard link made before", link_before, NULL, make_link_before},
    {"file_remove", "unlink", remove_file, NULL, NULL},
    {"file_make_directory", "mkdir", make_directory, NULL, NULL},
    {"file_remove_directory", "rmdir", remove_directory, NULL, NULL},
    {"file_make_fifo", "mkfifo", make_fifo, NULL, NULL},
    {"file_make_node", "mknod of a socket", make_node, NULL, NULL},
    {"file_make_link", "symlink", make_symlink, NULL, NULL},
    {"file_unnamed", "O_TMPFILE, then linkat", unnamed_file, NULL, NULL},
    {"file_bind_socket", "bind a socket outside", bind_socket, NULL, NULL},
    {"file_through_root", "/proc/self/root", through_root, NULL, NULL},
    {"file_through_cwd", "/proc/self/cwd", through_cwd, NULL, NULL},
    {"file_through_task", "/proc/thread-self/root", through_task, NULL, NULL},
    {"file_reopen_path", "reopen an O_PATH descriptor", reopen_path, NULL, NULL},
    {"file_reopen_reading", "reopen a reading descriptor", reopen_reading, NULL, NULL},
    {"file_through_directory", "openat from a directory", through_directory, NULL, NULL},
    {"file_through_parents", "dot-dot from inside", through_parents, NULL, NULL},
    {"file_openat2", "openat2", open_extended, NULL, NULL},
    {"file_map_shared", "a shared mapping", map_shared, NULL, NULL},
    {"file_race", "a link swapped while it is opened", race, NULL, NULL},
    {"file_handle", "open_by_handle_at", by_handle, NULL, NULL},
    {"file_fifo_write", "a pipe that the host reads", write_fifo, NULL, make_host_fifo},
    {"file_ring_open", "create through io_uring", ring_open, NULL, NULL},
    {"file_ring_unlink", "unlink through io_uring", ring_unlink, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
