// Makes its parent, whoever that is, its tracer; then raises the signal of its argument (0: has a
// child end, so that SIGCHLD comes).
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
  int sig = argc > 1 ? atoi(argv[1]) : 0;
  setvbuf(stdout, NULL, _IONBF, 0);
  signal(SIGUSR1, SIG_IGN);
  if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0) return 3;
  puts("before");
  if (sig != 0) {
    raise(sig);
  } else {
    if (fork() == 0) _exit(0);
    wait(NULL);
  }
  puts("after");
  return 7;
}
