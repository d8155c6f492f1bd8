#include "engine/connector.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "engine/address.h"
#include "engine/clock.h"
#include "engine/notice.h"
#include "engine/who.h"
#include "engine/wire.h"
#include "layers/descriptors.h"

/* ---- the list ---- */

static bool covers(const struct sbx_connect_record *entry, const struct sbx_peer *peer) {
  if ((int)entry->family != peer->family) return false;
  size_t whole = entry->prefix / 8, rest = entry->prefix % 8;
  if (memcmp(entry->address, peer->address, whole) != 0) return false;
  return !rest || !((entry->address[whole] ^ peer->address[whole]) >> (8 - rest));
}

/* Its port counts for the list, not for the name that it is known by. */
static const char *find(const sbx_plan *plan, const struct sbx_peer *peer, bool any_port) {
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *header;
  while ((header = sbx_plan_next(&cursor))) {
    const struct sbx_connect_record *entry = sbx_record_payload(header);
    if (header->type != SBX_RECORD_CONNECT || !covers(entry, peer)) continue;
    const char *name = sbx_record_string(header, sizeof *entry);
    if (any_port ? *name != 0 : entry->port == peer->port) return name;
  }
  return NULL;
}

/* ---- the host's decision ---- */

static void fill(struct sbx_question *question, const struct sbx_broker *broker,
                 const struct seccomp_notif *taken, const struct sbx_peer *peer) {
  const char *name = find(broker->plan, peer, true);
  struct sbx_who who;
  sbx_who_read(&who, (pid_t)taken->pid);
  question->id = taken->id;
  question->pid = who.pid;
  question->family = (uint16_t)peer->family;
  question->port = peer->port;
  inet_ntop(peer->family, peer->address, question->address, sizeof question->address);
  snprintf(question->program, sizeof question->program, "%.*s", (int)sizeof question->program - 1,
           who.program);
  if (name) snprintf(question->host, sizeof question->host, "%s", name);
}

/* No answer in time is a no (behaviour.md 5), as is one that could not be asked for. */
static bool says_yes(const struct sbx_broker *broker, const struct sbx_report *asked, int answers) {
  struct pollfd fd = {answers, POLLIN, 0};
  char yes = 0;
  if (send(broker->questions[1], asked, sizeof *asked, MSG_NOSIGNAL) < 0) return false;
  if (poll(&fd, 1, (int)broker->connecting.ask_ms) <= 0) return false;
  return recv(answers, &yes, 1, MSG_DONTWAIT) == 1 && yes == 1;
}

/* 0: it is a yes. What was listed when the watch looked may be another address by now: that is told
 * from this process's copy. */
static int ask(const struct sbx_broker *broker, const struct seccomp_notif *taken,
               const struct sbx_peer *peer, int answers) {
  struct sbx_report report = {.type = SBX_REPORT_QUESTION};
  if (answers < 0) return EACCES;
  fill(&report.question, broker, taken, peer);
  if (broker->connecting.ask_ms > 0 && says_yes(broker, &report, answers)) return 0;
  ssize_t size = sizeof report.question;
  bool told = send(answers, &report.question, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT) == size;
  return told ? SBX_BROKER_TOLD : EACCES;
}

/* ---- the connect ---- */

/* All that the filter lets a command make; what it was given may be another. */
static bool is_tcp(int socket) {
  int domain = 0, type = 0, protocol = 0;
  socklen_t size = sizeof domain;
  return getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
         getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
         getsockopt(socket, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
         (domain == AF_INET || domain == AF_INET6) && type == SOCK_STREAM &&
         protocol == IPPROTO_TCP;
}

static void on_alarm(int sig) {
  (void)sig;
}

/* Comes again until it is heard: the first may come just before the call that it is to end. */
static void bound(uint32_t ms) {
  struct sigaction action = {.sa_handler = on_alarm};
  struct itimerval timer = {{0, 100000}, {ms / 1000, (suseconds_t)(ms % 1000) * 1000}};
  sigset_t alarm;
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  sigaction(SIGALRM, &action, NULL);
  sigprocmask(SIG_UNBLOCK, &alarm, NULL);
  setitimer(ITIMER_REAL, &timer, NULL);
}

/* A socket that doesn't block says EINPROGRESS, and its owner polls it. One that does gets the time
 * that a plan gives it, and then lets go of what it has begun. */
static int connect_to(int socket, const struct sbx_peer *peer, uint32_t wait_ms) {
  struct sockaddr_storage address;
  struct sockaddr none = {.sa_family = AF_UNSPEC};
  socklen_t size = sbx_address_make(peer, &address);
  bound(wait_ms);
  if (connect(socket, (struct sockaddr *)&address, size) == 0) return 0;
  if (errno != EINTR) return errno;
  (void)connect(socket, &none, sizeof none);
  return ETIMEDOUT;
}

bool sbx_connector_takes(const void *bytes, size_t size) {
  sa_family_t family;
  if (size < sizeof family) return false;
  memcpy(&family, bytes, sizeof family);
  return family == AF_INET || family == AF_INET6;
}

bool sbx_connector_lists(const struct sbx_broker *broker, const void *bytes, size_t size) {
  struct sbx_peer peer;
  if (sbx_address_peer(bytes, size, &peer)) return true; /* the call itself says what is wrong */
  return broker->connecting.ask_ms > 0 || find(broker->plan, &peer, false);
}

int sbx_connector_call(const struct sbx_broker *broker, const struct seccomp_notif *taken,
                       const void *bytes, size_t size, int answers) {
  struct sbx_peer peer;
  int code = sbx_address_peer(bytes, size, &peer);
  if (code) return code;
  if (!find(broker->plan, &peer, false)) code = ask(broker, taken, &peer, answers);
  if (code) return code;
  int socket = sbx_broker_borrow((pid_t)taken->pid, (int)taken->data.args[0]);
  if (socket < 0) return EBADF;
  code = is_tcp(socket) ? 0 : EACCES;
  if (!code && !sbx_notice_is_valid(broker->listener, taken->id)) code = EINTR;
  if (!code) code = connect_to(socket, &peer, broker->connecting.wait_ms);
  sbx_fd_close(&socket);
  return code;
}
