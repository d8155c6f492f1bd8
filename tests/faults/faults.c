/* Runs a host under ptrace(2) and makes one system call of its tree fail.
 *   faults record HOST ARG…                        lists the calls between the host's marks
 *   faults force ROLE CALL N ERRNO|short HOST ARG…  the N-th CALL of ROLE fails, with that errno
 * What it says goes to standard output, a line each, beside what the host says there:
 *   call ROLE PHASE CALL N STEP TEXT SITE    forced ROLE PHASE CALL N STEP TEXT
 *   host PID    died ROLE SIGNAL    left ROLE PID STATE    hang ROLE PID CALL    ended STATUS
 * The host marks what it is doing by a signal to itself, SIGRTMAX with a value (mark.c), and runs
 * untraced until the first. */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "process.h"

#define PATIENCE_S 20 /* for the whole; a host waits no longer than its own time-outs */
#define FAREWELL_MS 3000

enum { BEFORE, TRANSFORM, SPAWN, RUN, AFTER };

static struct {
  const char *role, *name;
  long number;
  unsigned nth;
  int error; /* 0: short */
  bool forced;
} fault;

static int host_phase = BEFORE;
static bool recording;
static volatile sig_atomic_t late;

/* ---- looks into a process ---- */

static void read_text(pid_t pid, uint64_t at, char *into, size_t room) {
  struct iovec mine = {into, room - 1}, its = {(void *)at, room - 1};
  size_t to_page_end = 4096 - (at & 4095);
  into[0] = 0;
  if (at < 4096) return;
  if (its.iov_len > to_page_end) mine.iov_len = its.iov_len = to_page_end;
  ssize_t size = process_vm_readv(pid, &mine, 1, &its, 1, 0);
  into[size > 0 ? size : 0] = 0;
  for (char *c = into; *c; c++)
    if (*c < ' ' || *c > '~') *c = '?';
}

/* The first argument that looks like a path, for the reader of the table. */
static void describe(pid_t pid, long number, const uint64_t *args, char *into, size_t room) {
  static const int at_0[] = {SYS_open,   SYS_stat,  SYS_lstat,    SYS_access, SYS_mkdir, SYS_chdir,
                             SYS_unlink, SYS_rmdir, SYS_readlink, SYS_execve, SYS_mount};
  static const int at_1[] = {SYS_openat,     SYS_newfstatat, SYS_mkdirat,   SYS_unlinkat,
                             SYS_statx,      SYS_readlinkat, SYS_openat2,   SYS_faccessat,
                             SYS_faccessat2, SYS_symlinkat,  SYS_open_tree, SYS_inotify_add_watch};
  into[0] = 0;
  for (size_t i = 0; i < sizeof at_0 / sizeof *at_0; i++)
    if (at_0[i] == number) return read_text(pid, args[0], into, room);
  for (size_t i = 0; i < sizeof at_1 / sizeof *at_1; i++)
    if (at_1[i] == number) return read_text(pid, args[1], into, room);
  snprintf(into, room, "%llx,%llx,%llx", (unsigned long long)args[0], (unsigned long long)args[1],
           (unsigned long long)args[2]);
}

/* ---- the place in the program ---- */

static bool is_code(uint64_t at, const uint64_t *ranges, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (at >= ranges[2 * i] && at < ranges[2 * i + 1]) return true;
  return false;
}

static size_t code_ranges(pid_t pid, uint64_t *ranges, size_t room) {
  char path[40], line[512];
  unsigned long long from, to;
  size_t count = 0;
  snprintf(path, sizeof path, "/proc/%d/maps", pid);
  FILE *file = fopen(path, "re");
  while (file && count < room && fgets(line, sizeof line, file))
    if (sscanf(line, "%llx-%llx r-x", &from, &to) == 2 && strstr(line, " r-xp ")) {
      ranges[2 * count] = from;
      ranges[2 * count++ + 1] = to;
    }
  if (file) fclose(file);
  return count;
}

/* Where the call was made, by the return addresses nearest on the stack: calls of one place are
 * turns of one loop. Good enough to tell them apart, not to name a function. */
static uint64_t site_of(pid_t pid, uint64_t ip, uint64_t sp) {
  uint64_t words[48] = {0}, ranges[64], site = ip;
  struct iovec mine = {words, sizeof words}, its = {(void *)sp, sizeof words};
  size_t count = code_ranges(pid, ranges, 32), found = 0;
  if (process_vm_readv(pid, &mine, 1, &its, 1, 0) <= 0) return site;
  for (size_t i = 0; i < 48 && found < 3; i++)
    if (is_code(words[i], ranges, count)) {
      site = site * 1099511628211u + words[i];
      found++;
    }
  return site;
}

static void tell(const char *word, const struct process *process, long number, unsigned nth,
                 const uint64_t *args, uint64_t site) {
  char text[200], *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)number);
  describe(process->pid, number, args, text, sizeof text);
  printf("%s\t%s\t%s\t%s\t%u\t%s\t%s\t%llx\n", word, process->role,
         process_phase(process, host_phase), name ? name : "?", nth, process->step, text,
         (unsigned long long)site);
  free(name);
}

