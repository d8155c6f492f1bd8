/* Interfaces of the kernel with a history, files that steer it, and what a filter must not let a
 * second filter do. */
#include "catalogue.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sys/fanotify.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static long io_uring(void) {
  char parameters[256] = {0};
  return syscall(SYS_io_uring_setup, 4, parameters);
}

static long bpf_map(void) {
  union bpf_attr attr = {
      .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
  return syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr);
}

static long perf(void) {
  struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
                                 .size = sizeof attr,
                                 .config = PERF_COUNT_SW_TASK_CLOCK,
                                 .exclude_kernel = 1};
  return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static long user_faults(void) {
  return syscall(SYS_userfaultfd, 1 /* of user mode only */);
}

static long watch_files(void) {
  int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID, O_RDONLY);
  return fd < 0 ? -1 : fanotify_mark(fd, FAN_MARK_ADD, FAN_MODIFY, AT_FDCWD, outside("file"));
}

static struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
static struct sock_fprog program = {1, allow};

/* One that could answer for the supervisor's. */
static long listener(void) {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

static long own_filter(void) {
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(fact("tcp")))};
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0) return -1;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (void *)&in, sizeof in) < 0) return -1;
  return send(fd, current, strlen(current), MSG_NOSIGNAL);
}

/* A domain of its own can't undo the one around it. */
static long own_domain(void) {
  uint64_t attr[1] = {1 << 1 /* write */};
  int rules = (int)syscall(SYS_landlock_create_ruleset, attr, sizeof attr, 0);
  struct {
    uint64_t access;
    int32_t parent;
  } __attribute__((packed)) rule = {1 << 1, open("/", O_PATH)};
  if (syscall(SYS_landlock_add_rule, rules, 1, &rule, 0) < 0) return -1;
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (syscall(SYS_landlock_restrict_self, rules, 0) < 0) return -1;
  return put(open(outside("file"), O_WRONLY));
}

/* A pipe for cores runs as root, outside. */
static long core_limit(void) {
  struct rlimit most = {RLIM_INFINITY, RLIM_INFINITY};
  return setrlimit(RLIMIT_CORE, &most);
}

static long core_pattern(void) {
  return open("/proc/sys/kernel/core_pattern", O_WRONLY);
}
static long module_loader(void) {
  return open("/proc/sys/kernel/modprobe", O_WRONLY);
}
static long requests(void) {
  return open("/proc/sysrq-trigger", O_WRONLY);
}
static long events_helper(void) {
  return open("/sys/kernel/uevent_helper", O_WRONLY);
}
static long memory_setting(void) {
  return open("/proc/sys/vm/overcommit_memory", O_WRONLY);
}
static long key_setting(void) {
  return open("/proc/sys/kernel/keys/maxkeys", O_WRONLY);
}
static long interrupts(void) {
  return open("/proc/irq/default_smp_affinity", O_WRONLY);
}
static long sys_file(void) {
  return open("/sys/kernel/mm/transparent_hugepage/enabled", O_WRONLY);
}
static long cgroup_file(void) {
  return open(text("%s/cgroup.procs", fact("cgroup")), O_WRONLY);
}
static long cgroup_make(void) {
  return mkdir(text("%s/%s", fact("cgroup"), fact("id")), 0755);
}
static long kernel_memory(void) {
  return open("/proc/kcore", O_RDONLY);
}

const struct attempt kernel_attempts[] = {
    {"kernel_io_uring", "io_uring_setup", io_uring, "fd:[io_uring]", NULL},
    {"kernel_bpf", "a map of bpf", bpf_map, "fd:bpf-map", NULL},
    {"kernel_perf", "perf_event_open", perf, "fd:[perf_event]", NULL},
    {"kernel_user_faults", "userfaultfd", user_faults, "fd:[userfaultfd]", NULL},
    {"kernel_fanotify", "fanotify on a file outside", watch_files, "fd:[fanotify]", NULL},
    {"kernel_listener", "a seccomp listener", listener, "fd:seccomp notify", NULL},
    {"kernel_own_filter", "a filter that allows all", own_filter, NULL, NULL},
    {"kernel_own_domain", "a Landlock domain of its own", own_domain, NULL, NULL},
    {"kernel_core_limit", "raise the limit on cores", core_limit, "core:", NULL},
    {"sys_core_pattern", "core_pattern", core_pattern, "write:/core_pattern", NULL},
    {"sys_modprobe", "modprobe", module_loader, "write:/modprobe", NULL},
    {"sys_requests", "sysrq-trigger", requests, "write:/sysrq-trigger", NULL},
    {"sys_events_helper", "uevent_helper", events_helper, "write:/uevent_helper", NULL},
    {"sys_overcommit", "overcommit_memory", memory_setting, "write:/overcommit_memory", NULL},
    {"sys_keys", "keys/maxkeys", key_setting, "write:/maxkeys", NULL},
    {"sys_interrupts", "/proc/irq", interrupts, "write:/default_smp_affinity", NULL},
    {"sys_file", "a file of /sys", sys_file, "write:/enabled", NULL},
    {"sys_cgroup_file", "a file of the cgroups", cgroup_file, "write:/cgroup.procs", NULL},
    {"sys_cgroup_make", "a new cgroup", cgroup_make, NULL, NULL},
    {"sys_kernel_memory", "/proc/kcore", kernel_memory, "fd:/kcore", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
