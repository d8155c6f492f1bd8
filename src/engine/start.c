#include "engine/start.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/launch.h"
#include "layers/descriptors.h"

#define STACK_SIZE (64 * 1024)

/* What is exec'd is the child of a grandchild, so that it is never the host's child; both are
 * clones that share memory (the fork of a big host is dear) and whose end sends no signal. */
struct start {
  const char *helper;
  char **argv;
  int socket, lease; /* its descriptors 3 and 4 */
  char *stack;
  pid_t pid;
  int code; /* errno of what failed */
};

/* To 3 and 4, whichever of them either is now: first above both. */
SBX_ON_OWN_STACK static bool place_sockets(struct start *start) {
  int socket = fcntl(start->socket, F_DUPFD, 5), lease = fcntl(start->lease, F_DUPFD, 5);
  if (socket < 0 || lease < 0) return false;
  return sbx_fd_place(socket, 3) == 0 && sbx_fd_place(lease, 4) == 0 && sbx_fd_close_from(5) == 0;
}

SBX_ON_OWN_STACK static int exec_helper(void *argument) {
  struct start *start = argument;
  char *envp[] = {NULL};
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  bool placed = null >= 0 && setsid() >= 0 && chdir("/") == 0 && sbx_fd_place(null, 0) == 0 &&
                sbx_fd_place(0, 1) == 0 && sbx_fd_place(0, 2) == 0;
  if (placed && place_sockets(start)) execve(start->helper, start->argv, envp);
  start->code = errno ? errno : EIO;
  _exit(125);
}

SBX_ON_OWN_STACK static int fork_helper(void *argument) {
  struct start *start = argument;
  start->pid =
      clone(exec_helper, start->stack + STACK_SIZE / 2, CLONE_VM | CLONE_VFORK | SIGCHLD, start);
  if (start->pid < 0) start->code = errno;
  _exit(0);
}

SBX_ON_OWN_STACK static void run_start(struct start *start) {
  sigset_t all, old;
  sigfillset(&all);
  /* A handler of the host must not run in a clone that shares its memory. */
  pthread_sigmask(SIG_BLOCK, &all, &old);
  pid_t pid = clone(fork_helper, start->stack + STACK_SIZE, CLONE_VM | CLONE_VFORK, start);
  if (pid < 0) start->code = errno;
  while (pid > 0 && waitpid(pid, NULL, __WALL) < 0 && errno == EINTR) continue;
  pthread_sigmask(SIG_SETMASK, &old, NULL);
}

pid_t sbx_start_helper(const char *helper, char **argv, int socket, int lease) {
  int flags = MAP_PRIVATE | MAP_ANONYMOUS;
  char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (stack == MAP_FAILED) return -1;
  struct start start = {helper, argv, socket, lease, stack, -1, 0};
  run_start(&start);
  munmap(stack, STACK_SIZE);
  errno = start.code;
  return start.code ? -1 : start.pid;
}
