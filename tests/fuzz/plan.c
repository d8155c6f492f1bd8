/* Bytes that say they are a plan: refused, or every record can be read within its bounds, and what
 * the builders make of the same values is the same plan. */
#include "fuzz.h"

#include <sys/socket.h>

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, room);
  if (seed % 16) fuzz_mend_plan(data, size, 0, SIZE_MAX);
  return size;
}

/* ---- reading ---- */

static void check_text(const struct sbx_record_header *header, const char *text) {
  const char *end = (const char *)sbx_record_payload(header) + header->size;
  const char *nul = text < end ? memchr(text, 0, (size_t)(end - text)) : NULL;
  MUST(text >= (const char *)sbx_record_payload(header) && nul);
}

static uint32_t word_of(const struct sbx_record_header *header) {
  uint32_t word;
  MUST(header->size == sizeof word);
  memcpy(&word, sbx_record_payload(header), sizeof word);
  return word;
}

/* ---- building again ---- */

static int add_kill(sbx_plan *to, const struct sbx_record_header *header) {
  const struct sbx_kill_record *kill = sbx_record_payload(header);
  const char *cgroup = sbx_record_string(header, sizeof *kill);
  check_text(header, cgroup);
  return sbx_plan_kill(to, (enum sbx_kill)kill->kill, cgroup);
}

static int add_rule(sbx_plan *to, const struct sbx_record_header *header) {
  const struct sbx_rule_record *rule = sbx_record_payload(header);
  const char *path = sbx_record_string(header, sizeof *rule);
  check_text(header, path);
  return sbx_plan_landlock_path(to, path, rule->access, rule->inner != 0);
}

typedef int add_call(sbx_plan *plan, const char *name, int number, int errno_value,
                     const struct sbx_arg *args, unsigned nargs);

static int add_refusal(sbx_plan *to, const struct sbx_record_header *header, add_call *add) {
  const struct sbx_refusal *refusal = sbx_record_payload(header);
  const struct sbx_arg *args = (const struct sbx_arg *)(refusal + 1);
  const char *name = (const char *)(args + refusal->nargs);
  MUST(refusal->nargs <= 6);
  check_text(header, name);
  return add(to, name, refusal->number, refusal->errno_value, args, refusal->nargs);
}

static int add_place(sbx_plan *to, const struct sbx_record_header *header) {
  const struct sbx_place_record *place = sbx_record_payload(header);
  const char *path = sbx_record_string(header, sizeof *place);
  check_text(header, path);
  return sbx_plan_place(to, path, place->handled, place->gives);
}

static int add_mount(sbx_plan *to, const struct sbx_record_header *header) {
  const struct sbx_mount_record *mount = sbx_record_payload(header);
  const char *path = sbx_mount_path(header), *other = sbx_mount_other(header);
  check_text(header, path);
  check_text(header, other);
  MUST(mount->op <= SBX_MOUNT_NAMES && path == other + strlen(other) + 1);
  return sbx_plan_mount(to, (enum sbx_mount)mount->op, mount->flags, mount->mode, path, other);
}

static int add_path(sbx_plan *to, const struct sbx_record_header *header, size_t fixed,
                    int (*add)(sbx_plan *plan, const char *path)) {
  const char *path = sbx_record_string(header, fixed);
  check_text(header, path);
  return add(to, path);
}

static int add_limit(sbx_plan *to, const struct sbx_record_header *header) {
  const struct sbx_rlimit_record *limit = sbx_record_payload(header);
  return sbx_plan_rlimit(to, (int)limit->resource, limit->limit);
}

static int add_ruleset(sbx_plan *to, const struct sbx_record_header *header) {
  const struct sbx_landlock_record *rules = sbx_record_payload(header);
  return sbx_plan_landlock(to, rules->abi, rules->fs, rules->net, rules->scope);
}

static int add_bounds(sbx_plan *to, const struct sbx_record_header *header) {
  struct sbx_bounds bounds;
  MUST(header->size == sizeof bounds);
  memcpy(&bounds, sbx_record_payload(header), sizeof bounds);
  return sbx_plan_bounds(to, &bounds);
}

static int add_reading(sbx_plan *to, const struct sbx_record_header *header) {
  const struct sbx_reading_record *reading = sbx_record_payload(header);
  const char *text = sbx_record_string(header, sizeof *reading);
  check_text(header, text);
  MUST(reading->reading < SBX_READINGS && reading->divided > 0);
  return sbx_plan_group_read(to, (enum sbx_reading)reading->reading, reading->divided, text);
}

static int add_caps(sbx_plan *to, const struct sbx_record_header *header) {
  uint64_t caps;
  memcpy(&caps, sbx_record_payload(header), sizeof caps);
  return sbx_plan_keep_caps(to, caps);
}

