/* Whether the sandbox refuses what a call is about to do to a file, by facts of the kernel: is it
 * there, would plain permissions do, is its mount read-only, what does Landlock give. What would
 * fail without a sandbox, too, is no refusal. */
#ifndef SBX_JUDGE_H
#define SBX_JUDGE_H

#include "engine/places.h"
#include "engine/resolve.h"

struct sbx_judge {
  struct sbx_places places;
  uid_t uid;
  bool lost_power; /* root without root's power: what it lacks by that is the sandbox's doing */
};

struct sbx_refusal_seen {
  int code; /* errno; 0: nothing is refused by the sandbox */
  enum sbx_refuser by;
};

/* A name that is made, or (gone) taken away, in what was found. */
struct sbx_refusal_seen sbx_judge_make(const struct sbx_judge *judge, const struct sbx_found *at);
struct sbx_refusal_seen sbx_judge_remove(const struct sbx_judge *judge, const struct sbx_found *at);
/* What is there is written or read. */
struct sbx_refusal_seen sbx_judge_write(const struct sbx_judge *judge, const struct sbx_found *at);
struct sbx_refusal_seen sbx_judge_read(const struct sbx_judge *judge, const struct sbx_found *at);
/* Its metadata are changed; by_writing: who may write may. */
struct sbx_refusal_seen sbx_judge_change(const struct sbx_judge *judge, const struct sbx_found *at,
                                         bool by_writing);
/* What is there gets a second name elsewhere. */
struct sbx_refusal_seen sbx_judge_refer(const struct sbx_judge *judge, const struct sbx_found *at);
/* The way to it ended early. */
struct sbx_refusal_seen sbx_judge_way(const struct sbx_judge *judge, const struct sbx_found *at);
bool sbx_judge_same_mount(int a, int b);
bool sbx_judge_is_directory(int fd);

#endif
