/* Nodes of devices, and terminals of the host. */
#include "catalogue.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>

static long kernel_log(void) {
  return open("/dev/kmsg", O_WRONLY);
}
static long memory(void) {
  return open("/dev/mem", O_RDWR);
}
static long disk_write(void) {
  return open(fact("disk"), O_WRONLY);
}
static long disk_read(void) {
  return open(fact("disk"), O_RDONLY);
}
static long fuse(void) {
  return open("/dev/fuse", O_RDWR);
}
static long tunnel(void) {
  return open("/dev/net/tun", O_RDWR);
}
static long virtual_machine(void) {
  return open("/dev/kvm", O_RDWR);
}

static long node(mode_t kind, unsigned major_number, unsigned minor_number) {
  if (mknod(inside("node"), kind | 0600, makedev(major_number, minor_number)) < 0) return -1;
  return open(inside("node"), O_RDONLY);
}
static long character_node(void) {
  return node(S_IFCHR, 1, 5);
}
static long block_node(void) {
  struct stat st;
  if (stat(fact("disk"), &st) < 0) return -1;
  return node(S_IFBLK, major(st.st_rdev), minor(st.st_rdev));
}

static long new_terminal(void) {
  int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY);
  if (fd < 0) fd = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY);
  if (fd < 0 || unlockpt(fd) < 0) return -1;
  return ioctl(fd, TIOCGPTPEER, O_RDWR | O_NOCTTY);
}

static long terminal_write(void) {
  int fd = open(fact("terminal"), O_WRONLY | O_NOCTTY);
  return fd < 0 ? -1 : dprintf(fd, "%s\n", current);
}
static long terminal_read(void) {
  return leak_from(open(fact("terminal_read"), O_RDONLY | O_NOCTTY | O_NONBLOCK));
}

/* As its controlling terminal, into which TIOCSTI needs no power. */
static long terminal_type(void) {
  setsid();
  int fd = open(fact("terminal_type"), O_RDWR);
  if (fd < 0) fd = open(fact("terminal_type"), O_RDONLY);
  long rc = fd;
  for (const char *at = current; rc >= 0 && *at; at++) rc = ioctl(fd, TIOCSTI, at);
  return rc;
}

static long terminal_settings(void) {
  struct termios settings;
  int fd = open(fact("terminal"), O_RDONLY | O_NOCTTY);
  if (fd < 0 || tcgetattr(fd, &settings) < 0) return -1;
  settings.c_cc[VINTR] = 'x';
  return tcsetattr(fd, TCSANOW, &settings);
}

const struct attempt device_attempts[] = {
    {"device_kernel_log", "/dev/kmsg", kernel_log, "write:/dev/kmsg", NULL},
    {"device_memory", "/dev/mem", memory, "write:/dev/mem", NULL},
    {"device_disk_write", "the disk, for writing", disk_write, "disk:write", NULL},
    {"device_disk_read", "the disk, for reading", disk_read, "disk:", NULL},
    {"device_fuse", "/dev/fuse", fuse, "fd:/dev/fuse", NULL},
    {"device_tunnel", "/dev/net/tun", tunnel, "fd:/dev/net/tun", NULL},
    {"device_kvm", "/dev/kvm", virtual_machine, "fd:/dev/kvm", NULL},
    {"device_character", "a node of its own, character", character_node, "fd:/node", NULL},
    {"device_block", "a node of its own, block", block_node, "fd:/node", NULL},
    {"terminal_new", "a terminal in the host's devpts", new_terminal, "pts:", NULL},
    {"terminal_write", "write to a terminal", terminal_write, NULL, NULL},
    {"terminal_read", "take what is typed there", terminal_read, NULL, NULL},
    {"terminal_type", "TIOCSTI", terminal_type, NULL, NULL},
    {"terminal_settings", "change its settings", terminal_settings, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
