/* Changes of the file system, each tried in a directory of its own name:
 *   files change BASE      below BASE
 *   files cross FROM TO    between two directories
 *   files attributes DIR   what Landlock doesn't guard
 *   files list             the names of the changes */
#define _GNU_SOURCE
#include "answer.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

static int put(int fd) {
  if (fd < 0) return -1;
  int rc = (int)write(fd, "changed", 7);
  int code = errno;
  close(fd);
  errno = code;
  return rc;
}

static int keep(int fd) {
  if (fd >= 0) close(fd);
  return fd;
}

static int open_write(void) {
  return put(open("file", O_WRONLY));
}
static int open_read_write(void) {
  return put(open("file", O_RDWR));
}
static int open_append(void) {
  return put(open("file", O_WRONLY | O_APPEND));
}
static int open_truncate(void) {
  return keep(open("file", O_WRONLY | O_TRUNC));
}
static int open_read_truncate(void) {
  return keep(open("file", O_RDONLY | O_TRUNC));
}
static int open_nothing_truncate(void) {
  return keep(open("file", 3 | O_TRUNC));
}
static int open_create(void) {
  return put(open("new", O_WRONLY | O_CREAT, 0644));
}
static int open_exclusive(void) {
  return keep(open("new", O_RDONLY | O_CREAT | O_EXCL, 0644));
}
static int truncate_path(void) {
  return truncate("file", 1);
}
static int make_directory(void) {
  return mkdir("new", 0755);
}
static int remove_directory(void) {
  return rmdir("empty");
}
static int remove_file(void) {
  return unlink("file");
}
static int make_link(void) {
  return symlink("file", "new");
}
static int make_hard_link(void) {
  return link("file", "new");
}
static int make_fifo(void) {
  return mkfifo("new", 0644);
}
static int make_socket_node(void) {
  return mknod("new", S_IFSOCK | 0644, 0);
}
static int move(void) {
  return rename("file", "new");
}
static int move_over(void) {
  return rename("file", "other");
}
static int move_directory(void) {
  return rename("empty", "new");
}
static int swap(void) {
  return renameat2(AT_FDCWD, "file", AT_FDCWD, "other", RENAME_EXCHANGE);
}
static int through_link(void) {
  return put(open("link", O_WRONLY));
}

static int open_extended(void) {
  struct open_how how = {.flags = O_WRONLY};
  return put((int)syscall(SYS_openat2, AT_FDCWD, "file", &how, sizeof how));
}

static int unnamed_file(void) {
  int fd = open(".", O_TMPFILE | O_WRONLY, 0644);
  if (fd < 0) return -1;
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return linkat(AT_FDCWD, path, AT_FDCWD, "new", AT_SYMLINK_FOLLOW);
}