/* ---- making a call fail ---- */

static long *count_register(struct user_regs_struct *regs, long number) {
  switch (number) {
  case SYS_read:
  case SYS_write:
  case SYS_pread64:
  case SYS_pwrite64:
  case SYS_readv:
  case SYS_writev: return (long *)&regs->rdx;
  default: return NULL;
  }
}

/* Shorter by half of it, and by one vector. */
static void shorten(struct process *process, struct user_regs_struct *regs, long number) {
  long *count = count_register(regs, number);
  if (!count || *count < 2) return;
  *count /= 2;
  process->in_call = true;
  process->answers = false;
  fault.forced = true;
}

/* Those that do their work and fail all the same: a descriptor is closed whatever close(2) says
 * (its manual), and a child that is gone was reaped by somebody. */
static bool works_anyway(long number) {
  return number == SYS_close || (number == SYS_wait4 && fault.error == ECHILD);
}

/* brk(2) as the system call doesn't fail: it says where the break is. */
static void alter(struct process *process, long number) {
  struct user_regs_struct regs;
  if (ptrace(PTRACE_GETREGS, process->pid, NULL, &regs) < 0) return;
  process->rdi = regs.rdi;
  process->rdx = regs.rdx;
  if (fault.error == 0) {
    shorten(process, &regs, number);
  } else {
    fault.forced = process->in_call = process->answers = true;
    process->answer = -fault.error;
    if (number == SYS_brk) {
      regs.rdi = 0;
      process->answers = false;
    } else if (!works_anyway(number)) {
      regs.orig_rax = (unsigned long long)-1;
    }
  }
  ptrace(PTRACE_SETREGS, process->pid, NULL, &regs);
}

static void answer(struct process *process) {
  struct user_regs_struct regs;
  process->in_call = false;
  if (ptrace(PTRACE_GETREGS, process->pid, NULL, &regs) < 0) return;
  regs.rdi = process->rdi; /* the kernel keeps them, and the library counts on it */
  regs.rdx = process->rdx;
  if (process->answers) regs.rax = (unsigned long long)process->answer;
  ptrace(PTRACE_SETREGS, process->pid, NULL, &regs);
}

static void on_entry(struct process *process, const struct __ptrace_syscall_info *info) {
  long number = (long)info->entry.nr;
  uint64_t args[6];
  memcpy(args, info->entry.args, sizeof args);
  if (number == SYS_prctl && args[0] == PR_SET_NAME)
    read_text(process->pid, args[1], process->step, sizeof process->step);
  if (!*process_phase(process, host_phase)) return;
  unsigned nth = process_count(process, number);
  if (recording)
    tell("call", process, number, nth, args,
         site_of(process->pid, info->instruction_pointer, info->stack_pointer));
  if (fault.forced || fault.number != number || fault.nth != nth || recording) return;
  if (strcmp(fault.role, process->role) != 0) return;
  alter(process, number);
  if (fault.forced) tell("forced", process, number, nth, args, 0);
}

/* ---- events ---- */

static void go_on(struct process *process, int sig) {
  bool untraced =
      host_phase == BEFORE || host_phase == AFTER || strcmp(process->role, "command") == 0;
  ptrace(untraced && !process->in_call ? PTRACE_CONT : PTRACE_SYSCALL, process->pid, NULL, sig);
}

/* Those that run freely are stopped once, and from then on at each call. */
static void begin(const struct process *host) {
  for (struct process *p = process_all(); p; p = p->next)
    if (p != host) ptrace(PTRACE_INTERRUPT, p->pid, NULL, NULL);
}

static bool take_mark(const struct process *process) {
  siginfo_t info;
  if (ptrace(PTRACE_GETSIGINFO, process->pid, NULL, &info) < 0) return false;
  bool began = host_phase == BEFORE;
  host_phase = info.si_value.sival_int;
  if (began && host_phase != BEFORE) begin(process);
  return true;
}

static void on_call(struct process *process) {
  struct __ptrace_syscall_info info;
  if (ptrace(PTRACE_GET_SYSCALL_INFO, process->pid, sizeof info, &info) <= 0) return;
  if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
    on_entry(process, &info);
  } else if (process->in_call) {
    answer(process);
  }
}

static void on_event(struct process *process, int event) {
  unsigned long message = 0;
  switch (event) {
  case PTRACE_EVENT_FORK:
  case PTRACE_EVENT_VFORK:
  case PTRACE_EVENT_CLONE:
    ptrace(PTRACE_GETEVENTMSG, process->pid, NULL, &message);
    struct process *made = process_find((pid_t)message);
    if (!made) made = process_add((pid_t)message, "?", process);
    process_inherit(made, process);
    if (made->seen) go_on(made, 0);
    break;
  case PTRACE_EVENT_EXEC: process_executed(process); break;
  default: break;
  }
}

