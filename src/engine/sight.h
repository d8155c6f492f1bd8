/* The supervisor's side of a watch: takes each call that the filter hands over, notes what will be
 * refused, and answers. "Continue" is the answer only where the plan says so: to calls that a layer
 * of the kernel enforces, whatever another thread makes of the memory that was looked at
 * (security.md 18). */
#ifndef SBX_SIGHT_H
#define SBX_SIGHT_H

#include "engine/broker.h"
#include "engine/judge.h"
#include "engine/known.h"
#include "engine/refused.h"
#include "engine/rules.h"

struct sbx_sight {
  bool planned, open;
  uint64_t taken;            /* calls */
  struct sbx_broker *broker; /* has the listener, and what is on behalf */
  struct sbx_rules rules;
  struct sbx_judge judge;
  struct sbx_known known;
  struct sbx_refused refused;
  int control; /* to the host */
};

/* A call as it is looked at. */
struct sbx_look {
  struct sbx_sight *sight;
  const struct seccomp_notif *call;
  const struct sbx_rule *rule;
  const struct sbx_call_form *form;
};

/* Takes the plan's rules and places. Made ahead, it must be the very bytes that the request will
 * bring (spare.c compares them), and outlive the sight. 0, or -1 and errno. */
int sbx_sight_plan(struct sbx_sight *sight, const sbx_plan *plan, uint64_t kept_capabilities);
/* Ahead of a command: does what its first call would wait for. */
void sbx_sight_settle(struct sbx_sight *sight);
/* The broker has its listener. */
void sbx_sight_open(struct sbx_sight *sight, struct sbx_broker *broker);
/* After poll(2) said so. */
void sbx_sight_serve(struct sbx_sight *sight, short events);
/* What is new, to the host. */
void sbx_sight_tell(struct sbx_sight *sight);
/* All that the host wasn't told yet. */
void sbx_sight_close(struct sbx_sight *sight);

/* look_file.c, look_other.c: note what the call is going to be refused. */
void sbx_look_file(const struct sbx_look *look);
void sbx_look_other(const struct sbx_look *look);
/* Whether an address is on nobody's list: refused with what the server would never see. */
bool sbx_look_unlisted(const struct sbx_look *look);
/* Notes a refusal; code 0: nothing. */
void sbx_look_note(const struct sbx_look *look, enum sbx_operation operation,
                   struct sbx_refusal_seen found, const char *path, const char *target);
/* Counts a call that can't be looked at. */
void sbx_look_unread(const struct sbx_look *look);
/* Memory of the caller that can't be read is counted so: false. */
bool sbx_look_text(const struct sbx_look *look, int arg, char *text, size_t size);
uint64_t sbx_look_arg(const struct sbx_look *look, int arg);

#endif
