#include "engine/seen.h"

#include <stdlib.h>
#include <string.h>

#include "engine/wire.h"

struct sbx_seen_slot {
  struct sbx_wire_seen head;
  bool waits;
  char text[]; /* three strings */
};

/* The length of the string at *at with its NUL byte; 0: it doesn't end. */
static size_t take_text(const char **at, const char *end) {
  const char *nul = memchr(*at, 0, (size_t)(end - *at));
  size_t size = nul ? (size_t)(nul - *at) + 1 : 0;
  *at += size;
  return size;
}

static size_t texts_size(const char *at, const char *end) {
  const char *from = at;
  for (int i = 0; i < 3; i++)
    if (take_text(&at, end) == 0) return 0;
  return (size_t)(at - from);
}

static bool is_known(const struct sbx_wire_seen *head) {
  return head->number < SBX_SEEN_MAX && head->kind < SBX_SEEN_KINDS &&
         head->operation < SBX_OPERATIONS && head->by < SBX_REFUSERS;
}

/* A later one takes the place of an earlier: it was told already. */
static void put(struct sbx_seen_list *list, const struct sbx_wire_seen *head, const char *text,
                size_t size) {
  struct sbx_seen_slot *slot = malloc(sizeof *slot + size);
  struct sbx_seen_slot *old = list->slots[head->number];
  if (!slot) return;
  slot->head = *head;
  memcpy(slot->text, text, size);
  slot->waits = old ? old->waits : head->kind == SBX_SEEN_REFUSED;
  if (!old && slot->waits) list->waiting++;
  free(old);
  list->slots[head->number] = slot;
}

bool sbx_seen_take(struct sbx_seen_list *list, const char *bytes, size_t size) {
  const char *end = bytes + size;
  while (bytes < end) {
    struct sbx_wire_seen head;
    size_t left = (size_t)(end - bytes);
    if (left < sizeof head) return false;
    memcpy(&head, bytes, sizeof head);
    if (head.size < sizeof head || head.size > left || head.size % 8 || !is_known(&head))
      return false;
    size_t texts = texts_size(bytes + sizeof head, bytes + head.size);
    if (texts == 0) return false;
    put(list, &head, bytes + sizeof head, texts);
    bytes += head.size;
  }
  return true;
}

bool sbx_seen_next(struct sbx_seen_list *list, size_t *number) {
  for (size_t i = 0; list->waiting > 0 && i < SBX_SEEN_MAX; i++) {
    if (!list->slots[i] || !list->slots[i]->waits) continue;
    list->slots[i]->waits = false;
    list->waiting--;
    *number = i;
    return true;
  }
  return false;
}

bool sbx_seen_waits(const struct sbx_seen_list *list) {
  return list->waiting > 0;
}

bool sbx_seen_get(const struct sbx_seen_list *list, size_t number, struct sbx_seen *seen) {
  if (number >= SBX_SEEN_MAX || !list->slots[number]) return false;
  const struct sbx_wire_seen *head = &list->slots[number]->head;
  const char *program = list->slots[number]->text, *path = program + strlen(program) + 1;
  *seen = (struct sbx_seen){head->kind,  head->operation,
                            head->by,    head->code,
                            head->call,  head->pid,
                            head->ppid,  {0},
                            head->count, head->first,
                            head->last,  program,
                            path,        path + strlen(path) + 1};
  memcpy(seen->pids, head->pids, sizeof seen->pids);
  return true;
}

void sbx_seen_free(struct sbx_seen_list *list) {
  for (size_t i = 0; i < SBX_SEEN_MAX; i++) {
    free(list->slots[i]);
    list->slots[i] = NULL;
  }
  list->waiting = 0;
}
