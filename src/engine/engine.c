#include "engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/confinement.h"
#include "engine/error.h"
#include "engine/resolver.h"
#include "engine/start.h"
#include "engine/warm.h"
#include "layers/descriptors.h"

#define INLINE_MAX (64 * 1024)
struct sbx_engine {
  char *helper; /* NULL: forks by itself */
  int socket;   /* to the spawner, or -1 */
  pid_t owner;  /* a fork of the host must not use its parent's spawner */
  pid_t spawner;
  struct sbx_confinement confinement; /* of the host when it started the spawner */
  struct sbx_warm warm;
  struct sbx_placeholders *placeholders;
  /* A pipe that every process of this engine keeps open: when its read end, the keeper's, says so,
   * the host and all its supervisors are gone. -1: none yet. */
  int lease, lease_kept;
};

sbx_engine *sbx_engine_new(const char *helper) {
  sbx_engine *engine = calloc(1, sizeof *engine);
  if (!engine) return NULL;
  engine->socket = -1;
  engine->warm.mounts = -1;
  for (size_t i = 0; i < SBX_WARM_SPARES; i++) engine->warm.spares[i] = SBX_SPARE_NONE;
  engine->lease = engine->lease_kept = -1;
  engine->placeholders = sbx_placeholders_new();
  engine->helper = helper ? strdup(helper) : NULL;
  if (engine->placeholders && (!helper || engine->helper)) return engine;
  sbx_engine_free(engine);
  return NULL;
}

static void let_go(sbx_engine *engine) {
  sbx_warm_close(&engine->warm);
  sbx_fd_close(&engine->socket);
}

void sbx_engine_free(sbx_engine *engine) {
  if (!engine) return;
  let_go(engine);
  sbx_fd_close(&engine->lease);
  sbx_fd_close(&engine->lease_kept);
  sbx_placeholders_release(engine->placeholders);
  free(engine->helper);
  free(engine);
}

/* ---- starting the spawner and the keeper ---- */

/* Once: the keeper waits for the supervisors of every spawner of this engine. */
static int make_lease(sbx_engine *engine) {
  int fds[2];
  if (engine->lease >= 0) return 0;
  if (sbx_fd_pipe(fds) < 0) return -1;
  engine->lease = fds[0];
  engine->lease_kept = fds[1];
  return 0;
}

static int spawner_failed(struct sbx_error *err, int code, const char *detail) {
  bool missing = code == ENOENT || code == EACCES;
  return sbx_fail(err, SBX_ERROR_SANDBOX, missing ? "helper" : "spawner", code, detail);
}

static int start_spawner(sbx_engine *engine, struct sbx_error *err) {
  int pair[2], on = 1;
  if (make_lease(engine) < 0 || sbx_fd_messages(pair) < 0)
    return sbx_fail(err, SBX_ERROR_SPAWN, "spawner", errno, "descriptors");
  /* Before the first message: the kernel notes a sender only for a socket that asked. */
  bool asked = setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0;
  char *argv[] = {(char[]){"sbx-exec"}, (char[]){"--spawner"}, NULL};
  pid_t pid =
      asked ? sbx_start_helper(engine->helper, argv, pair[1], engine->lease_kept) : (pid_t)-1;
  sbx_fd_close(&pair[1]);
  if (pid < 0) {
    sbx_fd_close(&pair[0]);
    return spawner_failed(err, errno, engine->helper);
  }
  engine->socket = pair[0];
  engine->owner = getpid();
  engine->spawner = pid;
  sbx_confinement_read(&engine->confinement);
  sbx_warm_open(&engine->warm);
  return 0;
}

/* The program that runs one command has one thread, and is its own helper. In the child, 0. */
static pid_t fork_own(int socket, int lease) {
  int keep[] = {socket, lease, 0, 1, 2}, null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) return -1; /* it must not hold the caller's output open */
  pid_t pid = fork();
  if (pid != 0) {
    sbx_fd_close(&null);
    return pid;
  }
  setsid();
  for (int fd = 0; fd < 3; fd++) sbx_fd_place(null, fd);
  if (chdir("/") < 0 || sbx_fd_keep_only(keep, sizeof keep / sizeof keep[0]) < 0) _exit(125);
  return 0;
}

static pid_t fork_keeper(int socket, int lease, const char *journal) {
  pid_t pid = fork_own(socket, lease);
  if (pid == 0) _exit(sbx_keeper_main(socket, lease, journal));
  return pid;
}

static pid_t fork_resolver(int socket) {
  pid_t pid = fork_own(socket, -1);
  if (pid == 0) _exit(sbx_resolver_main(socket));
  return pid;
}

