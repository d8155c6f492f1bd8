#include "engine/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/error.h"
#include "engine/supervisor.h"
#include "layers/descriptors.h"
#include "layers/namespaces.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

#define KERNEL_SIGNALS 64
#define BLOB_MAX (256u << 20)

/* ---- packing ---- */

struct blob {
  char *bytes;
  size_t size, room;
  bool failed;
};

static void put(struct blob *blob, const void *data, size_t size) {
  if (blob->failed || size == 0) return;
  if (size > blob->room - blob->size) {
    size_t room = (blob->size + size) * 2;
    char *bytes = room > BLOB_MAX ? NULL : realloc(blob->bytes, room);
    if (!bytes) {
      blob->failed = true;
      return;
    }
    blob->bytes = bytes;
    blob->room = room;
  }
  memcpy(blob->bytes + blob->size, data, size);
  blob->size += size;
}

static void put_text(struct blob *blob, const char *text) {
  put(blob, text, strlen(text) + 1);
}

static uint32_t put_all(struct blob *blob, const char *const *list) {
  uint32_t count = 0;
  for (; list && list[count]; count++) put_text(blob, list[count]);
  return count;
}

static void put_plan(struct blob *blob, const sbx_plan *plan) {
  size_t size;
  const void *bytes = sbx_plan_bytes(plan, &size);
  put(blob, bytes, size);
}

static const char *path_of(const char *const *env) {
  for (; env && *env; env++)
    if (strncmp(*env, "PATH=", 5) == 0) return *env + 5;
  return NULL;
}

/* The files that may be the command, in order: execvp(3)'s search, in the child's PATH. Without
 * one the system's own standard path counts (confstr(3)), as in execvp. */
static uint32_t put_candidates(struct blob *blob, const char *command, const char *const *env) {
  char standard[256];
  if (strchr(command, '/') || !*command) {
    put_text(blob, command);
    return 1;
  }
  const char *path = path_of(env);
  if (!path) path = confstr(_CS_PATH, standard, sizeof standard) ? standard : "";
  uint32_t count = 0;
  for (;;) {
    size_t size = strcspn(path, ":");
    put(blob, path, size);
    put(blob, "/", size > 0);
    put_text(blob, command);
    count++;
    if (!path[size]) return count;
    path += size + 1;
  }
}

char *sbx_launch_pack(const sbx_sandbox *sandbox, const struct sbx_layers *layers,
                      const sbx_plan *inside, const struct sbx_request *request,
                      struct sbx_wire_head *head, struct sbx_error *err) {
  struct blob blob = {malloc(4096), 0, 4096, false};
  const char *arg0 = request->arg0 ? request->arg0 : request->argv[0];
  if (!blob.bytes) blob.failed = true;
  *head = (struct sbx_wire_head){.magic = SBX_WIRE_MAGIC, .layers = *layers};
  put(&blob, sbx_sandbox_filter(sandbox), layers->filter_count * sizeof(struct sock_filter));
  put_plan(&blob, sandbox->ahead);
  put_plan(&blob, inside);
  put_text(&blob, arg0);
  head->argc = 1 + put_all(&blob, request->argv + 1);
  head->envc = put_all(&blob, request->env);
  head->ncandidates = put_candidates(&blob, request->argv[0], request->env);
  put_text(&blob, request->cwd ? request->cwd : "");
  put_text(&blob, sandbox->cgroup ? sandbox->cgroup : "");
  head->blob_size = (uint32_t)blob.size;
  if (!blob.failed) return blob.bytes;
  free(blob.bytes);
  sbx_fail(err, SBX_ERROR_SPAWN, "execve", E2BIG, NULL);
  return NULL;
}

/* ---- unpacking ---- */

static char *take_text(char **at, const char *end) {
  char *text = *at;
  char *nul = memchr(text, 0, (size_t)(end - text));
  if (!nul) return NULL;
  *at = nul + 1;
  return text;
}

static int take_all(char **into, uint32_t count, char **at, const char *end) {
  for (uint32_t i = 0; i < count; i++)
    if (!(into[i] = take_text(at, end))) return -1;
  into[count] = NULL;
  return 0;
}

static int take_strings(struct sbx_launch *launch, char *at, const char *end) {
  const struct sbx_wire_head *head = &launch->head;
  if (take_all(launch->argv, head->argc, &at, end) < 0 ||
      take_all(launch->envp, head->envc, &at, end) < 0 ||
      take_all(launch->candidates, head->ncandidates, &at, end) < 0)
    return -1;
  launch->cwd = take_text(&at, end);
  launch->cgroup = launch->cwd ? take_text(&at, end) : NULL;
  return launch->cgroup && at == end ? 0 : -1;
}

