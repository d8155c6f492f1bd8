/* Takes what a limit gives, and no more than it is told to.
 *   eater fork COUNT          that many children at a time; says how many, 1 where one was refused
 *   eater bombs               forks in all of them, for three seconds
 *   eater threads COUNT       the same with threads
 *   eater memory MIB CHILDREN touches that much, shared out among so many children
 *   eater shared MIB CHILDREN the same memory, in all of them
 *   eater tmpfs FILE MIB      writes a file
 *   eater mapped FILE MIB     touches a mapping of one, as far as there is room
 *   eater burn MS CHILDREN    processor time, together
 *   eater spin MS             the same alone; says so and stays
 *   eater orphans MS COUNT    the same, one after the other, each auto-reaped
 *   eater open COUNT          that many files; holds them for half a second
 *   eater lines COUNT         lines of one character
 *   eater flood MIB           without a newline
 *   eater stop                stops itself */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MIB = 1 << 20, MOST = 2000, SECONDS = 20 };

static long processor_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void hold(long ms) {
  struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
  fflush(stdout);
  nanosleep(&pause, NULL);
}

static int tell(const char *what, long count, long wanted) {
  printf("%s %ld%s\n", what, count, count < wanted ? " refused" : "");
  fflush(stdout);
  return count < wanted;
}

/* Each forks until it can't, for three seconds; no more than MOST / 2 forks in all. */
static int eat_bombs(void) {
  int *forks = mmap(NULL, sizeof *forks, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  time_t end = time(NULL) + 3;
  while (time(NULL) < end) {
    if (__atomic_add_fetch(forks, 1, __ATOMIC_RELAXED) > MOST / 2 || fork() < 0) hold(1);
    while (waitpid(-1, NULL, WNOHANG) > 0) continue;
  }
  return 1;
}

static int eat_fork(long wanted) {
  static pid_t pids[MOST];
  long count = 0;
  for (; count < wanted && count < MOST; count++) {
    pids[count] = fork();
    if (pids[count] < 0) break;
    if (pids[count] == 0) {
      hold(SECONDS * 1000);
      _exit(0);
    }
  }
  int code = tell("children", count, wanted);
  hold(300);
  for (long i = 0; i < count; i++) kill(pids[i], SIGKILL);
  while (wait(NULL) > 0) continue;
  return code;
}

static void *wait_here(void *nothing) {
  hold(500);
  return nothing;
}

static int eat_threads(long wanted) {
  pthread_t thread;
  pthread_attr_t small;
  long count = 0;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 65536);
  while (count < wanted && count < MOST && pthread_create(&thread, &small, wait_here, NULL) == 0)
    count++;
  int code = tell("threads", count, wanted);
  hold(300);
  return code;
}

static void touch(size_t bytes) {
  char *at = malloc(bytes);
  for (size_t i = 0; at && i < bytes; i += 4096) ((volatile char *)at)[i] = 1;
  hold(400);
}

static int eat_memory(long mib, long children) {
  for (long i = 0; i < children; i++)
    if (fork() == 0) {
      touch((size_t)mib * MIB / (size_t)children);
      _exit(0);
    }
  if (children == 0) touch((size_t)mib * MIB);
  while (wait(NULL) > 0) continue;
  puts("done");
  return 0;
}

static int eat_shared(long mib, long children) {
  size_t size = (size_t)mib * MIB;
  char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (long i = 0; i < children; i++)
    if (fork() == 0) {
      for (size_t byte = 0; byte < size; byte += 4096) at[byte] = 1;
      hold(400);
      _exit(0);
    }
  while (wait(NULL) > 0) continue;
  puts("done");
  return 0;
}

static int eat_tmpfs(const char *file, long mib) {
  static char block[MIB];
  int fd = open(file, O_CREAT | O_WRONLY | O_TRUNC, 0600);
  long count = 0;
  memset(block, 1, sizeof block);
  while (fd >= 0 && count < mib && write(fd, block, sizeof block) == (ssize_t)sizeof block) count++;
  int code = tell("mebibytes", count, mib);
  hold(400);
  return code;
}

static void on_no_room(int signal) {
  (void)signal;
  hold(400);
  _exit(1);
}

static int eat_mapped(const char *file, long mib) {
  size_t size = (size_t)mib * MIB;
  int fd = open(file, O_CREAT | O_RDWR | O_TRUNC, 0600);
  if (fd < 0 || ftruncate(fd, (off_t)size) < 0) return 1;
  char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) return 1;
  signal(SIGBUS, on_no_room);
  for (size_t byte = 0; byte < size; byte += 4096) at[byte] = 1;
  hold(400);
  puts("done");
  return 0;
}

static void burn(long ms) {
  time_t end = time(NULL) + SECONDS;
  while (processor_ms() < ms && time(NULL) < end) continue;
}

static int eat_burn(long ms, long children) {
  for (long i = 0; i < children; i++)
    if (fork() == 0) {
      burn(ms / children);
      _exit(0);
    }
  while (wait(NULL) > 0) continue;
  puts("done");
  return 0;
}

static int eat_spin(long ms) {
  burn(ms);
  puts("spun");
  hold(SECONDS * 1000);
  return 0;
}

static int eat_orphans(long ms, long count) {
  signal(SIGCHLD, SIG_IGN);
  for (long i = 0; i < count; i++) {
    if (fork() == 0) {
      burn(ms / count);
      _exit(0);
    }
    while (wait(NULL) > 0) continue;
  }
  puts("done");
  return 0;
}

static int eat_open(long wanted) {
  long count = 3;
  while (count < wanted && open("/dev/null", O_RDONLY) >= 0) count++;
  int code = tell("descriptors", count, wanted);
  hold(500);
  return code;
}

static int eat_lines(long count) {
  for (long i = 0; i < count; i++) puts("y");
  return 0;
}

static int eat_flood(long mib) {
  static char block[65536];
  memset(block, 'x', sizeof block);
  for (long i = 0; i < mib * 16; i++)
    if (write(1, block, sizeof block) < 0) return 1;
  return 0;
}

int main(int argc, char **argv) {
  const char *verb = argc > 1 ? argv[1] : "";
  long first = argc > 2 ? atol(argv[2]) : 0, second = argc > 3 ? atol(argv[3]) : 0;
  if (strcmp(verb, "fork") == 0) return eat_fork(first);
  if (strcmp(verb, "bombs") == 0) return eat_bombs();
  if (strcmp(verb, "threads") == 0) return eat_threads(first);
  if (strcmp(verb, "memory") == 0) return eat_memory(first, second);
  if (strcmp(verb, "shared") == 0) return eat_shared(first, second);
  if (strcmp(verb, "tmpfs") == 0) return eat_tmpfs(argv[2], second);
  if (strcmp(verb, "mapped") == 0) return eat_mapped(argv[2], second);
  if (strcmp(verb, "burn") == 0) return eat_burn(first, second);
  if (strcmp(verb, "spin") == 0) return eat_spin(first);
  if (strcmp(verb, "orphans") == 0) return eat_orphans(first, second);
  if (strcmp(verb, "open") == 0) return eat_open(first);
  if (strcmp(verb, "lines") == 0) return eat_lines(first);
  if (strcmp(verb, "flood") == 0) return eat_flood(first);
  if (strcmp(verb, "stop") == 0) return raise(SIGSTOP);
  return 2;
}
