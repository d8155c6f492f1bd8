#include "engine/resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/error.h"
#include "engine/launch.h"

/* Of one name; more are left out. */
#define ADDRESSES 32
#define TEXT_MAX 16384
/* Where a start has no bound of its own. */
#define LONGEST_MS 30000
#define PATIENCE_MS 500

struct question {
  int64_t ms;
  char names[TEXT_MAX]; /* each with a NUL byte behind it */
};

struct address {
  uint32_t name, family;
  uint8_t bytes[16];
};

struct reply {
  int32_t code; /* of getaddrinfo(3), for the name whose number is in count */
  uint32_t count;
  struct address list[SBX_RESOLVER_NAMES * ADDRESSES];
};

/* ---- the process ---- */

static bool take(const struct addrinfo *info, struct address *address) {
  if (info->ai_family == AF_INET) {
    const struct sockaddr_in *in = (const void *)info->ai_addr;
    memcpy(address->bytes, &in->sin_addr, sizeof in->sin_addr);
    return true;
  }
  const struct sockaddr_in6 *in = (const void *)info->ai_addr;
  if (info->ai_family != AF_INET6) return false;
  memcpy(address->bytes, &in->sin6_addr, sizeof in->sin6_addr);
  return !IN6_IS_ADDR_V4MAPPED(&in->sin6_addr);
}

static int by_bytes(const void *a, const void *b) {
  return memcmp(a, b, sizeof(struct address));
}

/* In an order of their own: what servers turn round would be another plan each time, for which no
 * supervisor stands ready. */
static int resolve(const char *text, uint32_t name, struct reply *reply) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
  int code = getaddrinfo(text, NULL, &hints, &found);
  struct address *first = &reply->list[reply->count];
  size_t count = 0;
  for (const struct addrinfo *at = found; code == 0 && at && count < ADDRESSES; at = at->ai_next) {
    struct address *address = &first[count];
    *address = (struct address){.name = name, .family = (uint32_t)at->ai_family};
    if (take(at, address)) count++;
  }
  if (found) freeaddrinfo(found);
  if (code == 0 && count == 0) code = EAI_NONAME;
  qsort(first, count, sizeof *first, by_bytes);
  reply->count += (uint32_t)count;
  return code;
}

/* It ends by itself, whatever a library waits for; not before who asked has given up. */
static void bound(int64_t ms) {
  struct itimerval timer = {
      .it_value = {(ms + PATIENCE_MS) / 1000, (ms + PATIENCE_MS) % 1000 * 1000}};
  sigset_t alarm;
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  sigprocmask(SIG_UNBLOCK, &alarm, NULL);
  setitimer(ITIMER_REAL, &timer, NULL);
}

int sbx_resolver_main(int socket) {
  static struct question question;
  static struct reply reply;
  sbx_signals_reset();
  prctl(PR_SET_NAME, "sbx-resolver", 0, 0, 0);
  ssize_t size = recv(socket, &question, sizeof question, 0);
  const char *at = question.names, *end = (const char *)&question + (size > 0 ? size : 0);
  if (size <= (ssize_t)sizeof question.ms || end[-1]) return 125;
  bound(question.ms);
  for (uint32_t name = 0; at < end && name < SBX_RESOLVER_NAMES; name++, at += strlen(at) + 1) {
    reply.code = resolve(at, name, &reply);
    if (reply.code) reply.count = name;
    if (reply.code) break;
  }
  size_t count = reply.code ? 0 : reply.count;
  size_t whole = offsetof(struct reply, list) + count * sizeof *reply.list;
  return send(socket, &reply, whole, MSG_NOSIGNAL) == (ssize_t)whole ? 0 : 125;
}

/* ---- the host's side ---- */

static int lost(struct sbx_error *err, int code) {
  return sbx_fail(err, SBX_ERROR_SANDBOX, "resolve", code, "no answer");
}

static const struct sbx_record_header *next_name(struct sbx_cursor *cursor) {
  const struct sbx_record_header *header;
  while ((header = sbx_plan_next(cursor)) && header->type != SBX_RECORD_RESOLVE) continue;
  return header;
}

static const char *name_at(const sbx_plan *names, uint32_t index,
                           const struct sbx_resolve_record **record) {
  struct sbx_cursor cursor = sbx_plan_cursor(names);
  const struct sbx_record_header *header = next_name(&cursor);
  while (header && index-- > 0) header = next_name(&cursor);
  if (header) *record = sbx_record_payload(header);
  return header ? sbx_record_string(header, sizeof **record) : NULL;
}

static int send_question(int socket, const sbx_plan *names, int64_t ms, struct sbx_error *err) {
  struct question question = {.ms = ms};
  struct sbx_cursor cursor = sbx_plan_cursor(names);
  const struct sbx_record_header *header;
  size_t used = 0, count = 0;
  while ((header = next_name(&cursor))) {
    const char *name = sbx_record_string(header, sizeof(struct sbx_resolve_record));
    size_t size = strlen(name) + 1;
    if (size > sizeof question.names - used || count++ == SBX_RESOLVER_NAMES)
      return sbx_fail(err, SBX_ERROR_SANDBOX, "resolve", E2BIG, "too many names");
    memcpy(question.names + used, name, size);
    used += size;
  }
  size_t whole = offsetof(struct question, names) + used;
  return send(socket, &question, whole, MSG_NOSIGNAL) < 0 ? lost(err, errno) : 0;
}

