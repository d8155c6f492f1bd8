/* What a watch has seen, on its way to the host: several in one message, and never more on the way
 * than leaves room for what the job itself has to say. */
#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "engine/clock.h"
#include "engine/refused.h"
#include "engine/wire.h"

/* Of the some 200 KB that a socket holds. */
#define ON_THE_WAY_MAX (96 * 1024)
#define LAST_MS 500
#define PAUSE_NS 1000000

struct message {
  struct sbx_report report;
  char bytes[SBX_WIRE_SEEN_MAX];
  size_t size;
  struct sbx_kept *kept[SBX_REFUSED_ALL]; /* that are in it */
  size_t count;
};

static char *put(char *at, const char *text, size_t size) {
  memcpy(at, text, size);
  return at + size;
}

/* False: there is no room for it. What could never have room is not kept to begin with: the three
 * strings have bounds of their own. */
static bool add(struct message *message, struct sbx_kept *kept, size_t number) {
  const struct sbx_seen *seen = &kept->seen;
  size_t program = strlen(seen->program) + 1, path = strlen(seen->path) + 1;
  size_t target = strlen(seen->target) + 1;
  size_t size = (sizeof(struct sbx_wire_seen) + program + path + target + 7) & ~(size_t)7;
  if (size > sizeof message->bytes - message->size) return false;
  char *at = message->bytes + message->size;
  struct sbx_wire_seen head = {(uint32_t)size,
                               (uint32_t)number,
                               seen->kind,
                               seen->operation,
                               seen->by,
                               seen->code,
                               seen->call,
                               seen->pid,
                               seen->ppid,
                               {0},
                               0,
                               seen->count,
                               seen->first,
                               seen->last};
  memcpy(head.pids, seen->pids, sizeof head.pids);
  memset(at, 0, size);
  at = put(at, (const char *)&head, sizeof head);
  put(put(put(at, seen->program, program), seen->path, path), seen->target, target);
  message->size += size;
  message->kept[message->count++] = kept;
  return true;
}

static bool has_room(int socket) {
  int waiting = 0;
  return ioctl(socket, SIOCOUTQ, &waiting) == 0 && waiting < ON_THE_WAY_MAX;
}

static bool send_off(struct message *message, int socket) {
  struct iovec iov[2] = {{&message->report, sizeof message->report},
                         {message->bytes, message->size}};
  struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
  if (message->count == 0) return true;
  if (!has_room(socket) || sendmsg(socket, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) return false;
  for (size_t i = 0; i < message->count; i++) {
    message->kept[i]->changed = false;
    message->kept[i]->told = true;
  }
  message->size = message->count = 0;
  return true;
}

bool sbx_refused_tell(struct sbx_refused *refused, int socket, bool all) {
  static struct message message;
  if (!refused->changed) return true;
  message.report = (struct sbx_report){.type = SBX_REPORT_SEEN};
  message.size = message.count = 0;
  for (size_t i = 0; i < SBX_REFUSED_ALL; i++) {
    struct sbx_kept *kept = &refused->list[i];
    bool due = all || (!kept->told && kept->seen.kind == SBX_SEEN_REFUSED);
    if (!kept->used || !kept->changed || !due) continue;
    if (add(&message, kept, i)) continue;
    if (!send_off(&message, socket)) return false;
    add(&message, kept, i);
  }
  if (!send_off(&message, socket)) return false;
  if (all) refused->changed = false;
  return true;
}

/* A host that has stopped reading is not waited for: it has what it has read. */
void sbx_refused_tell_last(struct sbx_refused *refused, int socket) {
  const struct timespec pause = {0, PAUSE_NS};
  int64_t until = sbx_deadline(sbx_now(), LAST_MS);
  while (!sbx_refused_tell(refused, socket, true) && sbx_now() < until) nanosleep(&pause, NULL);
}
