/* Powers that a command must not have:
 *   powers tries                 calls that change the machine or leave the sandbox
 *   powers attack PID ADDRESS    on a process of the host
 *   powers foreign               calls of another architecture, which no rule speaks of */
#define _GNU_SOURCE
#include "answer.h"
#include "int80.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* No call here may change the machine when nothing refuses it, as root either: what is mounted,
 * set or loaded does not exist or can't be valid. The sandbox answers before that is looked at. */
#define NOWHERE "/nonexistent/sbx-spec"

static long cloned(unsigned long flags) {
  long pid = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
  if (pid == 0) _exit(0);
  int code = errno;
  if (pid > 0) waitpid((pid_t)pid, NULL, 0);
  errno = code;
  return pid;
}

static long cloned3(uint64_t flags) {
  uint64_t args[11] = {flags, 0, 0, 0, SIGCHLD};
  long pid = syscall(SYS_clone3, args, sizeof args);
  if (pid == 0) _exit(0);
  int code = errno;
  if (pid > 0) waitpid((pid_t)pid, NULL, 0);
  errno = code;
  return pid;
}

/* In a child: what succeeds there must not change what is tried next. */
static void separately(const char *name, int (*run)(void)) {
  pid_t pid = fork();
  if (pid == 0) {
    answer(name, run());
    _exit(0);
  }
  waitpid(pid, NULL, 0);
}

static int unshare_user(void) {
  return unshare(CLONE_NEWUSER);
}
static int unshare_mount(void) {
  return unshare(CLONE_NEWNS);
}
static int unshare_network(void) {
  return unshare(CLONE_NEWNET);
}
static int unshare_pid(void) {
  return unshare(CLONE_NEWPID);
}
static int unshare_ipc(void) {
  return unshare(CLONE_NEWIPC);
}
static int unshare_uts(void) {
  return unshare(CLONE_NEWUTS);
}
static int unshare_cgroup(void) {
  return unshare(CLONE_NEWCGROUP);
}
static int unshare_high(void) {
  return (int)syscall(SYS_unshare, 0xffffffff00000000UL | CLONE_NEWUSER);
}
static int mount_tmpfs(void) {
  return mount("none", NOWHERE, "tmpfs", 0, "");
}
static int mount_bind(void) {
  return mount("/usr", NOWHERE, NULL, MS_BIND, NULL);
}
static int unmount(void) {
  return umount2(NOWHERE, MNT_DETACH);
}
static int pivot(void) {
  return (int)syscall(SYS_pivot_root, NOWHERE, NOWHERE);
}
static int fs_open(void) {
  return (int)syscall(SYS_fsopen, "sbx-no-such-type", 0);
}
static int tree_open(void) {
  return (int)syscall(SYS_open_tree, AT_FDCWD, NOWHERE, 1);
}
static int mount_attr(void) {
  uint64_t attr[4] = {0};
  return (int)syscall(SYS_mount_setattr, AT_FDCWD, NOWHERE, 0, attr, sizeof attr);
}
static int change_root(void) {
  return chroot(NOWHERE);
}
static int join_namespace(void) {
  int fd = open("/proc/self/ns/mnt", O_RDONLY);
  return fd < 0 ? -1 : setns(fd, 0);
}
static int user_zero(void) {
  return setuid(0);
}
static int user_other(void) {
  return setuid(12345);
}
static int groups(void) {
  gid_t list[1] = {4};
  return setgroups(1, list);
}
static int bounding(void) {
  return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 21, 0, 0);
}
static int keyctl_describe(void) {
  return (int)syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1);
}
static int key_add(void) {
  return (int)syscall(SYS_add_key, "sbx-no-such-type", "x", "x", 1, KEY_SPEC_USER_KEYRING);
}
static int key_request(void) {
  return (int)syscall(SYS_request_key, "sbx-no-such-type", "x", NULL, 0);
}
static int bpf(void) {
  char attr[128] = {0};
  return (int)syscall(SYS_bpf, 0, attr, sizeof attr);
}
static int perf(void) {
  uint32_t attr[32] = {1, 128, 1};
  return (int)syscall(SYS_perf_event_open, attr, 0, -1, -1, 0);
}
static int user_fault(void) {
  return (int)syscall(SYS_userfaultfd, 1);
}
static int io_uring(void) {
  char parameters[256] = {0};
  return (int)syscall(SYS_io_uring_setup, 4, parameters);
}
static int handle(void) {
  struct {
    unsigned bytes;
    int type;
    char text[128];
  } file = {.bytes = 128};
  int mount_id;
  return (int)syscall(SYS_name_to_handle_at, AT_FDCWD, "/usr", &file, &mount_id, 0);
}
static int by_handle(void) {
  unsigned file[34] = {8, 1};
  return (int)syscall(SYS_open_by_handle_at, AT_FDCWD, file, O_RDONLY);
}
static int host_name(void) {
  return (int)syscall(SYS_sethostname, 1, 8);
}
static int clock_set(void) {
  struct timeval now = {-1, -1};
  return settimeofday(&now, NULL);
}
static int swap_off(void) {
  return (int)syscall(SYS_swapoff, "/nonexistent");
}
static int restart(void) {
  return (int)syscall(SYS_reboot, 0, 0, 0, NULL);
}
static int kernel_log(void) {
  return (int)syscall(SYS_syslog, 3, (char[64]){0}, 64);
}
static int shared_memory(void) {
  return (int)syscall(SYS_shmget, 0x5b785b78, 4096, 0);
}
static int terminal_input(void) {
  int fd = open("/dev/tty", O_RDWR);
  return ioctl(fd < 0 ? 0 : fd, TIOCSTI, "x");
}
static int terminal_input_high(void) {
  return (int)syscall(SYS_ioctl, 0, 0xffffffff00000000UL | TIOCSTI, "x");
}
static int listener(void) {
  struct {
    unsigned short length;
    void *filter;
  } program = {0, NULL};
  return (int)syscall(SYS_seccomp, 1, 8, &program);
}
static int quota(void) {
  return (int)syscall(SYS_quotactl, 0, NOWHERE, 0, NULL);
}
static int module(void) {
  return (int)syscall(SYS_finit_module, -1, "", 0);
}
static int device(void) {
  return mknod(NOWHERE, S_IFCHR | 0666, 0x103);
}