static int await_reply(int socket, int64_t until_ns, struct reply *reply, struct sbx_error *err) {
  struct pollfd fd = {socket, POLLIN, 0};
  for (;;) {
    int64_t left = (until_ns - sbx_now() + SBX_MS - 1) / SBX_MS;
    if (left <= 0)
      return sbx_fail(err, SBX_ERROR_SANDBOX, "setup_timeout", ETIMEDOUT,
                      "the step that hung is resolve");
    if (poll(&fd, 1, (int)left) > 0) break;
  }
  ssize_t size = recv(socket, reply, sizeof *reply, MSG_DONTWAIT);
  if (size < (ssize_t)offsetof(struct reply, list)) return lost(err, size < 0 ? errno : EPROTO);
  size_t count = ((size_t)size - offsetof(struct reply, list)) / sizeof *reply->list;
  if (!reply->code && count != reply->count) return lost(err, EPROTO);
  return 0;
}

static int name_failed(const sbx_plan *names, const struct reply *reply, struct sbx_error *err) {
  const struct sbx_resolve_record *record;
  const char *name = name_at(names, reply->count, &record);
  char detail[320];
  snprintf(detail, sizeof detail, "%.255s: %s", name ? name : "?", gai_strerror(reply->code));
  return sbx_fail(err, SBX_ERROR_SANDBOX, "resolve", 0, detail);
}

/* ---- what becomes of it ---- */

/* "address name", a line each; the same name may be listed with many ports. */
static void add_line(char *lines, size_t room, const struct address *address, const char *name) {
  char text[INET6_ADDRSTRLEN], line[INET6_ADDRSTRLEN + 260];
  inet_ntop((int)address->family, address->bytes, text, sizeof text);
  size_t size = (size_t)snprintf(line, sizeof line, "%s %.255s\n", text, name),
         used = strlen(lines);
  if (!strstr(lines, line) && size < room - used) memcpy(lines + used, line, size + 1);
}

static int add_peers(sbx_plan *plan, const sbx_plan *names, const struct reply *reply, char *lines,
                     size_t room) {
  for (uint32_t i = 0; i < reply->count; i++) {
    const struct address *address = &reply->list[i];
    const struct sbx_resolve_record *record = NULL;
    const char *name = name_at(names, address->name, &record);
    if (!name) return -1;
    struct sbx_connect_record peer = {.family = address->family, .port = record->port};
    peer.prefix = address->family == AF_INET ? 32 : 128;
    memcpy(peer.address, address->bytes, sizeof peer.address);
    if (sbx_plan_peer(plan, &peer, name) < 0) return -1;
    add_line(lines, room, address, name);
  }
  return 0;
}

/* A supervisor that was made ahead has a copy of the file as it was by then: another time or size
 * is another plan. */
static uint32_t stamp_of(const struct stat *st) {
  uint64_t stamp = (uint64_t)st->st_mtim.tv_sec * 31 + (uint64_t)st->st_mtim.tv_nsec;
  stamp = stamp * 31 + (uint64_t)st->st_size;
  return (uint32_t)(stamp ^ stamp >> 32);
}

static int add_file(sbx_plan *plan, const struct sbx_record_header *header, const char *lines) {
  struct stat st;
  const char *path = sbx_mount_path(header);
  if (stat(path, &st) < 0) return -1;
  sbx_plan *one = sbx_plan_new();
  struct sbx_mount_record *record = NULL;
  if (one && sbx_plan_mount(one, SBX_MOUNT_NAMES, 0, stamp_of(&st), path, lines) == 0) {
    struct sbx_cursor cursor = sbx_plan_cursor(one);
    record = sbx_plan_copy(plan, sbx_plan_next(&cursor));
  }
  sbx_plan_free(one);
  if (!record) return -1;
  record->dev = st.st_dev;
  record->ino = st.st_ino;
  return 0;
}

static int fill(sbx_plan *plan, const sbx_plan *names, const struct reply *reply) {
  size_t room = (size_t)reply->count * (INET6_ADDRSTRLEN + 260) + 1;
  char *lines = calloc(1, room);
  struct sbx_cursor cursor = sbx_plan_cursor(names);
  const struct sbx_record_header *header;
  int rc = lines ? add_peers(plan, names, reply, lines, room) : -1;
  while (rc == 0 && (header = sbx_plan_next(&cursor)))
    if (header->type == SBX_RECORD_MOUNT) rc = add_file(plan, header, lines);
  free(lines);
  return rc;
}

static sbx_plan *ask(int socket, const sbx_plan *names, const sbx_plan *base, int64_t until_ns,
                     struct reply *reply, struct sbx_error *err) {
  size_t size;
  const void *bytes = sbx_plan_bytes(base, &size);
  if (send_question(socket, names, (until_ns - sbx_now()) / SBX_MS, err) < 0) return NULL;
  if (await_reply(socket, until_ns, reply, err) < 0) return NULL;
  if (reply->code) {
    name_failed(names, reply, err);
    return NULL;
  }
  sbx_plan *plan = sbx_plan_from_bytes(bytes, size, err);
  if (!plan || fill(plan, names, reply) == 0) return plan;
  lost(err, errno);
  sbx_plan_free(plan);
  return NULL;
}

sbx_plan *sbx_resolver_ask(int socket, const sbx_plan *names, const sbx_plan *base,
                           int64_t until_ns, struct sbx_error *err) {
  struct reply *reply = calloc(1, sizeof *reply);
  if (!reply) {
    lost(err, ENOMEM);
    return NULL;
  }
  until_ns = sbx_earlier(until_ns, sbx_deadline(sbx_now(), LONGEST_MS));
  sbx_plan *plan = ask(socket, names, base, until_ns, reply, err);
  free(reply);
  return plan;
}
