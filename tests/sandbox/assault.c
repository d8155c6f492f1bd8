/* Attacks on the engine itself. Whatever is started here holds a shared lock on the file "lock" of
 * its working directory, whatever it calls itself; nothing of it outlives LIFE seconds, and no mode
 * makes more than FORKS processes.
 *   assault reach PID        looks for a way to a process of the engine
 *   assault own              looks for descriptors of the engine that were left to it
 *   assault forge            writes what a report of the supervisor looks like
 *   assault signal SIG PID…  sends it
 *   assault masquerade       goes on under the engine's names, with its own file gone
 *   assault hide             every kind of process that a killer may not find
 *   assault orphans          keeps whoever reaps busy, for ever
 *   assault fight            forks and exits for ever, and wakes who was stopped
 *   assault full             as many processes as it gets
 *   assault deaf             fills its output and reads nothing
 *   assault give | take      a descriptor, by a socket "gift" */
#include "answer.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LIFE = 15, FORKS = 4000, PACE_US = 20000, DEEP = 280, MOST = 250 };

static time_t seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

static void linger(void) {
  time_t end = seconds() + LIFE;
  while (seconds() < end) usleep(50000);
  _exit(0);
}

static void ignore_all(void) {
  for (int sig = 1; sig < 32; sig++) signal(sig, SIG_IGN);
}

static void hold_lock(void) {
  int fd = open("lock", O_RDWR | O_CREAT, 0600);
  if (fd < 0 || flock(fd, LOCK_SH) < 0) _exit(9);
}

static void up(void) {
  puts("up");
  fflush(stdout);
}

/* ---- ways to another process ---- */

/* What is answered with EFAULT got as far as the memory. */
static void reached(const char *name, long result) {
  if (result < 0 && errno == EFAULT) result = 0;
  answer(name, result);
}

static long look(const char *form, const char *pid, int flags) {
  char path[64], byte;
  snprintf(path, sizeof path, form, pid);
  int fd = open(path, flags);
  return fd < 0 ? -1 : read(fd, &byte, 1);
}

/* Their numbers may be told to who has the same user; what they are is not. */
static long links(const char *pid) {
  char path[64], target[64];
  long got = -1;
  for (int fd = 0; fd < 64 && got < 0; fd++) {
    snprintf(path, sizeof path, "/proc/%s/fd/%d", pid, fd);
    got = readlink(path, target, sizeof target);
  }
  return got;
}

/* Each of its first descriptors. */
static long steal(pid_t pid) {
  int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  long got = -1;
  for (int fd = 0; pidfd >= 0 && fd < 32 && got < 0; fd++)
    got = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
  return got;
}

static long attach(int request, pid_t pid) {
  long rc = ptrace(request, pid, NULL, NULL);
  if (rc == 0 && request == PTRACE_ATTACH) waitpid(pid, NULL, __WALL);
  if (rc == 0) ptrace(PTRACE_DETACH, pid, NULL, NULL);
  return rc;
}

static int reach(const char *word) {
  pid_t pid = atoi(word);
  char byte = 0;
  struct iovec own = {&byte, 1}, other = {(void *)8, 1};
  reached("fd_links", links(word));
  reached("fd_open", look("/proc/%s/fd/3", word, O_RDWR));
  reached("environ", look("/proc/%s/environ", word, O_RDONLY));
  reached("maps", look("/proc/%s/maps", word, O_RDONLY));
  reached("memory", look("/proc/%s/mem", word, O_RDWR) < 0 && errno == EIO ? 0 : -1);
  reached("root", look("/proc/%s/root/etc/passwd", word, O_RDONLY));
  reached("steal", steal(pid));
  reached("vm_read", process_vm_readv(pid, &own, 1, &other, 1, 0));
  reached("vm_write", process_vm_writev(pid, &own, 1, &other, 1, 0));
  reached("seize", attach(PTRACE_SEIZE, pid));
  reached("attach", attach(PTRACE_ATTACH, pid));
  return 0;
}

