#include "engine/sight.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "engine/memory.h"
#include "layers/capabilities.h"
#include "layers/descriptors.h"

/* Newer than Debian's headers (Linux 6.6): who is answered runs at once, where the answer was made.
 */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#define SYNC_WAKE_UP 1UL

/* ---- answers ---- */

static void answer(const struct sbx_sight *sight, uint64_t id, int code, bool go_on) {
  struct seccomp_notif_resp response = {
      .id = id, .error = -code, .flags = go_on ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0};
  ioctl(sight->broker->listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

/* The number of a process that has ended may be another's by now. */
static bool is_valid(const struct sbx_sight *sight, uint64_t id) {
  return ioctl(sight->broker->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

/* ---- what the looks share ---- */

uint64_t sbx_look_arg(const struct sbx_look *look, int arg) {
  return arg == SBX_NO_ARG ? 0 : look->call->data.args[arg];
}

void sbx_look_unread(const struct sbx_look *look) {
  struct sbx_who who;
  sbx_who_read(&who, (pid_t)look->call->pid);
  if (who.pid && is_valid(look->sight, look->call->id))
    sbx_refused_unread(&look->sight->refused, &who, look->call->data.nr);
}

bool sbx_look_text(const struct sbx_look *look, int arg, char *text, size_t size) {
  int code = sbx_memory_text((pid_t)look->call->pid, sbx_look_arg(look, arg), text, size);
  if (code && code != ENAMETOOLONG) sbx_look_unread(look); /* a bad address is no refusal, either */
  return code == 0;
}

void sbx_look_note(const struct sbx_look *look, enum sbx_operation operation,
                   struct sbx_refusal_seen found, const char *path, const char *target) {
  struct sbx_who who;
  struct sbx_seen seen = {.operation = operation,
                          .by = found.by,
                          .code = found.code,
                          .call = look->call->data.nr,
                          .path = path,
                          .target = target};
  if (found.code == 0) return;
  sbx_who_read(&who, (pid_t)look->call->pid);
  if (who.pid && is_valid(look->sight, look->call->id))
    sbx_refused_add(&look->sight->refused, &seen, &who);
}

/* ---- one call ---- */

static void note_exit(const struct sbx_look *look) {
  struct sbx_who who;
  sbx_who_read(&who, (pid_t)look->call->pid);
  if (who.pid && is_valid(look->sight, look->call->id))
    sbx_refused_failure(&look->sight->refused, &who, (int)(look->call->data.args[0] & 0xff));
}

static void look_at(const struct sbx_look *look) {
  switch (look->form ? look->form->kind : SBX_CALL_OTHER) {
  case SBX_CALL_EXIT: note_exit(look); break;
  case SBX_CALL_OTHER:
  case SBX_CALL_TARGET:
  case SBX_CALL_ADDRESS:
  case SBX_CALL_SOCKET: sbx_look_other(look); break;
  default: sbx_look_file(look);
  }
}

static void serve_call(struct sbx_sight *sight, const struct seccomp_notif *call) {
  const struct sbx_rule *rule = sbx_rules_find(&sight->rules, &call->data);
  struct sbx_look look = {sight, call, rule, rule ? rule->form : NULL};
  if (!rule) { /* the filter looks less closely: by no rule anything is in its way */
    answer(sight, call->id, 0, true);
  } else if (rule->value == SBX_ON_BEHALF && !sbx_look_unlisted(&look)) {
    sbx_broker_call(sight->broker, call);
  } else if (rule->value == SBX_ON_BEHALF) {
    answer(sight, call->id, EACCES, false);
  } else {
    look_at(&look);
    answer(sight, call->id, rule->value, rule->value == SBX_CONTINUE);
  }
}

void sbx_sight_serve(struct sbx_sight *sight, short events) {
  union {
    struct seccomp_notif call;
    char room[512]; /* a newer kernel's may be larger */
  } taken;
  if (!(events & POLLIN)) { /* nobody is left who could call */
    sbx_fd_close(&sight->broker->listener);
    return;
  }
  memset(&taken, 0, sizeof taken);
  if (ioctl(sight->broker->listener, SECCOMP_IOCTL_NOTIF_RECV, &taken.call) < 0) return;
  serve_call(sight, &taken.call);
  if (sight->refused.changed) sbx_refused_tell(&sight->refused, sight->control, false);
}

/* ---- the whole ---- */

static bool keeps(uint64_t capabilities, const char *name) {
  return capabilities & UINT64_C(1) << sbx_capability(name);
}

int sbx_sight_open(struct sbx_sight *sight, struct sbx_broker *broker, const sbx_plan *plan,
                   uint64_t kept_capabilities) {
  uint64_t flags = SYNC_WAKE_UP;
  sight->broker = broker;
  if (sbx_rules_read(&sight->rules, plan) < 0) return -1;
  sbx_places_read(&sight->judge.places, plan);
  sight->judge.uid = geteuid();
  sight->judge.lost_power = sight->judge.uid == 0 && !(keeps(kept_capabilities, "dac_override") &&
                                                       keeps(kept_capabilities, "fowner"));
  ioctl(broker->listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, flags);
  sight->open = true;
  return 0;
}

void sbx_sight_close(struct sbx_sight *sight) {
  if (sight->open) sbx_refused_tell_last(&sight->refused, sight->control);
}
