/* Modes, owners, times, attributes of files outside, which belong to the acting user. */
#include "catalogue.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

static int reader(void) {
  return open(outside("file"), O_RDONLY);
}

static long change_mode(void) {
  return chmod(outside("file"), 0600);
}
static long change_mode_reader(void) {
  return fchmod(reader(), 0600);
}
static long change_mode_2(void) {
  return syscall(452, AT_FDCWD, outside("file"), 0600, 0);
}
static long change_mode_proc(void) {
  return chmod(text("/proc/self/fd/%d", open(outside("file"), O_PATH)), 0600);
}
static long change_mode_directory(void) {
  return chmod(outside("empty"), 0700);
}
static long change_mode_link(void) {
  if (symlink(outside("file"), inside("link")) < 0) return -1;
  return chmod(inside("link"), 0600);
}
static long change_owner(void) {
  return chown(outside("file"), getuid(), getgid());
}
static long change_owner_reader(void) {
  return fchown(reader(), getuid(), getgid());
}
static long change_times(void) {
  return utimensat(AT_FDCWD, outside("file"), (struct timespec[2]){{1, 0}, {1, 0}}, 0);
}
static long change_times_now(void) {
  return utimensat(AT_FDCWD, outside("file"), NULL, 0);
}
static long change_times_reader(void) {
  return futimens(reader(), (struct timespec[2]){{1, 0}, {1, 0}});
}
static long set_attribute(void) {
  return setxattr(outside("file"), "user.sbx", "1", 1, 0);
}
static long set_attribute_reader(void) {
  return fsetxattr(reader(), "user.sbx", "1", 1, 0);
}
static long remove_attribute(void) {
  return removexattr(outside("file"), "user.old");
}
static void give_attribute(void) {
  setxattr(outside("file"), "user.old", "1", 1, 0);
}

static long set_attribute_at(void) {
  struct {
    uint64_t value;
    uint32_t size, flags;
  } args = {(uintptr_t) "1", 1, 0};
  return syscall(463, AT_FDCWD, outside("file"), 0, "user.sbx", &args, sizeof args);
}

static long set_acl(void) {
  /* u::rw- u:1:rwx g::r-- m::rwx o::r-- */
  uint32_t acl[] = {2, 0x60001, ~0U, 0x70002, 1, 0x40004, ~0U, 0x70010, ~0U, 0x40020, ~0U};
  return setxattr(outside("file"), "system.posix_acl_access", acl, sizeof acl, 0);
}

static long ring_set_attribute(void) {
  char *path = outside("file");
  struct io_uring_sqe sqe = {.opcode = IORING_OP_SETXATTR,
                             .addr = (uintptr_t) "user.sbx",
                             .addr2 = (uintptr_t) "1",
                             .addr3 = (uintptr_t)path,
                             .len = 1};
  return uring_call(&sqe);
}

static long set_flags(unsigned long request) {
  unsigned long flags = 0;
  int fd = reader();
  if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0) return -1;
  flags |= FS_NODUMP_FL;
  return syscall(SYS_ioctl, fd, request, &flags);
}
static long set_flags_plain(void) {
  return set_flags(FS_IOC_SETFLAGS);
}
/* the upper half of the request means nothing to the kernel */
static long set_flags_high(void) {
  return set_flags(0xffffffff00000000UL | FS_IOC_SETFLAGS);
}

static long set_extended_flags(void) {
  struct fsxattr fsx = {0};
  int fd = reader();
  if (ioctl(fd, FS_IOC_FSGETXATTR, &fsx) < 0) return -1;
  fsx.fsx_xflags |= FS_XFLAG_NODUMP;
  return ioctl(fd, FS_IOC_FSSETXATTR, &fsx);
}

static long file_setattr(void) {
  struct {
    uint64_t xflags;
    uint32_t extsize, nextents, projid, cowextsize;
  } attr = {.xflags = FS_XFLAG_NODUMP};
  return syscall(469, AT_FDCWD, outside("file"), &attr, sizeof attr, 0);
}

const struct attempt metadata_attempts[] = {
    {"meta_mode", "chmod", change_mode, NULL, NULL},
    {"meta_mode_reader", "fchmod on a reading descriptor", change_mode_reader, NULL, NULL},
    {"meta_mode_2", "fchmodat2", change_mode_2, NULL, NULL},
    {"meta_mode_proc", "chmod through /proc/self/fd", change_mode_proc, NULL, NULL},
    {"meta_mode_directory", "chmod of a directory", change_mode_directory, NULL, NULL},
    {"meta_mode_link", "chmod through a link inside", change_mode_link, NULL, NULL},
    {"meta_owner", "chown", change_owner, NULL, NULL},
    {"meta_owner_reader", "fchown on a reading descriptor", change_owner_reader, NULL, NULL},
    {"meta_times", "utimensat", change_times, NULL, NULL},
    {"meta_times_now", "utimensat to now", change_times_now, NULL, NULL},
    {"meta_times_reader", "futimens on a reading descriptor", change_times_reader, NULL, NULL},
    {"meta_attribute", "setxattr", set_attribute, NULL, NULL},
    {"meta_attribute_reader", "fsetxattr", set_attribute_reader, NULL, NULL},
    {"meta_attribute_at", "setxattrat", set_attribute_at, NULL, NULL},
    {"meta_attribute_remove", "removexattr", remove_attribute, NULL, give_attribute},
    {"meta_acl", "an access list", set_acl, NULL, NULL},
    {"meta_ring_attribute", "setxattr through io_uring", ring_set_attribute, NULL, NULL},
    {"meta_flags", "FS_IOC_SETFLAGS", set_flags_plain, NULL, NULL},
    {"meta_flags_high", "the same, upper half set", set_flags_high, NULL, NULL},
    {"meta_extended_flags", "FS_IOC_FSSETXATTR", set_extended_flags, NULL, NULL},
    {"meta_file_setattr", "file_setattr", file_setattr, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