static int own(void) {
  int count = 0;
  for (int fd = 3; fd < 4096; fd++)
    if (fcntl(fd, F_GETFD) >= 0) count++;
  printf("descriptors %d\n", count - 1); /* the lock */
  for (int fd = 0; fd < 3; fd++) answer("send", send(fd, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL));
  return 0;
}

/* Records of the sizes and first words that reports have, on each stream. */
static int forge(void) {
  uint32_t words[64] = {0};
  for (uint32_t type = 0; type < 8; type++)
    for (size_t size = 8; size <= sizeof words; size += 8) {
      words[0] = type;
      if (write(1, words, size) < 0 || write(2, words, size) < 0) return 9;
    }
  return 3;
}

static int send_all(int sig, char **pids) {
  for (; *pids; pids++) answer("signal", kill(atoi(*pids), sig));
  linger();
  return 0;
}

/* ---- processes that are hard to find ---- */

static int masquerade(int argc, char **argv) {
  char *end = argv[argc - 1] + strlen(argv[argc - 1]), name[] = "sbx-exec\0--spawner";
  unlink("assault.gone");
  if (rename(argv[0], "assault.gone") == 0) unlink("assault.gone");
  size_t room = (size_t)(end - argv[0]);
  memset(argv[0], 0, room);
  memcpy(argv[0], name, room < sizeof name ? room : sizeof name);
  static const char *const names[] = {"sbx-supervisor", "sbx-spawner", "sbx-keeper", "execve"};
  for (int i = 0; i < 4; i++) {
    prctl(PR_SET_NAME, names[i], 0, 0, 0);
    if (fork() == 0) linger();
  }
  up();
  ignore_all();
  linger();
  return 0;
}

static void sibling(void) {
  /* no signal to anybody, and a child of the command's own parent */
  if (syscall(SYS_clone, CLONE_PARENT, NULL, NULL, NULL, NULL) == 0) linger();
  if (syscall(SYS_clone, 0, NULL, NULL, NULL, NULL) == 0) linger();
}

static void own_subreaper(void) {
  if (fork() > 0) return;
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  for (int i = 0; i < 3; i++)
    if (fork() == 0) {
      setsid();
      if (fork() > 0) _exit(0);
      ignore_all();
      linger();
    }
  linger();
}

static void *stay_on(void *unused) {
  linger();
  return unused;
}

static void dead_leader(void) {
  pthread_t thread;
  if (fork() > 0) return;
  pthread_create(&thread, NULL, stay_on, NULL);
  pthread_exit(NULL);
}

static void waiting_parent(void) {
  if (fork() > 0) return;
  if (vfork() == 0) linger();
  _exit(0);
}

static void traced(void) {
  if (fork() > 0) return;
  pid_t pid = fork();
  if (pid == 0) {
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    linger();
  }
  linger();
}

static void stopped(void) {
  if (fork() > 0) return;
  setsid();
  raise(SIGSTOP);
  linger();
}

static void deep(void) {
  if (fork() > 0) return;
  for (int i = 0; i < DEEP; i++)
    if (fork() > 0) linger();
  linger();
}

static void undumpable(void) {
  if (fork() > 0) return;
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (chdir("/") < 0) _exit(1);
  linger();
}

static int hide(void) {
  sibling();
  own_subreaper();
  dead_leader();
  waiting_parent();
  traced();
  stopped();
  undumpable();
  deep();
  usleep(300000);
  up();
  linger();
  return 0;
}

/* ---- work for those who reap and kill ---- */