static sbx_plan *take_plan(char **at, const char *end, size_t size) {
  char *bytes = *at;
  errno = EPROTO;
  if (size > (size_t)(end - bytes)) return NULL;
  *at += size;
  return sbx_plan_from_bytes(bytes, size, NULL);
}

int sbx_launch_unpack(struct sbx_launch *launch, char *blob) {
  const struct sbx_wire_head *head = &launch->head;
  const struct sbx_layers *layers = &head->layers;
  size_t filter = layers->filter_count * sizeof *launch->filter;
  size_t strings = (size_t)head->argc + head->envc + head->ncandidates;
  char *at = blob, *end = blob + head->blob_size;
  launch->arena = blob;
  launch->argv = NULL;
  launch->ahead = launch->inside = NULL;
  errno = EPROTO;
  if (filter > head->blob_size || strings > head->blob_size || head->argc == 0) return -1;
  launch->argv = malloc((strings + 3) * sizeof *launch->argv);
  if (!launch->argv) return -1;
  launch->envp = launch->argv + head->argc + 1;
  launch->candidates = launch->envp + head->envc + 1;
  launch->filter = (struct sock_filter *)blob;
  at += filter;
  launch->ahead = take_plan(&at, end, layers->ahead_size);
  launch->inside = launch->ahead ? take_plan(&at, end, layers->inside_size) : NULL;
  errno = EPROTO;
  return launch->inside ? take_strings(launch, at, end) : -1;
}

void sbx_launch_free(struct sbx_launch *launch) {
  free(launch->arena);
  free(launch->argv);
  launch->arena = NULL;
  launch->argv = NULL;
  sbx_plan_free(launch->ahead);
  sbx_plan_free(launch->inside);
  launch->ahead = launch->inside = NULL;
}

void sbx_launch_release(struct sbx_launch *launch) {
  sbx_launch_free(launch);
  sbx_fd_close(&launch->control);
  sbx_fd_close(&launch->in);
  sbx_fd_close(&launch->out);
  sbx_fd_close(&launch->err);
  sbx_fd_close(&launch->ruleset);
}

/* ---- starting ---- */

int sbx_pidfd_open(pid_t pid) {
  return sbx_fd_high((int)syscall(SYS_pidfd_open, pid, 0));
}

void sbx_pidfd_kill(int pidfd) {
  if (pidfd >= 0) syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
}

void sbx_signals_reset(void) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  /* By the system call: the library keeps 32 and 33 to itself, and leaves them ignored in what its
   * posix_spawn starts. Zeroes are the default action on every architecture. */
  static const char kernel_action[64];
  for (int sig = 1; sig <= KERNEL_SIGNALS; sig++)
    syscall(SYS_rt_sigaction, sig, kernel_action, NULL, KERNEL_SIGNALS / 8);
}

static bool maps_all(const struct sbx_launch *launch) {
  const struct sbx_layers *layers = &launch->head.layers;
  return layers->flags & SBX_FLAG_MAP_ALL && layers->namespaces & SBX_NS_USER;
}

/* user_namespaces(7): only who has the capability outside may map more than its own id, and that
 * is this process; the new one waits until it is told how it went. */
static void write_maps(pid_t pid, int told) {
  int code = sbx_namespace_map_all(pid) < 0 ? errno : 0;
  /* the new process sees an end of file when this fails */
  if (write(told, &code, sizeof code) < 0) return;
}

pid_t sbx_launch_start(struct sbx_launch *launch, int *pidfd) {
  unsigned long flags = (unsigned long)sbx_namespace_flags(launch->head.layers.namespaces);
  uid_t uid = geteuid();
  gid_t gid = getegid();
  int fd = -1, pipe[2] = {-1, -1};
  if (maps_all(launch) && sbx_fd_pipe(pipe) < 0) return -1;
  launch->id_maps = pipe[0];
  pid_t pid = (pid_t)syscall(SYS_clone, flags | CLONE_PIDFD | SIGCHLD, NULL, &fd, NULL, NULL);
  if (pid == 0) sbx_supervise(launch, uid, gid);
  if (pid > 0 && pipe[1] >= 0) write_maps(pid, pipe[1]);
  sbx_fd_close(&launch->id_maps);
  sbx_fd_close(&pipe[1]);
  if (pid > 0) *pidfd = sbx_fd_high(fd);
  return pid;
}
