#include "engine/sight.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/memory.h"
#include "engine/notice.h"
#include "layers/capabilities.h"

/* Newer than Debian's headers (Linux 6.6). */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#define SYNC_WAKE_UP 1UL

/* So many calls wake who answers, and who is answered, on one processor: the shortest way, which
 * counts in a short command. Later it would keep two jobs at a time out of each other's way no
 * more: make -j2 took 5 % longer. */
#define SYNC_CALLS 16

/* Of the stack: two looks at paths in buffers of PATH_MAX, one below the other, take 26 KiB. */
#define STACK_TOUCHED (32 * 1024)

/* ---- what the looks share ---- */

/* False where who called is gone. */
static bool read_who(const struct sbx_look *look, struct sbx_who *who) {
  sbx_who_read(who, (pid_t)look->call->pid);
  return who->pid && sbx_notice_is_valid(look->sight->broker->listener, look->call->id);
}

uint64_t sbx_look_arg(const struct sbx_look *look, int arg) {
  return arg == SBX_NO_ARG ? 0 : look->call->data.args[arg];
}

void sbx_look_unread(const struct sbx_look *look) {
  struct sbx_who who;
  if (read_who(look, &who)) sbx_refused_unread(&look->sight->refused, &who, look->call->data.nr);
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
  if (found.code != 0 && read_who(look, &who)) sbx_refused_add(&look->sight->refused, &seen, &who);
}

/* ---- one call ---- */

static void note_exit(const struct sbx_look *look) {
  struct sbx_who who;
  if (read_who(look, &who))
    sbx_refused_failure(&look->sight->refused, &who, (int)(look->call->data.args[0] & 0xff));
}

static void look_at(const struct sbx_look *look) {
  switch (look->form ? look->form->kind : SBX_CALL_OTHER) {
  case SBX_CALL_EXIT: note_exit(look); break;
  case SBX_CALL_OTHER:
  case SBX_CALL_TARGET:
  case SBX_CALL_ADDRESS:
  case SBX_CALL_OPTION:
  case SBX_CALL_SOCKET: sbx_look_other(look); break;
  default: sbx_look_file(look);
  }
}

static void serve_call(struct sbx_sight *sight, const struct seccomp_notif *call) {
  int *listener = &sight->broker->listener;
  const struct sbx_rule *rule = sbx_rules_find(&sight->rules, &call->data);
  struct sbx_look look = {sight, call, rule, rule ? rule->form : NULL};
  if (!rule) { /* the filter looks less closely: by no rule anything is in its way */
    sbx_notice_go_on(listener, call->id);
  } else if (rule->value == SBX_ON_BEHALF && !sbx_look_unlisted(&look)) {
    sbx_broker_call(sight->broker, call);
  } else if (rule->value == SBX_ON_BEHALF) {
    sbx_notice_answer(listener, call->id, EACCES);
  } else {
    look_at(&look);
    if (rule->value == SBX_CONTINUE)
      sbx_notice_go_on(listener, call->id);
    else
      sbx_notice_answer(listener, call->id, rule->value);
  }
}

void sbx_sight_tell(struct sbx_sight *sight) {
  if (sight->refused.changed) sbx_refused_tell(&sight->refused, sight->control, false);
}

/* What a worker was told no to, by its own copy of the address. */
static void note_denied(void *context, const struct sbx_question *denied) {
  struct sbx_sight *sight = context;
  char text[64];
  struct sbx_who who;
  struct sbx_seen seen = {.operation = SBX_OP_CONNECT,
                          .by = SBX_BY_SUPERVISOR,
                          .code = EACCES,
                          .call = SYS_connect,
                          .path = text};
  sbx_who_read(&who, denied->pid);
  snprintf(text, sizeof text, denied->family == AF_INET6 ? "[%s]:%d" : "%s:%d", denied->address,
           denied->port);
  if (who.pid && sbx_notice_is_valid(sight->broker->listener, denied->id))
    sbx_refused_add(&sight->refused, &seen, &who);
}

/* Before Linux 6.6 it is as the kernel likes. */
static void wake_on_same_processor(const struct sbx_sight *sight, bool same) {
  ioctl(sight->broker->listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, same ? SYNC_WAKE_UP : 0UL);
}

void sbx_sight_serve(struct sbx_sight *sight, short events) {
  union sbx_notice taken;
  if (!(events & POLLIN)) {
    sbx_broker_hung_up(sight->broker, events);
    return;
  }
  if (!sbx_notice_take(sight->broker->listener, &taken)) return;
  if (++sight->taken == SYNC_CALLS) wake_on_same_processor(sight, false);
  serve_call(sight, &taken.call);
  sbx_sight_tell(sight);
}

/* ---- the whole ---- */

static bool keeps(uint64_t capabilities, const char *name) {
  return capabilities & UINT64_C(1) << sbx_capability(name);
}

int sbx_sight_plan(struct sbx_sight *sight, const sbx_plan *plan, uint64_t kept_capabilities) {
  if (sbx_rules_open(&sight->rules, plan) < 0) return -1;
  sbx_places_read(&sight->judge.places, plan);
  sight->judge.uid = geteuid();
  sight->judge.lost_power = sight->judge.uid == 0 && !(keeps(kept_capabilities, "dac_override") &&
                                                       keeps(kept_capabilities, "fowner"));
  sight->planned = true;
  return 0;
}

/* A fork's first touch of a page is a fault. */
static __attribute__((noinline)) void touch_stack(void) {
  char bytes[STACK_TOUCHED];
  explicit_bzero(bytes, sizeof bytes);
}

void sbx_sight_settle(struct sbx_sight *sight) {
  sbx_rules_read(&sight->rules);
  sbx_known_touch(&sight->known);
  touch_stack();
}

void sbx_sight_open(struct sbx_sight *sight, struct sbx_broker *broker) {
  sight->broker = broker;
  broker->denied = note_denied;
  broker->context = sight;
  wake_on_same_processor(sight, true);
  sight->open = true;
}

void sbx_sight_close(struct sbx_sight *sight) {
  if (sight->open) sbx_refused_tell_last(&sight->refused, sight->control);
}