static int add_peer(sbx_plan *to, const struct sbx_record_header *header) {
  const struct sbx_connect_record *peer = sbx_record_payload(header);
  const char *name = sbx_record_string(header, sizeof *peer);
  check_text(header, name);
  MUST(peer->family == AF_INET ? peer->prefix <= 32 : peer->family == AF_INET6);
  MUST(peer->prefix <= 128 && peer->port > 0 && peer->port <= 65535);
  return sbx_plan_peer(to, peer, name);
}

static int add_name(sbx_plan *to, const struct sbx_record_header *header) {
  const struct sbx_resolve_record *record = sbx_record_payload(header);
  const char *name = sbx_record_string(header, sizeof *record);
  check_text(header, name);
  return sbx_plan_resolve(to, name, record->port);
}

static int add_connecting(sbx_plan *to, const struct sbx_record_header *header) {
  struct sbx_connecting_record record;
  MUST(header->size == sizeof record);
  memcpy(&record, sbx_record_payload(header), sizeof record);
  return sbx_plan_connecting(to, record.wait_ms, record.ask_ms);
}

static int add_record(sbx_plan *to, const struct sbx_record_header *header) {
  switch (header->type) {
  case SBX_RECORD_NAMESPACES: return sbx_plan_namespaces(to, word_of(header));
  case SBX_RECORD_FLAGS: return sbx_plan_flags(to, word_of(header));
  case SBX_RECORD_KEEP_CAPS: return add_caps(to, header);
  case SBX_RECORD_KILL: return add_kill(to, header);
  case SBX_RECORD_RLIMIT: return add_limit(to, header);
  case SBX_RECORD_LANDLOCK: return add_ruleset(to, header);
  case SBX_RECORD_LANDLOCK_PATH: return add_rule(to, header);
  case SBX_RECORD_MOUNT: return add_mount(to, header);
  case SBX_RECORD_SOCKET:
    return add_path(to, header, sizeof(struct sbx_socket_record), sbx_plan_socket);
  case SBX_RECORD_JOURNAL: return add_path(to, header, sizeof(uint64_t), sbx_plan_journal);
  case SBX_RECORD_BOUNDS: return add_bounds(to, header);
  case SBX_RECORD_GROUP: return add_path(to, header, sizeof(uint64_t), sbx_plan_group);
  case SBX_RECORD_GROUP_SET: return add_path(to, header, sizeof(uint64_t), sbx_plan_group_set);
  case SBX_RECORD_GROUP_READ: return add_reading(to, header);
  case SBX_RECORD_CONNECT: return add_peer(to, header);
  case SBX_RECORD_RESOLVE: return add_name(to, header);
  case SBX_RECORD_CONNECTING: return add_connecting(to, header);
  case SBX_RECORD_REFUSE: return add_refusal(to, header, sbx_plan_refuse);
  case SBX_RECORD_WATCH: return add_refusal(to, header, sbx_plan_watch);
  case SBX_RECORD_PLACE: return add_place(to, header);
  default: MUST(!"a record of no known type was let through");
  }
  return -1;
}

static sbx_plan *rebuild(const sbx_plan *plan) {
  sbx_plan *to = sbx_plan_new();
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *header;
  MUST(to);
  while ((header = sbx_plan_next(&cursor))) MUST(add_record(to, header) == 0);
  MUST(cursor.at == cursor.end);
  return to;
}

/* ---- promises ---- */

static void check_same(const sbx_plan *a, const sbx_plan *b) {
  size_t size_a, size_b;
  const void *bytes_a = sbx_plan_bytes(a, &size_a), *bytes_b = sbx_plan_bytes(b, &size_b);
  MUST(size_a == size_b && memcmp(bytes_a, bytes_b, size_a) == 0);
}

static sbx_plan *decode_again(const sbx_plan *plan) {
  size_t size;
  const void *bytes = sbx_plan_bytes(plan, &size);
  sbx_plan *again = sbx_plan_from_bytes(bytes, size, NULL);
  MUST(again);
  check_same(plan, again);
  return again;
}

static void check_copies(const sbx_plan *plan) {
  sbx_plan *copy = sbx_plan_new();
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *header;
  MUST(copy);
  while ((header = sbx_plan_next(&cursor))) {
    const void *payload = sbx_plan_copy(copy, header);
    MUST(payload && memcmp(payload, sbx_record_payload(header), header->size) == 0);
  }
  sbx_plan_free(decode_again(copy));
  sbx_plan_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct sbx_error err = {0};
  sbx_plan *plan = sbx_plan_from_bytes(data, size, &err);
  if (!plan) {
    MUST(err.kind == SBX_ERROR_INVALID_INPUT && strcmp(err.step, "plan") == 0 && *err.message);
    return 0;
  }
  size_t kept;
  MUST(memcmp(sbx_plan_bytes(plan, &kept), data, size) == 0 && kept == size);
  sbx_plan *built = rebuild(plan), *again = decode_again(built), *twice = rebuild(again);
  check_same(built, twice);
  check_copies(plan);
  sbx_plan_free(twice);
  sbx_plan_free(again);
  sbx_plan_free(built);
  sbx_plan_free(plan);
  return 0;
}