static int start_keeper(void *context, const char *journal) {
  sbx_engine *engine = context;
  int pair[2];
  if (sbx_fd_messages(pair) < 0) return -1;
  char *argv[] = {(char[]){"sbx-exec"}, (char[]){"--keeper"}, (char *)journal, NULL};
  pid_t pid = engine->helper ? sbx_start_helper(engine->helper, argv, pair[1], engine->lease)
                             : fork_keeper(pair[1], engine->lease, journal);
  sbx_fd_close(&pair[1]);
  if (pid < 0) sbx_fd_close(&pair[0]);
  return pair[0];
}

/* A fork of the host must not use its parent's spawner (security.md 4). */
static int ready(sbx_engine *engine, struct sbx_error *err) {
  if (engine->socket >= 0 && engine->owner == getpid()) return 0;
  let_go(engine);
  return start_spawner(engine, err);
}

/* A host that has been confined since (security.md 27) would run commands with its old power, and
 * one that changed its mask or limits would not be inherited from: the next spawner is as it is. */
bool sbx_engine_confirm(sbx_engine *engine) {
  struct sbx_confinement now;
  if (!engine->helper) return true;
  if (sbx_confinement_read(&now) && memcmp(&now, &engine->confinement, sizeof now) == 0 &&
      sbx_confinement_sees(engine->spawner))
    return true;
  let_go(engine);
  return false;
}

void sbx_engine_forsake(sbx_engine *engine) {
  if (engine->helper) let_go(engine);
}

/* ---- handing a request over ---- */

struct message {
  struct iovec iov[2];
  char control[CMSG_SPACE(SBX_WIRE_FDS * sizeof(int))];
  struct msghdr msg;
};

static void add_descriptors(struct message *message, const int *fds, size_t count) {
  memset(message->control, 0, sizeof message->control);
  message->msg.msg_control = message->control;
  message->msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
  struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message->msg);
  cmsg->cmsg_level = SOL_SOCKET;
  cmsg->cmsg_type = SCM_RIGHTS;
  cmsg->cmsg_len = CMSG_LEN(count * sizeof(int));
  memcpy(CMSG_DATA(cmsg), fds, count * sizeof(int));
}

/* A large blob (a long argument list) doesn't fit a datagram: it travels in memory of its own. */
static int blob_file(const char *blob, size_t size) {
  int fd = sbx_fd_high(memfd_create("sbx-request", MFD_CLOEXEC));
  for (size_t done = 0; fd >= 0 && done < size;) {
    ssize_t written = write(fd, blob + done, size - done);
    if (written > 0) {
      done += (size_t)written;
    } else if (errno != EINTR) {
      sbx_fd_close(&fd);
    }
  }
  return fd;
}

