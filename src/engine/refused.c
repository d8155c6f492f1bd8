#include "engine/refused.h"

#include <stdlib.h>
#include <string.h>

/* ---- one entry ---- */

static size_t put(char **at, const char **into, const char *text) {
  size_t size = strlen(text) + 1;
  memcpy(*at, text, size);
  *into = *at;
  *at += size;
  return size;
}

/* Its strings are copied into a block of its own. */
static bool fill(struct sbx_kept *kept, const struct sbx_seen *seen, const char *program) {
  const char *path = seen->path ? seen->path : "", *target = seen->target ? seen->target : "";
  char *text = malloc(strlen(program) + strlen(path) + strlen(target) + 3);
  if (!text) return false;
  free(kept->text);
  kept->seen = *seen;
  kept->text = text;
  put(&text, &kept->seen.program, program);
  put(&text, &kept->seen.path, path);
  put(&text, &kept->seen.target, target);
  kept->used = true;
  return true;
}

static void note(struct sbx_refused *refused, struct sbx_kept *kept) {
  kept->changed = refused->changed = true;
}

/* ---- refusals ---- */

static uint32_t mix(uint32_t hash, const void *bytes, size_t size) {
  const unsigned char *at = bytes;
  for (size_t i = 0; i < size; i++) hash = (hash ^ at[i]) * 16777619u; /* FNV-1a */
  return hash;
}

static uint32_t hash_of(const struct sbx_seen *seen) {
  uint32_t hash = mix(2166136261u, &seen->operation, sizeof seen->operation);
  hash = mix(hash, &seen->code, sizeof seen->code);
  hash = mix(hash, seen->path, strlen(seen->path) + 1);
  return mix(hash, seen->target, strlen(seen->target));
}

static bool is_same(const struct sbx_seen *a, const struct sbx_seen *b) {
  return a->operation == b->operation && a->code == b->code && strcmp(a->path, b->path) == 0 &&
         strcmp(a->target, b->target) == 0;
}

/* Where a call is all that there is to tell, another is another. */
static bool is_call(const struct sbx_seen *a, const struct sbx_seen *b) {
  return *a->path || a->call == b->call;
}

static struct sbx_kept *find(struct sbx_refused *refused, const struct sbx_seen *seen,
                             uint32_t hash) {
  for (size_t i = 0; i < refused->count; i++) {
    struct sbx_kept *kept = &refused->list[i];
    if (kept->used && kept->hash == hash && is_same(&kept->seen, seen) &&
        is_call(&kept->seen, seen))
      return kept;
  }
  return NULL;
}

/* The first stays, and of the rest the latest, in their order: the one that the command failed by
 * came late. */
static void add_pid(struct sbx_seen *seen, int32_t pid) {
  for (size_t i = 0; i < SBX_SEEN_PIDS; i++) {
    if (seen->pids[i] == pid) return;
    if (seen->pids[i] != 0) continue;
    seen->pids[i] = pid;
    return;
  }
  memmove(&seen->pids[1], &seen->pids[2], (SBX_SEEN_PIDS - 2) * sizeof *seen->pids);
  seen->pids[SBX_SEEN_PIDS - 1] = pid;
}

static void drop(struct sbx_refused *refused, uint64_t count) {
  struct sbx_kept *kept = &refused->list[SBX_REFUSED_DROPPED];
  struct sbx_seen seen = {.kind = SBX_SEEN_DROPPED};
  if (!kept->used && !fill(kept, &seen, "")) return;
  kept->seen.count += count;
  note(refused, kept);
}

/* The first half stays, and of the rest the latest: what came first must not hide what came last.
 * Those are told at the end, not one by one: a command can be refused something new for ever. */
static struct sbx_kept *next_slot(struct sbx_refused *refused) {
  size_t half = SBX_REFUSED_KEPT / 2;
  if (refused->count < SBX_REFUSED_KEPT) return &refused->list[refused->count++];
  struct sbx_kept *kept = &refused->list[half + refused->replaced++ % half];
  drop(refused, kept->seen.count);
  kept->told = true;
  return kept;
}

static struct sbx_kept *keep(struct sbx_refused *refused, const struct sbx_seen *seen,
                             const struct sbx_who *who, uint32_t hash) {
  struct sbx_kept *kept = next_slot(refused);
  if (!fill(kept, seen, who->program)) return NULL;
  kept->seen.kind = SBX_SEEN_REFUSED;
  kept->seen.pid = who->pid;
  kept->seen.ppid = who->parent;
  kept->seen.first = refused->order;
  kept->hash = hash;
  return kept;
}

void sbx_refused_add(struct sbx_refused *refused, const struct sbx_seen *seen,
                     const struct sbx_who *who) {
  struct sbx_seen whole = *seen;
  if (!whole.path) whole.path = "";
  if (!whole.target) whole.target = "";
  uint32_t hash = hash_of(&whole);
  struct sbx_kept *kept = find(refused, &whole, hash);
  refused->order++;
  if (!kept && !(kept = keep(refused, &whole, who, hash))) {
    drop(refused, 1);
    return;
  }
  kept->seen.count++;
  kept->seen.last = refused->order;
  add_pid(&kept->seen, who->pid);
  note(refused, kept);
}

/* ---- the rest ---- */

void sbx_refused_failure(struct sbx_refused *refused, const struct sbx_who *who, int code) {
  size_t slot = SBX_REFUSED_KEPT + refused->failures++ % SBX_REFUSED_FAILURES;
  struct sbx_seen seen = {
      .kind = SBX_SEEN_FAILED, .code = code, .pid = who->pid, .ppid = who->parent, .count = 1};
  seen.first = seen.last = ++refused->order;
  if (fill(&refused->list[slot], &seen, who->program)) note(refused, &refused->list[slot]);
}

void sbx_refused_unread(struct sbx_refused *refused, const struct sbx_who *who, int call) {
  struct sbx_kept *kept = &refused->list[SBX_REFUSED_UNREAD];
  struct sbx_seen seen = {
      .kind = SBX_SEEN_UNREAD, .call = call, .pid = who->pid, .ppid = who->parent};
  seen.first = refused->order + 1;
  if (!kept->used && !fill(kept, &seen, who->program)) return;
  kept->seen.count++;
  kept->seen.last = ++refused->order;
  note(refused, kept);
}
