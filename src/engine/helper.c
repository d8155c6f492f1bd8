/* main() of the program under its helper name: applies a sandbox and stands by as the parent of
 * its supervisor, so that the end of this process, whatever it is, ends the tree. */
#include "engine/helper.h"
#include "engine/resolver.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/error.h"

enum { EXIT_OWN = 125, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

static int complain(int status, const char *what, const char *detail) {
  fprintf(stderr, "sbxlua: sbx-exec: %s%s%s\n", what, *detail ? ": " : "", detail);
  return status;
}

/* ---- environment ---- */

/* The command sees exactly what was planned, whatever else the host passes: a value that the host
 * did not pass on, or passed otherwise, is an error that names it. */
static int build_env(const struct sbx_helper_request *request, char **env) {
  size_t n = 0;
  for (char **entry = request->names; *entry; entry++) {
    const char *name = *entry + 5, *value = getenv(name);
    if (!value) return complain(EXIT_OWN, "the host did not pass the variable", name);
    if (sbx_helper_checksum(value) != strtoul(*entry, NULL, 16))
      return complain(EXIT_OWN, "the host passed another value of the variable", name);
    env[n++] = (char *)value - strlen(name) - 1; /* the "NAME=value" that getenv looked in */
  }
  env[n] = NULL;
  return 0;
}

static size_t count_names(const struct sbx_helper_request *request) {
  size_t count = 0;
  while (request->names[count]) count++;
  return count;
}

/* ---- the run ---- */

static int spawn_status(const struct sbx_error *err, const char *command) {
  complain(0, command, err->message);
  if (err->kind != SBX_ERROR_SPAWN || strcmp(err->step, "execve") != 0) return EXIT_OWN;
  bool missing = err->code == ENOENT || err->code == ENOTDIR;
  return missing ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

static const int forwarded[] = {SIGINT,  SIGTERM, SIGHUP,   SIGQUIT,
                                SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT};

static int open_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  for (size_t i = 0; i < sizeof forwarded / sizeof *forwarded; i++) sigaddset(&set, forwarded[i]);
  sigprocmask(SIG_BLOCK, &set, NULL);
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void forward(sbx_job *job, int signals) {
  struct signalfd_siginfo info;
  while (read(signals, &info, sizeof info) == (ssize_t)sizeof info)
    sbx_job_signal_group(job, (int)info.ssi_signo);
}

static int stand_by(sbx_job *job, int signals) {
  enum sbx_stream stream;
  const char *text;
  size_t size;
  while (sbx_job_step(job, &stream, &text, &size) != SBX_EVENT_END) {
    struct pollfd fds[2] = {{sbx_job_pollfd(job), POLLIN, 0}, {signals, POLLIN, 0}};
    poll(fds, 2, -1);
    forward(job, signals);
  }
  const struct sbx_result *result = sbx_job_result(job);
  return result->ending == SBX_ENDED_SUPERVISOR ? EXIT_OWN : result->exit_code;
}

static int run(const struct sbx_helper_request *helper, const sbx_sandbox *sandbox, char **argv,
               char **env) {
  struct sbx_error err = {0};
  struct sbx_request request;
  sbx_request_init(&request);
  request.argv = (const char *const *)argv;
  request.arg0 = helper->arg0;
  request.cwd = *helper->cwd ? helper->cwd : NULL;
  request.env = (const char *const *)env;
  request.stdin_mode = SBX_STDIO_FD;
  request.stdin_fd = 0;
  request.stdout_fd = 1;
  request.stderr_fd = 2;
  request.setup_timeout_ms = helper->setup_timeout_ms;
  /* Before the fork: a signal that comes while the tree is set up is forwarded after it. */
  int signals = open_signals();
  sbx_engine *engine = sbx_engine_new(NULL);
  sbx_job *job = engine && signals >= 0 ? sbx_spawn(engine, sandbox, &request, &err) : NULL;
  int status = job ? stand_by(job, signals) : spawn_status(&err, argv[0]);
  sbx_job_free(job);
  sbx_engine_free(engine);
  return status;
}

static int run_in_sandbox(const struct sbx_helper_request *request, char **argv) {
  struct sbx_error err = {0};
  char **env = calloc(count_names(request) + 1, sizeof *env);
  if (!env) return complain(EXIT_OWN, "memory", strerror(ENOMEM));
  int status = build_env(request, env);
  if (status == 0) {
    sbx_sandbox *sandbox = sbx_sandbox_new(request->plan, &err);
    status = sandbox ? run(request, sandbox, argv, env) : complain(EXIT_OWN, err.message, "");
    sbx_sandbox_free(sandbox);
  }
  free(env);
  return status;
}

int sbx_helper_main(int argc, char **argv) {
  struct sbx_helper_request request = {0};
  struct sbx_error err = {0};
  void *bytes = NULL;
  int next = 1;
  if (argc == 2 && strcmp(argv[1], "--spawner") == 0) return sbx_spawner_main();
  if (argc == 2 && strcmp(argv[1], "--noop") == 0) return 0;
  if (argc == 3 && strcmp(argv[1], "--keeper") == 0) return sbx_keeper_main(3, 4, argv[2]);
  if (argc == 2 && strcmp(argv[1], "--resolver") == 0) return sbx_resolver_main(3);
  long size = sbx_helper_join(argc, argv, &bytes, &next);
  if (size < 0) {
    free(bytes);
    return complain(EXIT_OWN, "no plan: nothing was run", "");
  }
  int rc = sbx_helper_decode(&request, bytes, (size_t)size, &err);
  int status;
  if (rc < 0)
    status = complain(EXIT_OWN, err.message, "");
  else if (next >= argc)
    status = complain(EXIT_OWN, "no command after the plan", "");
  else
    status = run_in_sandbox(&request, argv + next);
  sbx_helper_release(&request);
  return status;
}
