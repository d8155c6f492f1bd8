/* Rewrites a path in one thread while others open it: rewriting INSIDE OUTSIDE TIMES. Each path is
 * as long as the other, so that what is read at any moment is one of the two, or a mixture. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[4096];
static const char *texts[2];
static atomic_int over;

static void *rewrite(void *nothing) {
  (void)nothing;
  for (unsigned i = 0; !over; i++) memcpy(path, texts[i & 1], strlen(texts[i & 1]) + 1);
  return NULL;
}

int main(int argc, char **argv) {
  pthread_t threads[2];
  long done = 0, times = argc > 3 ? atol(argv[3]) : 0;
  texts[0] = argv[1];
  texts[1] = argv[2];
  strcpy(path, texts[0]);
  for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, rewrite, NULL);
  for (long i = 0; i < times; i++) {
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    if (fd < 0) continue;
    done++;
    close(fd);
  }
  over = 1;
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  printf("%ld opened\n", done);
}
