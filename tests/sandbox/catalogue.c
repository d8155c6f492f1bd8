/* The catalogue of escape attempts (see catalogue/catalogue.h):
 *   catalogue list              NAME DESCRIPTION
 *   catalogue world DIR NAME... makes what is attacked; at the end of its input says what happened
 *   catalogue try DIR NAME...   tries these: NAME ok|ERRNO, and "seen NAME" where a sign was seen
 */
#include "catalogue/catalogue.h"

#include "answer.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static const struct attempt *const themes[] = {
    file_attempts,    inherited_attempts, metadata_attempts,   process_attempts, memory_attempts,
    unix_attempts,    network_attempts,   arrival_attempts,    ipc_attempts,     namespace_attempts,
    mount_attempts,   kernel_attempts,    device_attempts,     protect_attempts, read_attempts,
    foreign_attempts, nested_attempts,    supervisor_attempts,
};

enum { THEMES = sizeof themes / sizeof themes[0], SLOWEST_MS = 4000 };

static void each_attempt(void (*call)(const struct attempt *)) {
  for (int i = 0; i < THEMES; i++)
    for (const struct attempt *one = themes[i]; one->name; one++) call(one);
}

const struct attempt *attempt_of(const char *name) {
  for (int i = 0; i < THEMES; i++)
    for (const struct attempt *one = themes[i]; one->name; one++)
      if (strcmp(one->name, name) == 0) return one;
  return NULL;
}

static void show(const struct attempt *one) {
  printf("%s %s\n", one->name, one->about);
}

/* It stays when it has tried, so that its parent can look. */
static void attempt(const struct attempt *one, int done, int released) {
  char byte;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  alarm(10);
  long result = one->run();
  answer(one->name, result);
  if (write(done, "d", 1) == 1 && read(released, &byte, 1) < 0) _exit(1);
  _exit(0);
}

static void try(const struct attempt *one) {
  int done[2], released[2];
  if (pipe(done) < 0 || pipe(released) < 0) exit(3);
  current = one->name;
  pid_t pid = fork();
  if (pid == 0) {
    close(done[0]);
    close(released[1]);
    attempt(one, done[1], released[0]);
  }
  close(done[1]);
  close(released[0]);
  struct pollfd poll_for = {.fd = done[0], .events = POLLIN};
  int ready = poll(&poll_for, 1, SLOWEST_MS);
  if (!(poll_for.revents & POLLIN)) printf("%s %s\n", one->name, ready ? "died" : "slow");
  if (one->sign && observed(one->sign, pid)) printf("seen %s\n", one->name);
  fflush(stdout);
  if (ready == 0) kill(pid, SIGKILL);
  close(released[1]);
  close(done[0]);
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
}

static int try_all(const char *directory, char **names) {
  arena = directory;
  supervisor = getppid();
  fact(""); /* reads them before anything is tried */
  signal(SIGUSR1, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  for (; *names; names++) {
    const struct attempt *one = attempt_of(*names);
    if (!one) return 4;
    try(one);
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "list") == 0) return each_attempt(show), 0;
  if (argc > 3 && strcmp(argv[1], "world") == 0) return world(argv[2], argv + 3);
  if (argc == 4 && strcmp(argv[1], "victim") == 0) return victim(argv[2], argv[3]);
  if (argc > 3 && strcmp(argv[1], "try") == 0) return try_all(argv[2], argv + 3);
  return 2;
}