static int map_shared(void) {
  int fd = open("file", O_RDWR);
  if (fd < 0) return -1;
  char *text = mmap(NULL, 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (text == MAP_FAILED) return -1;
  memcpy(text, "mmap", 4);
  return msync(text, 4, MS_SYNC);
}

static int through_proc(void) {
  char path[4096] = "/proc/self/root", *at = path + strlen(path);
  if (!getcwd(at, sizeof path - 64)) return -1;
  strcat(path, "/file");
  return put(open(path, O_WRONLY));
}

static int through_descriptor(void) {
  int fd = open("file", O_PATH);
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return put(open(path, O_WRONLY));
}

static int reopen_reader(void) {
  int fd = open("file", O_RDONLY);
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return put(open(path, O_RDWR));
}

static int through_directory(void) {
  int fd = open(".", O_PATH | O_DIRECTORY);
  return put(openat(fd, "file", O_WRONLY));
}

static int through_parent(void) {
  return put(open("empty/../file", O_WRONLY));
}

static const struct {
  const char *name;
  int (*run)(void);
} changes[] = {
    {"open_write", open_write},
    {"open_read_write", open_read_write},
    {"open_append", open_append},
    {"open_truncate", open_truncate},
    {"open_read_truncate", open_read_truncate},
    {"open_create", open_create},
    {"open_exclusive", open_exclusive},
    {"open_extended", open_extended},
    {"open_nothing_truncate", open_nothing_truncate},
    {"truncate_path", truncate_path},
    {"unnamed_file", unnamed_file},
    {"map_shared", map_shared},
    {"make_directory", make_directory},
    {"remove_directory", remove_directory},
    {"remove_file", remove_file},
    {"make_link", make_link},
    {"make_hard_link", make_hard_link},
    {"make_fifo", make_fifo},
    {"make_socket_node", make_socket_node},
    {"move", move},
    {"move_over", move_over},
    {"move_directory", move_directory},
    {"swap", swap},
    {"through_link", through_link},
    {"through_proc", through_proc},
    {"through_descriptor", through_descriptor},
    {"reopen_reader", reopen_reader},
    {"through_directory", through_directory},
    {"through_parent", through_parent},
};

enum { CHANGES = sizeof changes / sizeof changes[0] };

static int change(const char *base) {
  for (int i = 0; i < CHANGES; i++) {
    if (chdir(base) < 0 || chdir(changes[i].name) < 0) return 1;
    answer(changes[i].name, changes[i].run());
  }
  return 0;
}

static int list(void) {
  for (int i = 0; i < CHANGES; i++) puts(changes[i].name);
  return 0;
}

static char *below(const char *directory, const char *name) {
  char *path = NULL;
  return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

static int cross(const char *from, const char *to) {
  answer("link", link(below(from, "a"), below(to, "linked")));
  answer("rename", rename(below(from, "b"), below(to, "renamed")));
  answer("rename_directory", rename(below(from, "d"), below(to, "directory")));
  answer("exchange",
         renameat2(AT_FDCWD, below(from, "c"), AT_FDCWD, below(to, "c"), RENAME_EXCHANGE));
  return 0;
}

static int attributes(const char *directory) {
  if (chdir(directory) < 0) return 1;
  answer("setxattr", setxattr("file", "user.sbx", "1", 1, 0));
  answer("removexattr", removexattr("file", "user.old"));
  int fd = open("file", O_RDONLY);
  answer("fsetxattr", fsetxattr(fd, "user.sbx2", "1", 1, 0));
  int flags = 0;
  ioctl(fd, FS_IOC_GETFLAGS, &flags);
  flags |= FS_NODUMP_FL;
  answer("setflags", ioctl(fd, FS_IOC_SETFLAGS, &flags));
  struct fsxattr fsx = {0};
  ioctl(fd, FS_IOC_FSGETXATTR, &fsx);
  fsx.fsx_xflags |= FS_XFLAG_NOATIME;
  answer("fssetxattr", ioctl(fd, FS_IOC_FSSETXATTR, &fsx));
  /* the upper half of the request means nothing to the kernel */
  flags |= FS_NOATIME_FL;
  answer("setflags_high", syscall(SYS_ioctl, fd, 0xffffffff00000000UL | FS_IOC_SETFLAGS, &flags));
  struct {
    unsigned long value;
    unsigned size, flags;
  } args = {(unsigned long)"1", 1, 0};
  answer("setxattrat", syscall(463, AT_FDCWD, "file", 0, "user.sbx3", &args, sizeof args));
  int reading = open("file", O_RDONLY | O_CLOEXEC);
  answer("setlease", syscall(SYS_fcntl, reading, 1024 /* F_SETLEASE */, F_RDLCK));
  answer("setlease_high", syscall(SYS_fcntl, reading, 0xffffffff00000400UL, F_RDLCK));
  answer("getflags", fcntl(reading, F_GETFL) < 0 ? -1 : 0);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "list") == 0) return list();
  if (argc == 3 && strcmp(argv[1], "change") == 0) return change(argv[2]);
  if (argc == 4 && strcmp(argv[1], "cross") == 0) return cross(argv[2], argv[3]);
  if (argc == 3 && strcmp(argv[1], "attributes") == 0) return attributes(argv[2]);
  return 2;
}