/* A new process may be seen before the event that says whose it is: it waits for that. */
static void on_stop(pid_t pid, int status) {
  struct process *process = process_find(pid);
  int sig = WSTOPSIG(status), event = status >> 16;
  if (!process) process = process_add(pid, "?", NULL);
  bool first = !process->seen;
  process->seen = true;
  if (first && process->role[0] == '?') return;
  if (sig == (SIGTRAP | 0x80)) {
    on_call(process);
    sig = 0;
  } else if (event == PTRACE_EVENT_STOP && sig != SIGTRAP && !first) {
    ptrace(PTRACE_LISTEN, pid, NULL, NULL); /* stopped as a whole: it stays so */
    return;
  } else if (event) {
    on_event(process, event);
    sig = 0;
  } else if (sig == SIGRTMAX && strcmp(process->role, "host") == 0 && take_mark(process)) {
    sig = 0;
  }
  go_on(process, sig);
}

static int host_status = -1;
static pid_t host_pid;

static void on_end(pid_t pid, int status) {
  const struct process *process = process_find(pid);
  if (!process) return;
  bool command = strcmp(process->role, "command") == 0;
  if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL && !command)
    printf("died\t%s\t%s\t%s\n", process->role, strsignal(WTERMSIG(status)), process->step);
  if (pid == host_pid) host_status = status;
  process_remove(pid);
}

/* ---- the whole ---- */

static void on_alarm(int sig) {
  (void)sig;
  late = 1;
}

static void set_alarm(long ms) {
  struct sigaction action = {.sa_handler = on_alarm}; /* no SA_RESTART: the wait is to end */
  struct itimerval timer = {{0, 50000}, {ms / 1000, ms % 1000 * 1000}};
  late = 0;
  sigaction(SIGALRM, &action, NULL);
  setitimer(ITIMER_REAL, &timer, NULL);
}

/* The letter of proc_pid_stat(5): t is a stop of the tracer's own. */
static char state_of(pid_t pid) {
  char path[40], text[200] = "";
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  text[size > 0 ? size : 0] = 0;
  const char *name_end = strrchr(text, ')');
  return name_end ? name_end[2] : '?';
}

static void tell_left(const char *word) {
  for (const struct process *p = process_all(); p; p = p->next) {
    char path[40], text[200] = "";
    snprintf(path, sizeof path, "/proc/%d/syscall", p->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    text[size > 0 ? size - 1 : 0] = 0;
    if (fd >= 0) close(fd);
    printf("%s\t%s\t%d\t%s\t%c\t%s\n", word, p->role, p->pid, p->step, state_of(p->pid), text);
  }
}

static void kill_left(void) {
  for (const struct process *p = process_all(); p; p = p->next) kill(p->pid, SIGKILL);
  while (waitpid(-1, NULL, __WALL) > 0 || errno == EINTR) continue;
}

/* Until the host has ended and then all that it started. */
static void trace(void) {
  int status;
  bool farewell = false;
  set_alarm(PATIENCE_S * 1000);
  while (process_all() && !late) {
    if (host_status >= 0 && !farewell) {
      farewell = true;
      set_alarm(FAREWELL_MS);
    }
    pid_t pid = waitpid(-1, &status, __WALL);
    if (pid < 0 && errno == ECHILD) break;
    if (pid < 0) continue;
    if (WIFSTOPPED(status))
      on_stop(pid, status);
    else
      on_end(pid, status);
  }
  if (!process_all()) return;
  tell_left(farewell ? "left" : "hang");
  kill_left();
}

static void start(char **argv) {
  const long options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                       PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
  int gate[2];
  char byte;
  if (pipe2(gate, O_CLOEXEC) < 0) exit(2);
  host_pid = fork();
  if (host_pid == 0) {
    personality(ADDR_NO_RANDOMIZE);
    close(gate[1]);
    if (read(gate[0], &byte, 1) < 0) _exit(2);
    execvp(argv[0], argv);
    _exit(127);
  }
  process_add(host_pid, "host", NULL)->seen = true;
  if (ptrace(PTRACE_SEIZE, host_pid, NULL, options) < 0) exit(2);
  printf("host\t%d\n", host_pid);
  close(gate[0]);
  close(gate[1]);
}

static int error_of(const char *name) {
  for (int error = 1; error < 134; error++)
    if (strerrorname_np(error) && strcmp(strerrorname_np(error), name) == 0) return error;
  return 0;
}

static int usage(void) {
  fputs("usage: faults record HOST ARG…\n"
        "       faults force ROLE CALL N ERRNO|short HOST ARG…\n",
        stderr);
  return 2;
}

int main(int argc, char **argv) {
  int host = 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  fault.number = -1;
  recording = argc > 2 && strcmp(argv[1], "record") == 0;
  if (!recording) {
    if (argc < 7 || strcmp(argv[1], "force") != 0) return usage();
    fault.role = argv[2];
    fault.number = seccomp_syscall_resolve_name(argv[3]);
    fault.nth = (unsigned)atoi(argv[4]);
    fault.error = error_of(argv[5]);
    host = 6;
    if (fault.number < 0 || (!fault.error && strcmp(argv[5], "short") != 0)) return usage();
  }
  start(argv + host);
  trace();
  printf("ended\t%d\n", WIFEXITED(host_status) ? WEXITSTATUS(host_status) : -1);
  return 0;
}