static int tries(void) {
  static const struct {
    const char *name;
    int (*run)(void);
  } all[] = {
      {"unshare_user", unshare_user},
      {"unshare_mount", unshare_mount},
      {"unshare_network", unshare_network},
      {"unshare_pid", unshare_pid},
      {"unshare_ipc", unshare_ipc},
      {"unshare_uts", unshare_uts},
      {"unshare_cgroup", unshare_cgroup},
      {"unshare_high", unshare_high},
      {"mount_tmpfs", mount_tmpfs},
      {"mount_bind", mount_bind},
      {"unmount", unmount},
      {"pivot", pivot},
      {"fs_open", fs_open},
      {"tree_open", tree_open},
      {"mount_attr", mount_attr},
      {"change_root", change_root},
      {"join_namespace", join_namespace},
      {"user_other", user_other},
      {"groups", groups},
      {"bounding", bounding},
      {"keyctl", keyctl_describe},
      {"add_key", key_add},
      {"request_key", key_request},
      {"bpf", bpf},
      {"perf", perf},
      {"user_fault", user_fault},
      {"io_uring", io_uring},
      {"handle", handle},
      {"by_handle", by_handle},
      {"host_name", host_name},
      {"clock_set", clock_set},
      {"swap_off", swap_off},
      {"restart", restart},
      {"kernel_log", kernel_log},
      {"shared_memory", shared_memory},
      {"terminal_input", terminal_input},
      {"terminal_input_high", terminal_input_high},
      {"listener", listener},
      {"quota", quota},
      {"module", module},
      {"device", device},
  };
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) separately(all[i].name, all[i].run);
  if (getuid() != 0) separately("user_zero", user_zero);
  answer("clone_user", cloned(CLONE_NEWUSER));
  answer("clone_pid", cloned(CLONE_NEWPID));
  answer("clone3", cloned3(CLONE_NEWUSER));
  answer("clone3_plain", cloned3(0));
  answer("clone_plain", cloned(0));
  return 0;
}

