/* A process of the host that somebody may try to touch: victim LOG. Writes "PID ADDRESS", and at
 * the end of its input what became of it. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static char secret[8] = "intact";
static volatile sig_atomic_t signals;

static void count(int sig) {
  (void)sig;
  signals++;
}

int main(int argc, char **argv) {
  struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};
  char text[8];
  FILE *log = argc == 2 ? fopen(argv[1], "we") : NULL;
  if (!log) return 2;
  sigaction(SIGUSR1, &action, NULL);
  sigaction(SIGUSR2, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  fprintf(log, "%d %p\n", getpid(), (void *)secret);
  fflush(log);
  while (read(0, text, sizeof text) > 0) continue;
  struct rlimit limit;
  cpu_set_t set;
  getrlimit(RLIMIT_NOFILE, &limit);
  sched_getaffinity(0, sizeof set, &set);
  fprintf(log, "%s %d %d %d\n", secret, (int)signals, getpriority(PRIO_PROCESS, 0),
          limit.rlim_cur == 77);
  return fclose(log);
}
