#include "engine/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/address.h"
#include "engine/connector.h"
#include "engine/launch.h"
#include "engine/memory.h"
#include "engine/notice.h"
#include "engine/who.h"
#include "engine/wire.h"
#include "layers/descriptors.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

typedef struct seccomp_notif call;

/* Of the one broker that a process has. Apart from it: most commands never touch these pages. */
#define WAITING 192
static call waiting[WAITING];
/* Questions that the host has not answered: about ninety would fill its socket, and leave no room
 * for the word that the command has ended. */
#define ASKED 8

/* ---- the call's arguments, as this process has copied them ---- */

struct copied {
  char bytes[SBX_ADDRESS_ROOM];
  size_t size;
};

/* Once: what is judged and what is connected to are the same bytes. The kernel takes the size for
 * an int. */
static int copy_address(const call *taken, struct copied *to) {
  size_t size = (uint32_t)taken->data.args[2];
  if (size > sizeof to->bytes || size < sizeof(sa_family_t)) return EINVAL;
  to->size = size;
  return sbx_memory_bytes((pid_t)taken->pid, taken->data.args[1], to->bytes, size);
}

/* As the caller would find it: from its directory, by no way through /proc/PID. */
static int open_path(pid_t pid, const char *path) {
  struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS};
  char name[40];
  snprintf(name, sizeof name, "/proc/%d/cwd", (int)pid);
  int directory = *path == '/' ? AT_FDCWD : open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (*path != '/' && directory < 0) return -1;
  int fd = sbx_fd_high((int)syscall(SYS_openat2, directory, path, &how, sizeof how));
  int saved = errno;
  if (directory >= 0) close(directory);
  errno = saved;
  return fd;
}

/* Of this process, of the moment, or of the disk: it says nothing of what was asked for. */
static bool is_own_lack(int code) {
  switch (code) {
  case EMFILE:
  case ENFILE:
  case ENOMEM:
  case EINTR:
  case EINVAL: /* fcntl(2): no descriptor is left that is high enough */
  case EIO:
  case ENXIO: return true;
  default: return false;
  }
}

/* What the command is told where the path leads to nothing that can be looked at. */
static int no_target(int code) {
  if (code == ENOENT || code == ENOTDIR) return code;
  return is_own_lack(code) ? EAGAIN : EACCES;
}

/* By what it is: a command may move another socket to a listed path where it can write. 0, EACCES,
 * or EAGAIN where it can't be told. */
static int check_listed(const sbx_plan *plan, int fd) {
  struct stat st;
  if (fstat(fd, &st) < 0) return no_target(errno);
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *header;
  while ((header = sbx_plan_next(&cursor))) {
    const struct sbx_socket_record *record = sbx_record_payload(header);
    if (header->type == SBX_RECORD_SOCKET && record->dev == st.st_dev && record->ino == st.st_ino)
      return 0;
  }
  return EACCES;
}

/* A thread may have descriptors of its own (CLONE_FILES). Before Linux 6.9 only the first of a
 * process can be opened: then another's must be the same. */
static int open_thread(pid_t thread) {
  struct sbx_who who;
  int pidfd = sbx_fd_high((int)syscall(SYS_pidfd_open, thread, PIDFD_THREAD));
  if (pidfd >= 0 || errno != EINVAL) return pidfd;
  sbx_who_read(&who, thread);
  bool same =
      who.pid == thread || (who.pid && syscall(SYS_kcmp, who.pid, thread, KCMP_FILES, 0, 0) == 0);
  errno = EBADF;
  return same ? sbx_pidfd_open(who.pid) : -1;
}

int sbx_broker_borrow(pid_t thread, int number) {
  int pidfd = open_thread(thread);
  if (pidfd < 0) return -1;
  int fd = sbx_fd_high((int)syscall(SYS_pidfd_getfd, pidfd, number, 0));
  sbx_fd_close(&pidfd);
  return fd;
}

/* ---- the connect ---- */

/* By the descriptor of what was looked at: nobody can put another in its place. */
static int connect_to(int socket, int target) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", target);
  return connect(socket, (struct sockaddr *)&address, sizeof address) < 0 ? errno : 0;
}

