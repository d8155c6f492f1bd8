/* A sandbox inside the sandbox, asked for everything. */
#include "catalogue.h"

static char *const *asked(const char *script) {
  static char *argv[12];
  int n = 0;
  argv[n++] = (char *)fact("sbxlua");
  argv[n++] = "run";
  argv[n++] = "-p";
  argv[n++] = "danger-full-access";
  argv[n++] = "--";
  argv[n++] = "/bin/sh";
  argv[n++] = "-c";
  argv[n++] = (char *)script;
  argv[n] = NULL;
  return argv;
}

static long nested(const char *script) {
  char *const *argv = asked(script);
  return run_program((char *const *)argv);
}
static long nested_write(void) {
  return nested(text("echo changed >%s", outside("file")));
}
static long nested_kill(void) {
  if (atoi(own("pid")) < 2) return -1;
  return nested(text("kill -USR1 %s", own("pid")));
}
static long nested_tcp(void) {
  char *argv[] = {(char *)fact("sbxlua"),
                  "run",
                  "-p",
                  "danger-full-access",
                  "--",
                  "/bin/bash",
                  "-c",
                  text("echo %s >/dev/tcp/127.0.0.1/%s", current, fact("tcp")),
                  NULL};
  return run_program(argv);
}
/* With a root of its own choice, where the outer one gave none. */
static long nested_root(void) {
  char *argv[] = {(char *)fact("sbxlua"),
                  "run",
                  "-p",
                  "workspace-write",
                  "-C",
                  outside(""),
                  "--",
                  "/bin/sh",
                  "-c",
                  "echo changed >file",
                  NULL};
  return run_program(argv);
}

const struct attempt nested_attempts[] = {
    {"nested_write", "write in a nested run", nested_write, NULL, NULL},
    {"nested_root", "a nested run with a root", nested_root, NULL, NULL},
    {"nested_kill", "signal from a nested run", nested_kill, NULL, NULL},
    {"nested_tcp", "connect from a nested run", nested_tcp, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
