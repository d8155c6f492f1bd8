/* A host in C with 64 threads: threads HELPER COMMAND... The thread that starts COMMAND ends at
 * once; eight others run short commands at the same time, each with an engine of its own. Then it
 * waits for a line: "kill" ends the job. */
#include <pthread.h>
#include <sbx.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 64, BUSY = 8, RUNS = 5 };

static const char *helper, *const *command;
static sbx_sandbox *sandbox;
static sbx_engine *engine;
static int right;

/* Creating files is handled, and nowhere allowed. */
static sbx_sandbox *make_sandbox(void) {
  struct sbx_error err = {0};
  sbx_plan *plan = sbx_plan_new();
  if (!plan) exit(9);
  sbx_plan_flags(plan, SBX_FLAG_NO_NEW_PRIVS);
  sbx_plan_landlock(plan, 1, sbx_landlock_fs_right("make_reg"), 0, 0);
  sbx_sandbox *made = sbx_sandbox_new(plan, &err);
  sbx_plan_free(plan);
  if (!made) exit(9);
  return made;
}

static sbx_job *spawn(sbx_engine *with, const char *const *argv) {
  static const char *const env[] = {"PATH=/usr/local/bin:/usr/bin:/bin", NULL};
  struct sbx_request request;
  struct sbx_error err = {0};
  sbx_request_init(&request);
  request.argv = argv;
  request.env = env;
  request.cwd = "/";
  sbx_job *job = sbx_spawn(with, sandbox, &request, &err);
  if (!job) fprintf(stderr, "%s\n", err.message);
  return job;
}

static void *start(void *unused) {
  (void)unused;
  return spawn(engine, command);
}

static int run_once(sbx_engine *with, const char *word) {
  const char *const argv[] = {"echo", word, NULL};
  sbx_job *job = spawn(with, argv);
  size_t size = 0;
  if (!job) return 0;
  while (sbx_job_pump(job, -1) == 0) continue;
  const char *text = sbx_job_output(job, SBX_AGGREGATED, &size);
  int same = size == strlen(word) + 1 && memcmp(text, word, size - 1) == 0;
  same = same && sbx_job_result(job)->exit_code == 0;
  sbx_job_free(job);
  return same;
}

static void *run(void *number) {
  char word[32];
  sbx_engine *with = sbx_engine_new(helper);
  for (int i = 0; with && i < RUNS; i++) {
    snprintf(word, sizeof word, "thread %ld run %d", (long)number, i);
    __atomic_add_fetch(&right, run_once(with, word), __ATOMIC_RELAXED);
  }
  sbx_engine_free(with);
  return NULL;
}

static void *idle(void *unused) {
  for (;;) pause();
  return unused;
}

static void run_all(void) {
  pthread_t threads[THREADS];
  for (long i = 0; i < THREADS; i++)
    if (pthread_create(&threads[i], NULL, i < BUSY ? run : idle, (void *)i) != 0) exit(9);
  for (long i = 0; i < BUSY; i++) pthread_join(threads[i], NULL);
}

int main(int argc, char **argv) {
  pthread_t thread;
  void *job = NULL;
  char line[16] = "";
  if (argc < 3) return 2;
  helper = argv[1];
  command = (const char *const *)(argv + 2);
  sandbox = make_sandbox();
  engine = sbx_engine_new(helper);
  if (!engine || pthread_create(&thread, NULL, start, NULL) != 0) return 9;
  pthread_join(thread, &job);
  if (!job) return 9;
  run_all();
  printf("right %d of %d, ended %d.\n", right, BUSY * RUNS, sbx_job_pump(job, 500));
  fflush(stdout);
  if (!fgets(line, sizeof line, stdin)) pause();
  sbx_job_kill(job, 0);
  while (sbx_job_pump(job, -1) == 0) continue;
  printf("killed %d.\n", sbx_job_result(job)->ending == SBX_ENDED_CANCELLED);
  sbx_job_free(job);
  sbx_engine_free(engine);
  sbx_sandbox_free(sandbox);
  return 0;
}