static int call_by_path(const struct sbx_broker *broker, const call *taken,
                        const struct copied *address) {
  char path[SBX_ADDRESS_PATH];
  int code = sbx_address_path(address->bytes, address->size, path);
  if (code) return code;
  int target = open_path((pid_t)taken->pid, path);
  if (target < 0) return no_target(errno);
  code = check_listed(broker->plan, target);
  if (code) {
    sbx_fd_close(&target);
    return code;
  }
  int socket = sbx_broker_borrow((pid_t)taken->pid, (int)taken->data.args[0]);
  code = socket < 0 ? EBADF : 0;
  if (!code && !sbx_notice_is_valid(broker->listener, taken->id)) code = EINTR;
  if (!code) code = connect_to(socket, target);
  sbx_fd_close(&socket);
  sbx_fd_close(&target);
  return code;
}

bool sbx_broker_lists(const struct sbx_broker *broker, pid_t caller, const void *address,
                      size_t size) {
  char path[SBX_ADDRESS_PATH];
  if (sbx_connector_takes(address, size)) return sbx_connector_lists(broker, address, size);
  if (size > SBX_ADDRESS_MAX || sbx_address_path(address, size, path) != 0) return false;
  int target = open_path(caller, path);
  /* nothing is there, or it can't be told here: the call itself says so */
  if (target < 0) return no_target(errno) != EACCES;
  bool listed = check_listed(broker->plan, target) != EACCES;
  sbx_fd_close(&target);
  return listed;
}

static int make_call(const struct sbx_broker *broker, const call *taken, int answers) {
  struct copied address;
  int code = copy_address(taken, &address);
  if (code) return code;
  if (sbx_connector_takes(address.bytes, address.size))
    return sbx_connector_call(broker, taken, address.bytes, address.size, answers);
  return call_by_path(broker, taken, &address);
}

/* ---- calls ---- */

static size_t free_worker(const struct sbx_broker *broker) {
  size_t i = 0;
  while (i < SBX_BROKER_WORKERS && broker->workers[i].pid) i++;
  return i;
}

static void start_worker(struct sbx_broker *broker, size_t i, const call *taken) {
  int answers[2] = {-1, -1}; /* [1] is the worker's */
  bool talks = broker->connecting.ask_ms > 0 || broker->denied;
  if (talks) talks = sbx_fd_messages(answers) == 0;
  pid_t pid = fork();
  if (pid == 0) {
    int code = make_call(broker, taken, answers[1]);
    if (code != SBX_BROKER_TOLD) sbx_notice_answer(&broker->listener, taken->id, code);
    _exit(0);
  }
  sbx_fd_close(&answers[1]);
  if (pid < 0) {
    sbx_fd_close(&answers[0]);
    sbx_notice_answer(&broker->listener, taken->id, EAGAIN);
    return;
  }
  broker->forks++;
  broker->workers[i].pid = pid;
  broker->workers[i].call = taken->id;
  broker->workers[i].answers = talks ? answers[0] : -1;
}

void sbx_broker_call(struct sbx_broker *broker, const call *taken) {
  size_t i = free_worker(broker);
  if (i < SBX_BROKER_WORKERS) {
    start_worker(broker, i, taken);
  } else if (broker->count < WAITING) {
    waiting[(broker->first + broker->count++) % WAITING] = *taken;
  } else {
    sbx_notice_answer(&broker->listener, taken->id, EAGAIN);
  }
}

/* Who waits may have been killed meanwhile: nothing is begun for it. */
static void serve_waiting(struct sbx_broker *broker, size_t i) {
  while (broker->count > 0 && broker->listener >= 0 && !broker->workers[i].pid) {
    const call *next = &waiting[broker->first];
    broker->first = (broker->first + 1) % WAITING;
    broker->count--;
    if (sbx_notice_is_valid(broker->listener, next->id)) start_worker(broker, i, next);
  }
}

/* POLLERR is no end: the kernel answers so, too, where a signal (a child's end) came while it
 * waited to look (seccomp_notify_poll() in kernel/seccomp.c). At the end the listener is not
 * closed: that takes the filter down, on the processor where the command is just ending. It goes
 * with this process, whose tree is gone. */