static int by_pidfd(pid_t pid, int sig) {
  int fd = (int)syscall(SYS_pidfd_open, pid, 0);
  return fd < 0 ? -1 : (int)syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0);
}

static int get_descriptor(pid_t pid) {
  int fd = (int)syscall(SYS_pidfd_open, pid, 0);
  return fd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, fd, 0, 0);
}

static int poke_memory(pid_t pid, uintptr_t address) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/mem", pid);
  int fd = open(path, O_RDWR);
  return fd < 0 ? -1 : (int)pwrite(fd, "poked", 5, (off_t)address);
}

static int write_memory(pid_t pid, uintptr_t address) {
  struct iovec own = {"wrote", 5}, other = {(void *)address, 5};
  return (int)process_vm_writev(pid, &own, 1, &other, 1, 0);
}

static int read_memory(pid_t pid, uintptr_t address) {
  char text[5];
  struct iovec own = {text, 5}, other = {(void *)address, 5};
  return (int)process_vm_readv(pid, &own, 1, &other, 1, 0);
}

static int trace(pid_t pid) {
  long rc = ptrace(PTRACE_ATTACH, pid, NULL, NULL);
  if (rc == 0) {
    waitpid(pid, NULL, 0);
    ptrace(PTRACE_DETACH, pid, NULL, NULL);
  }
  return (int)rc;
}

static int limit(pid_t pid) {
  struct rlimit limit = {77, 77};
  return (int)syscall(SYS_prlimit64, pid, RLIMIT_NOFILE, &limit, NULL);
}

static int affinity(pid_t pid) {
  unsigned long mask = 1;
  return (int)syscall(SYS_sched_setaffinity, pid, sizeof mask, &mask);
}

/* The signal last: it ends the victim where it arrives. */
static int attack(pid_t pid, uintptr_t address) {
  answer("read_memory", read_memory(pid, address));
  answer("write_memory", write_memory(pid, address));
  answer("poke_memory", poke_memory(pid, address));
  answer("trace", trace(pid));
  answer("get_descriptor", get_descriptor(pid));
  answer("kcmp", syscall(SYS_kcmp, pid, pid, 0, 0, 0));
  answer("priority", setpriority(PRIO_PROCESS, (id_t)pid, 5));
  answer("limit", limit(pid));
  answer("affinity", affinity(pid));
  answer("tgkill", syscall(SYS_tgkill, pid, pid, SIGUSR1));
  answer("queue", sigqueue(pid, SIGUSR1, (union sigval){0}));
  answer("pidfd", by_pidfd(pid, SIGUSR1));
  answer("kill", kill(pid, SIGUSR2));
  return 0;
}

static int foreign(void) {
#ifdef __x86_64__
  answer("x32_getpid", syscall(0x40000000 | SYS_getpid));
  answer("x32_socket", syscall(0x40000000 | SYS_socket, AF_INET, SOCK_STREAM, 0));
  answer("x32_ptrace", syscall(0x40000000 + 521, 0, 0, 0, 0));
  answer("int80_getpid", int80(20, 0, 0, 0));
  answer("int80_socket", int80(359, AF_INET, SOCK_STREAM, 0));
  answer("int80_unshare", int80(310, CLONE_NEWUSER, 0, 0));
#endif
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "tries") == 0) return tries();
  if (argc == 2 && strcmp(argv[1], "foreign") == 0) return foreign();
  if (argc == 4 && strcmp(argv[1], "attack") == 0)
    return attack(atoi(argv[2]), strtoull(argv[3], NULL, 16));
  return 2;
}
