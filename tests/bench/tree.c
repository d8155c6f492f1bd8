/* A tree that is hard to end: tree COUNT. Daemons and plain children that linger, and FORKERS that
 * fork and exit for ever; says "up" when all are there. Nothing of it outlives LIFE seconds, and
 * past FAST forks it is slow, so that a tree that isn't ended doesn't fill the machine. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { FORKERS = 8, FAST = 20000, PACE_US = 20000, LIFE = 30 };

static time_t seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

static void linger(void) {
  for (int sig = 1; sig < 32; sig++) signal(sig, SIG_IGN);
  time_t end = seconds() + LIFE;
  while (seconds() < end) sleep(1);
  _exit(0);
}

static void make_daemon(void) {
  if (fork() > 0) return;
  setsid();
  if (fork() > 0) _exit(0);
  linger();
}

static void make_forker(int *forks) {
  if (fork() > 0) return;
  time_t end = seconds() + LIFE;
  while (seconds() < end) {
    if (__atomic_add_fetch(forks, 1, __ATOMIC_RELAXED) > FAST) usleep(PACE_US);
    pid_t pid = fork();
    if (pid > 0) _exit(0);
    if (pid < 0) usleep(PACE_US);
  }
  _exit(0);
}

int main(int argc, char **argv) {
  int count = argc > 1 ? atoi(argv[1]) : 0;
  int *forks = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (count < FORKERS || count > 1000 || forks == MAP_FAILED) return 2;
  for (int i = 1; i < count - FORKERS; i++) {
    if (i % 3 == 0)
      make_daemon();
    else if (fork() == 0)
      linger();
  }
  for (int i = 0; i < FORKERS; i++) make_forker(forks);
  usleep(300000); /* every daemon is one by then */
  puts("up");
  fflush(stdout);
  linger();
  return 0;
}