void sbx_broker_hung_up(struct sbx_broker *broker, short events) {
  if (events & POLLHUP) broker->listener = -1;
}

void sbx_broker_serve(struct sbx_broker *broker, short events) {
  union sbx_notice taken;
  if (!(events & POLLIN)) {
    sbx_broker_hung_up(broker, events);
    return;
  }
  if (sbx_notice_take(broker->listener, &taken)) sbx_broker_call(broker, &taken.call);
}

/* The slot of a worker, or SBX_BROKER_WORKERS. */
static size_t worker_of(const struct sbx_broker *broker, pid_t pid) {
  size_t i = 0;
  while (i < SBX_BROKER_WORKERS && broker->workers[i].pid != pid) i++;
  return i;
}

bool sbx_broker_has(const struct sbx_broker *broker, pid_t pid) {
  return worker_of(broker, pid) < SBX_BROKER_WORKERS;
}

/* What it was told no to is its last word. */
static void hear_denied(struct sbx_broker *broker, size_t i) {
  struct sbx_question denied;
  int answers = broker->workers[i].answers;
  if (answers < 0 || recv(answers, &denied, sizeof denied, MSG_DONTWAIT) != sizeof denied) return;
  if (broker->denied) broker->denied(broker->context, &denied);
}

bool sbx_broker_reaped(struct sbx_broker *broker, pid_t pid) {
  size_t i = worker_of(broker, pid);
  if (i == SBX_BROKER_WORKERS) return false;
  hear_denied(broker, i);
  broker->workers[i].pid = 0;
  sbx_fd_close(&broker->workers[i].answers);
  /* one that was told no, or was killed, has answered nothing */
  if (broker->listener >= 0) sbx_notice_answer(&broker->listener, broker->workers[i].call, EACCES);
  serve_waiting(broker, i);
  return true;
}

int sbx_broker_asking(const struct sbx_broker *broker) {
  return broker->asked < ASKED ? broker->questions[0] : -1;
}

/* Who asked may have given up: then nobody is to be bothered. */
static bool is_waited_for(const struct sbx_broker *broker, uint64_t id) {
  for (size_t i = 0; i < SBX_BROKER_WORKERS; i++)
    if (broker->workers[i].pid && broker->workers[i].call == id) return true;
  return false;
}

void sbx_broker_ask(struct sbx_broker *broker) {
  struct sbx_report report;
  ssize_t size = recv(broker->questions[0], &report, sizeof report, MSG_DONTWAIT);
  if (size != (ssize_t)sizeof report || !is_waited_for(broker, report.question.id)) return;
  size = send(broker->control, &report, sizeof report, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (size == (ssize_t)sizeof report) broker->asked++;
}

void sbx_broker_answer(struct sbx_broker *broker, uint64_t id, bool yes) {
  char word = yes;
  if (broker->asked > 0) broker->asked--;
  for (size_t i = 0; i < SBX_BROKER_WORKERS; i++) {
    if (!broker->workers[i].pid || broker->workers[i].call != id) continue;
    if (broker->workers[i].answers >= 0)
      send(broker->workers[i].answers, &word, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
  }
}

/* ---- the listener ---- */

static void read_connecting(struct sbx_broker *broker) {
  struct sbx_cursor cursor = sbx_plan_cursor(broker->plan);
  const struct sbx_record_header *header;
  while ((header = sbx_plan_next(&cursor)))
    if (header->type == SBX_RECORD_CONNECTING)
      memcpy(&broker->connecting, sbx_record_payload(header), sizeof broker->connecting);
}

/* A worker waits no longer to be heard than for its answer. */
static int open_questions(struct sbx_broker *broker) {
  uint32_t ms = broker->connecting.ask_ms;
  struct timeval longest = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};
  if (ms == 0) return 0;
  if (sbx_fd_messages(broker->questions) < 0) return -1;
  return setsockopt(broker->questions[1], SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof longest);
}

int sbx_broker_open(struct sbx_broker *broker, int listener, int control, const sbx_plan *plan) {
  broker->listener = listener;
  broker->plan = plan;
  broker->control = control;
  read_connecting(broker);
  return open_questions(broker);
}
