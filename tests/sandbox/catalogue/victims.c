/* Processes of the host, one for each attempt on a process. A victim keeps a secret in its memory,
 * arguments and environment, and a pipe; asked, it says whether anything about it has changed. */
#include "catalogue.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum { MOST = 64, ASKED = 20, ANSWER, BAIT_READ, BAIT_WRITE, HELD };

static struct {
  const char *name;
  int ask, answer;
} victims[MOST];
static int count;

static char memory[64];
static volatile sig_atomic_t signals;

static void hit(int sig) {
  (void)sig;
  signals++;
}

/* Everything about it that somebody may have changed, in one line. */
static void describe(char *state, size_t size) {
  struct rlimit limit;
  unsigned long mask[16] = {0};
  char oom[32] = "", filter[32] = "";
  struct pollfd bait = {.fd = BAIT_READ, .events = POLLIN};
  getrlimit(RLIMIT_NOFILE, &limit);
  syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
  int fd = open("/proc/self/oom_score_adj", O_RDONLY);
  if (read(fd, oom, sizeof oom - 1) < 0) oom[0] = 0;
  close(fd);
  fd = open("/proc/self/coredump_filter", O_RDONLY);
  if (read(fd, filter, sizeof filter - 1) < 0) filter[0] = 0;
  close(fd);
  snprintf(state, size, "%s %d %d %ld %lx %d %ld %s %s %d", memory, (int)signals,
           getpriority(PRIO_PROCESS, 0), (long)limit.rlim_cur, mask[0], sched_getscheduler(0),
           syscall(SYS_ioprio_get, 1, 0), oom, filter, poll(&bait, 1, 0));
}

int victim(const char *name, const char *secret) {
  char before[512], after[512], byte;
  struct sigaction action = {.sa_handler = hit, .sa_flags = SA_RESTART};
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  snprintf(memory, sizeof memory, "%s", secret);
  sigaction(SIGUSR1, &action, NULL);
  if (strncmp(name, "memory_join", 11) == 0) unshare(CLONE_NEWUTS);
  describe(before, sizeof before);
  dprintf(ANSWER, "%d %p\n", getpid(), (void *)memory);
  if (read(ASKED, &byte, 1) != 1) return 1;
  describe(after, sizeof after);
  dprintf(ANSWER, "%s\n", strcmp(before, after) == 0 ? "intact" : "touched");
  return 0;
}

static void become(const char *name, int ask, int answer) {
  int bait[2], held;
  if (chdir(outside("")) < 0 || pipe(bait) < 0) _exit(1);
  held = open("file", O_RDONLY);
  int from[] = {ask, answer, bait[0], bait[1], held};
  for (int i = 0; i < 5; i++) dup2(from[i], 100 + i);
  for (int i = 0; i < 5; i++) dup2(100 + i, ASKED + i);
  for (int fd = 3; fd < 256; fd++)
    if (fd < ASKED || fd > HELD) close(fd);
  setpgid(0, 0);
  const char *secret = secret_of(name);
  char *argv[] = {"catalogue", "victim", (char *)name, (char *)secret, NULL};
  char *env[] = {text("SBX_SECRET=%s", secret), NULL};
  execve("/proc/self/exe", argv, env);
  _exit(1);
}

static void make(const struct attempt *one) {
  if (strncmp(one->name, "process_", 8) != 0 && strncmp(one->name, "memory_", 7) != 0 &&
      strcmp(one->name, "nested_kill") != 0 && strcmp(one->name, "read_victim") != 0 &&
      strcmp(one->name, "foreign_kill") != 0)
    return;
  int ask[2], answer[2], pid;
  char address[32];
  current = one->name;
  if (count == MOST || pipe2(ask, O_CLOEXEC) < 0 || pipe2(answer, O_CLOEXEC) < 0) exit(3);
  if (fork() == 0) become(one->name, ask[0], answer[1]);
  close(ask[0]);
  close(answer[1]);
  FILE *hello = fdopen(dup(answer[0]), "re");
  if (fscanf(hello, "%d %31s", &pid, address) != 2) exit(3);
  fclose(hello);
  note("pid", "%d", pid);
  note("address", "%s", address);
  note("pipe", "%d", BAIT_WRITE);
  note("held", "%d", HELD);
  victims[count].name = one->name;
  victims[count].ask = ask[1];
  victims[count++].answer = answer[0];
}

void make_victims(void) {
  each_chosen(make);
}

/* Who doesn't answer within a second was killed or stopped. */
void ask_victims(void) {
  for (int i = 0; i < count; i++) {
    char said[16] = "";
    struct pollfd answer = {.fd = victims[i].answer, .events = POLLIN};
    if (write(victims[i].ask, "?", 1) == 1 && poll(&answer, 1, 1000) == 1 &&
        read(victims[i].answer, said, sizeof said - 1) > 0 && strcmp(said, "intact\n") == 0)
      continue;
    tell("touched", victims[i].name);
  }
}
