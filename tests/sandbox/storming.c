/* storming SECONDS: threads that make watched calls without a pause, and orphans that end
 * meanwhile, each of which stirs the supervisor by a signal. Prints how many calls were refused. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 6 };

static int stop, refused;

static void *call(void *number) {
  char name[32];
  snprintf(name, sizeof name, "storm%ld", (long)number);
  while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0) __atomic_add_fetch(&refused, 1, __ATOMIC_RELAXED);
    if (fd >= 0) close(fd);
    unlink(name);
  }
  return NULL;
}

static void make_orphan(void) {
  pid_t pid = fork();
  if (pid == 0) {
    fork();
    _exit(0);
  }
  waitpid(pid, NULL, 0);
}

int main(int argc, char **argv) {
  pthread_t threads[THREADS];
  time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 1);
  for (long i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, call, (void *)i);
  while (time(NULL) < end) make_orphan();
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  printf("%d refused\n", refused);
  return 0;
}
