/* Processes that don't want to end. None outlives 60 seconds, whatever becomes of the test.
 *   stay daemon MARKER          two forks, a session of its own, signals ignored
 *   stay chains MARKER COUNT    each forks the next and exits, for 15 seconds
 *   stay bomb MARKER MOST       forks until MOST live
 *   stay stubborn MARKER        ignores every signal, in the foreground
 *   stay group MARKER           children in process groups and sessions of their own */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static time_t seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

static void ignore_all(void) {
  for (int sig = 1; sig < 32; sig++) signal(sig, SIG_IGN);
}

static void linger(void) {
  time_t end = seconds() + 60;
  while (seconds() < end) usleep(100000);
  _exit(0);
}

static void go_away(void) {
  if (fork() > 0) return;
  setsid();
  if (fork() > 0) _exit(0);
  ignore_all();
  prctl(PR_SET_DUMPABLE, 0);
  if (chdir("/") < 0) _exit(1);
  for (int fd = 0; fd < 3; fd++) close(fd);
  linger();
}

/* As fast as it goes for the first FAST forks of all chains, then slowly: a tree that is not ended
 * or not reaped must not fill the machine's table of processes. */
enum { FAST = 6000, PACE_US = 20000, CHAIN_SECONDS = 15 };

static void chain(int *forks) {
  if (fork() > 0) return;
  time_t end = seconds() + CHAIN_SECONDS;
  ignore_all();
  while (seconds() < end) {
    if (__atomic_add_fetch(forks, 1, __ATOMIC_RELAXED) > FAST) usleep(PACE_US);
    pid_t pid = fork();
    if (pid > 0) _exit(0);
    if (pid < 0) usleep(PACE_US);
  }
  _exit(0);
}

static void chains(int count) {
  int *forks = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < count; i++) chain(forks);
}

static void bomb(int most) {
  int *count = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  while (__atomic_add_fetch(count, 1, __ATOMIC_RELAXED) < most) fork();
  puts("grown");
  fflush(stdout);
  linger();
}

static void groups(void) {
  for (int i = 0; i < 6; i++) {
    if (fork() > 0) continue;
    if (i % 2)
      setsid();
    else
      setpgid(0, 0);
    if (fork() == 0) setpgid(0, 0);
    linger();
  }
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  if (strcmp(argv[1], "daemon") == 0) go_away();
  if (strcmp(argv[1], "group") == 0) groups();
  if (strcmp(argv[1], "chains") == 0) chains(atoi(argv[3]));
  if (strcmp(argv[1], "bomb") == 0) bomb(atoi(argv[3]));
  if (strcmp(argv[1], "stubborn") == 0) {
    ignore_all();
    puts("up");
    fflush(stdout);
    linger();
  }
  return 0;
}