static int *shared_count(void) {
  return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* Past so many forks of all: slowly. */
static void pace(int *forks) {
  if (__atomic_add_fetch(forks, 1, __ATOMIC_RELAXED) > FORKS) usleep(PACE_US);
}

static void make_orphans(int *forks) {
  time_t end = seconds() + LIFE;
  while (seconds() < end) {
    pace(forks);
    pid_t pid = fork();
    if (pid == 0) {
      if (fork() == 0 && fork() == 0) _exit(0);
      _exit(0);
    }
    if (pid > 0) waitpid(pid, NULL, 0);
  }
  _exit(0);
}

static int orphans(void) {
  int *forks = shared_count();
  for (int i = 0; i < 4; i++)
    if (fork() == 0) make_orphans(forks);
  up();
  linger();
  return 0;
}

/* Each generation wakes the whole group before it leaves: a killer stops what it looks through. */
static void generations(int *forks) {
  time_t end = seconds() + LIFE;
  ignore_all();
  while (seconds() < end) {
    pace(forks);
    kill(0, SIGCONT);
    pid_t pid = fork();
    if (pid > 0) _exit(0);
    if (pid < 0) usleep(PACE_US);
  }
  _exit(0);
}

static int fight(void) {
  int *forks = shared_count();
  for (int i = 0; i < 4; i++)
    if (fork() == 0) generations(forks);
  up();
  linger();
  return 0;
}

static int full(void) {
  int count = 0;
  while (count < MOST) {
    pid_t pid = fork();
    if (pid == 0) linger();
    if (pid < 0) break;
    count++;
  }
  printf("%s %d\n", count < MOST ? "refused" : "all", count);
  up();
  ignore_all();
  linger();
  return 0;
}

static int deaf(void) {
  char block[4096] = {0};
  ignore_all();
  fcntl(1, F_SETFL, O_NONBLOCK);
  while (write(1, block, sizeof block) > 0) continue;
  if (fork() == 0) linger();
  fcntl(1, F_SETFL, 0);
  for (int i = 0; i < 100; i++)
    if (write(1, block, sizeof block) < 0) usleep(50000);
  linger();
  return 0;
}

/* ---- gifts ---- */

static struct sockaddr_un gift(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "gift"};
  return address;
}

static int give(void) {
  struct sockaddr_un address = gift();
  char control[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec iov = {"x", 1};
  struct msghdr msg = {
      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
  int fd = open("own", O_RDWR | O_CREAT, 0600), server = socket(AF_UNIX, SOCK_STREAM, 0);
  if (!answer("socket", server)) return 0;
  unlink("gift");
  if (!answer("bind", bind(server, (struct sockaddr *)&address, sizeof address))) return 0;
  if (!answer("listen", listen(server, 1))) return 0;
  up();
  int connection = accept(server, NULL, NULL);
  *cmsg = (struct cmsghdr){CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
  memcpy(CMSG_DATA(cmsg), &fd, sizeof fd);
  answer("give", sendmsg(connection, &msg, MSG_NOSIGNAL));
  return 0;
}

static int take(void) {
  struct sockaddr_un address = gift();
  char control[CMSG_SPACE(sizeof(int))] = {0}, byte;
  struct iovec iov = {&byte, 1};
  struct msghdr msg = {
      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (!answer("socket", fd)) return 0;
  if (!answer("connect", connect(fd, (struct sockaddr *)&address, sizeof address))) return 0;
  if (!answer("take", recvmsg(fd, &msg, 0)) || !CMSG_FIRSTHDR(&msg)) return 0;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof fd);
  answer("used", write(fd, "taken", 5));
  return 0;
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    int (*run)(void);
  } modes[] = {{"own", own},         {"forge", forge}, {"hide", hide},
               {"orphans", orphans}, {"fight", fight}, {"full", full},
               {"deaf", deaf},       {"give", give},   {"take", take}};
  if (argc < 2) return 2;
  hold_lock();
  for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
    if (strcmp(argv[1], modes[i].name) == 0) return modes[i].run();
  if (strcmp(argv[1], "masquerade") == 0) return masquerade(argc, argv);
  if (argc == 3 && strcmp(argv[1], "reach") == 0) return reach(argv[2]);
  if (argc > 3 && strcmp(argv[1], "signal") == 0) return send_all(atoi(argv[2]), argv + 3);
  return 2;
}