static int send_message(int socket, const struct message *message) {
  ssize_t sent;
  do sent = sendmsg(socket, &message->msg, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent < 0 ? -1 : 0;
}

/* To a supervisor that stands ready: the shortest way. */
static bool deliver_warm(sbx_engine *engine, const struct message *message,
                         const struct sbx_layers *layers, struct sbx_taker *taker) {
  sbx_warm_collect(&engine->warm, engine->socket);
  struct sbx_spare *spare = sbx_warm_find(&engine->warm, engine->socket, layers);
  bool sent = spare && send_message(spare->socket, message) == 0;
  if (sent) {
    *taker = (struct sbx_taker){spare->pidfd, spare->socket};
    *spare = SBX_SPARE_NONE;
  }
  if (spare) sbx_spare_close(spare);
  return sent;
}

static int deliver(sbx_engine *engine, const struct message *message,
                   const struct sbx_layers *layers, struct sbx_taker *taker,
                   struct sbx_error *err) {
  for (int attempt = 0; attempt < 2; attempt++) {
    if (ready(engine, err) < 0) return -1;
    if (deliver_warm(engine, message, layers, taker)) return 0;
    if (send_message(engine->socket, message) == 0) return 0;
    if (errno != EPIPE && errno != ECONNRESET) break;
    let_go(engine); /* it was killed: once more, with another */
  }
  return spawner_failed(err, errno == ENOENT ? EIO : errno, NULL);
}

static int post(sbx_engine *engine, const sbx_sandbox *sandbox, const struct sbx_wire_head *head,
                const char *blob, const int fds[4], struct sbx_taker *taker,
                struct sbx_error *err) {
  struct sbx_wire_head sent = *head;
  int list[SBX_WIRE_FDS] = {fds[0], fds[1], fds[2]}, file = -1;
  size_t count = 3;
  if ((sent.has_stdin = fds[3] >= 0)) list[count++] = fds[3];
  if ((sent.has_ruleset = sandbox->ruleset >= 0)) list[count++] = sandbox->ruleset;
  if ((sent.blob_in_memfd = head->blob_size > INLINE_MAX)) {
    list[count++] = file = blob_file(blob, head->blob_size);
    if (file < 0) return sbx_fail(err, SBX_ERROR_SPAWN, "spawner", errno, "memory for the request");
  }
  struct message message = {.iov = {{&sent, sizeof sent}, {(void *)blob, head->blob_size}}};
  message.msg = (struct msghdr){.msg_iov = message.iov, .msg_iovlen = file < 0 ? 2 : 1};
  add_descriptors(&message, list, count);
  int rc = deliver(engine, &message, &head->layers, taker, err);
  sbx_fd_close(&file);
  return rc;
}

/* The program that runs one command and ends forks the supervisor itself: no exec in between. */
static int fork_here(const sbx_engine *engine, const sbx_sandbox *sandbox,
                     const struct sbx_wire_head *head, char *blob, const int fds[4], int *pidfd,
                     struct sbx_error *err) {
  struct sbx_launch launch = {.head = *head,
                              .control = fds[0],
                              .out = fds[1],
                              .err = fds[2],
                              .in = fds[3],
                              .ruleset = sandbox->ruleset,
                              .null = -1,
                              .lease = engine->lease_kept,
                              .host = -1};
  char *copy = malloc(head->blob_size);
  if (copy) memcpy(copy, blob, head->blob_size);
  int rc = copy ? sbx_launch_unpack(&launch, copy) : -1;
  if (rc == 0) launch.null = sbx_fd_high(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (rc == 0) launch.host = sbx_pidfd_open(getpid());
  if (launch.null < 0 || launch.host < 0) rc = -1;
  if (rc == 0 && sbx_launch_start(&launch, pidfd) < 0) rc = -1;
  if (rc < 0) {
    bool layer = head->layers.namespaces != 0;
    sbx_fail(err, layer ? SBX_ERROR_SANDBOX : SBX_ERROR_SPAWN, layer ? "namespaces" : "fork", errno,
             NULL);
  }
  sbx_fd_close(&launch.null);
  sbx_fd_close(&launch.host);
  sbx_launch_free(&launch);
  return rc;
}

int sbx_engine_send(sbx_engine *engine, const sbx_sandbox *sandbox,
                    const struct sbx_wire_head *head, char *blob, const int fds[4],
                    struct sbx_taker *taker, struct sbx_error *err) {
  if (!engine->helper) return fork_here(engine, sandbox, head, blob, fds, &taker->pidfd, err);
  return post(engine, sandbox, head, blob, fds, taker, err);
}

int sbx_engine_hold(sbx_engine *engine, const sbx_sandbox *sandbox, struct sbx_hold *hold,
                    struct sbx_error *err) {
  if (engine->placeholders->owner != getpid()) { /* a fork: its parent's are not its own */
    sbx_placeholders_release(engine->placeholders);
    engine->placeholders = sbx_placeholders_new();
    if (!engine->placeholders)
      return sbx_fail(err, SBX_ERROR_SANDBOX, "placeholders", ENOMEM, NULL);
  }
  if (engine->helper && ready(engine, err) < 0) return -1;
  if (make_lease(engine) < 0) return sbx_fail(err, SBX_ERROR_SANDBOX, "placeholders", errno, NULL);
  return sbx_placeholders_make(engine->placeholders, sandbox, hold, start_keeper, engine, err);
}

static pid_t start_resolver(sbx_engine *engine, int socket) {
  char *argv[] = {(char[]){"sbx-exec"}, (char[]){"--resolver"}, NULL};
  if (!engine->helper) return fork_resolver(socket);
  if (make_lease(engine) < 0) return -1;
  return sbx_start_helper(engine->helper, argv, socket, engine->lease_kept);
}

sbx_plan *sbx_engine_resolve(sbx_engine *engine, const sbx_sandbox *sandbox, const sbx_plan *base,
                             int64_t until_ns, struct sbx_error *err) {
  int pair[2] = {-1, -1};
  sbx_plan *plan = NULL;
  pid_t pid = sbx_fd_messages(pair) < 0 ? -1 : start_resolver(engine, pair[1]);
  sbx_fd_close(&pair[1]); /* its end is seen */
  if (pid < 0)
    spawner_failed(err, errno, engine->helper);
  else
    plan = sbx_resolver_ask(pair[0], sandbox->names, base, until_ns, err);
  sbx_fd_close(&pair[0]);
  if (pid > 0 && !engine->helper) { /* else it is nobody's child */
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
  }
  return plan;
}

bool sbx_engine_placeholder(const sbx_engine *engine, const char *path, uint64_t dev,
                            uint64_t ino) {
  return sbx_placeholders_have(engine->placeholders, path, dev, ino);
}

void sbx_engine_expect(sbx_engine *engine) {
  if (engine->helper && engine->socket >= 0 && engine->owner == getpid())
    sbx_warm_expect(&engine->warm, engine->socket);
}

void sbx_engine_prepare(sbx_engine *engine, const struct sbx_layers *layers,
                        const sbx_sandbox *sandbox, const sbx_plan *inside) {
  if (engine->helper && engine->socket >= 0)
    sbx_warm_order(&engine->warm, engine->socket, layers, sandbox, inside);
}
