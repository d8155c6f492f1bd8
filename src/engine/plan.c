#include "engine/plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "engine/error.h"

#define PLAN_MAGIC 0x32786273u /* "sbx2" */
#define PLAN_MAX (16u << 20)

#define KNOWN_NAMESPACES                                                                           \
  (SBX_NS_USER | SBX_NS_MOUNT | SBX_NS_PID | SBX_NS_NET | SBX_NS_IPC | SBX_NS_UTS)
#define KNOWN_FLAGS (SBX_FLAG_NOT_AHEAD * 2u - 1u)
#define KNOWN_MOUNT_FLAGS (SBX_MOUNT_AHEAD * 2u - 1u)

struct plan_header {
  uint32_t magic, size; /* size of the whole arena */
};

struct sbx_plan {
  char *bytes;
  size_t size, room;
};

static size_t aligned(size_t size) {
  return (size + 7) & ~(size_t)7;
}

static int reserve(sbx_plan *plan, size_t more) {
  if (more > PLAN_MAX - plan->size) {
    errno = E2BIG;
    return -1;
  }
  size_t room = plan->room ? plan->room : 1024;
  while (room < plan->size + more) room *= 2;
  if (room == plan->room) return 0;
  char *bytes = realloc(plan->bytes, room);
  if (!bytes) return -1;
  plan->bytes = bytes;
  plan->room = room;
  return 0;
}

/* Appends one record: a fixed part, a second part, and a string (NULL: none). */
static int append(sbx_plan *plan, uint32_t type, const void *fixed, size_t fixed_size,
                  const void *more, size_t more_size, const char *text) {
  size_t text_size = text ? strlen(text) + 1 : 0;
  size_t size = fixed_size + more_size + text_size;
  size_t total = sizeof(struct sbx_record_header) + aligned(size);
  if (reserve(plan, total) < 0) return -1;
  char *at = plan->bytes + plan->size;
  memset(at, 0, total);
  struct sbx_record_header header = {type, (uint32_t)size};
  memcpy(at, &header, sizeof header);
  at += sizeof header;
  memcpy(at, fixed, fixed_size);
  if (more_size) memcpy(at + fixed_size, more, more_size);
  if (text_size) memcpy(at + fixed_size + more_size, text, text_size);
  plan->size += total;
  struct plan_header *head = (struct plan_header *)plan->bytes;
  head->size = (uint32_t)plan->size;
  return 0;
}

sbx_plan *sbx_plan_new(void) {
  sbx_plan *plan = calloc(1, sizeof *plan);
  if (!plan || reserve(plan, sizeof(struct plan_header)) < 0) {
    free(plan);
    return NULL;
  }
  struct plan_header header = {PLAN_MAGIC, sizeof header};
  memcpy(plan->bytes, &header, sizeof header);
  plan->size = sizeof header;
  return plan;
}

void sbx_plan_free(sbx_plan *plan) {
  if (!plan) return;
  free(plan->bytes);
  free(plan);
}

int sbx_plan_namespaces(sbx_plan *plan, uint32_t namespaces) {
  return append(plan, SBX_RECORD_NAMESPACES, &namespaces, sizeof namespaces, NULL, 0, NULL);
}

int sbx_plan_flags(sbx_plan *plan, uint32_t flags) {
  return append(plan, SBX_RECORD_FLAGS, &flags, sizeof flags, NULL, 0, NULL);
}

int sbx_plan_keep_caps(sbx_plan *plan, uint64_t caps) {
  return append(plan, SBX_RECORD_KEEP_CAPS, &caps, sizeof caps, NULL, 0, NULL);
}

int sbx_plan_kill(sbx_plan *plan, enum sbx_kill kill, const char *cgroup) {
  struct sbx_kill_record record = {.kill = kill};
  return append(plan, SBX_RECORD_KILL, &record, sizeof record, NULL, 0, cgroup ? cgroup : "");
}

int sbx_plan_rlimit(sbx_plan *plan, int resource, uint64_t limit) {
  struct sbx_rlimit_record record = {.resource = (uint32_t)resource, .limit = limit};
  return append(plan, SBX_RECORD_RLIMIT, &record, sizeof record, NULL, 0, NULL);
}

int sbx_plan_landlock(sbx_plan *plan, uint32_t abi, uint64_t fs, uint64_t net, uint64_t scope) {
  struct sbx_landlock_record record = {.abi = abi, .fs = fs, .net = net, .scope = scope};
  return append(plan, SBX_RECORD_LANDLOCK, &record, sizeof record, NULL, 0, NULL);
}

int sbx_plan_landlock_path(sbx_plan *plan, const char *path, uint64_t access, bool inner) {
  struct sbx_rule_record record = {.access = access, .inner = inner};
  return append(plan, SBX_RECORD_LANDLOCK_PATH, &record, sizeof record, NULL, 0, path);
}

int sbx_plan_mount(sbx_plan *plan, enum sbx_mount op, uint32_t flags, uint32_t mode,
                   const char *path, const char *other) {
  if (!other) other = "";
  uint32_t skip = (uint32_t)strlen(other) + 1;
  struct sbx_mount_record record = {.op = op, .flags = flags, .mode = mode, .path = skip};
  return append(plan, SBX_RECORD_MOUNT, &record, sizeof record, other, skip, path);
}

int sbx_plan_journal(sbx_plan *plan, const char *directory) {
  uint64_t none = 0;
  return append(plan, SBX_RECORD_JOURNAL, &none, sizeof none, NULL, 0, directory);
}

int sbx_plan_socket(sbx_plan *plan, const char *path) {
  struct sbx_socket_record record = {0};
  return append(plan, SBX_RECORD_SOCKET, &record, sizeof record, NULL, 0, path);
}

int sbx_plan_bounds(sbx_plan *plan, const struct sbx_bounds *bounds) {
  return append(plan, SBX_RECORD_BOUNDS, bounds, sizeof *bounds, NULL, 0, NULL);
}

static int append_text(sbx_plan *plan, uint32_t type, const char *text) {
  uint64_t none = 0;
  return append(plan, type, &none, sizeof none, NULL, 0, text);
}

int sbx_plan_group(sbx_plan *plan, const char *directory) {
  return append_text(plan, SBX_RECORD_GROUP, directory);
}

int sbx_plan_group_set(sbx_plan *plan, const char *text) {
  return append_text(plan, SBX_RECORD_GROUP_SET, text);
}

int sbx_plan_group_read(sbx_plan *plan, enum sbx_reading reading, uint32_t divided,
                        const char *text) {
  struct sbx_reading_record record = {.reading = reading, .divided = divided};
  return append(plan, SBX_RECORD_GROUP_READ, &record, sizeof record, NULL, 0, text);
}

int sbx_plan_peer(sbx_plan *plan, const struct sbx_connect_record *peer, const char *name) {
  return append(plan, SBX_RECORD_CONNECT, peer, sizeof *peer, NULL, 0, name);
}

static bool is_peer_sane(const struct sbx_connect_record *peer) {
  uint32_t bits = peer->family == AF_INET ? 32 : 128;
  return (peer->family == AF_INET || peer->family == AF_INET6) && peer->prefix <= bits &&
         peer->port > 0 && peer->port <= UINT16_MAX;
}

int sbx_plan_connect(sbx_plan *plan, const char *address, unsigned prefix, unsigned port) {
  struct sbx_connect_record peer = {.family = AF_INET, .prefix = prefix, .port = port};
  if (inet_pton(AF_INET, address, peer.address) != 1) peer.family = AF_INET6;
  bool known = peer.family == AF_INET || inet_pton(AF_INET6, address, peer.address) == 1;
  errno = EINVAL;
  return known && is_peer_sane(&peer) ? sbx_plan_peer(plan, &peer, "") : -1;
}

int sbx_plan_resolve(sbx_plan *plan, const char *name, unsigned port) {
  struct sbx_resolve_record record = {.port = port};
  errno = EINVAL;
  if (!*name || port == 0 || port > UINT16_MAX) return -1;
  return append(plan, SBX_RECORD_RESOLVE, &record, sizeof record, NULL, 0, name);
}

int sbx_plan_connecting(sbx_plan *plan, unsigned wait_ms, unsigned ask_ms) {
  struct sbx_connecting_record record = {.wait_ms = wait_ms, .ask_ms = ask_ms};
  return append(plan, SBX_RECORD_CONNECTING, &record, sizeof record, NULL, 0, NULL);
}

void *sbx_plan_copy(sbx_plan *plan, const struct sbx_record_header *header) {
  size_t at = plan->size;
  if (append(plan, header->type, sbx_record_payload(header), header->size, NULL, 0, NULL) < 0)
    return NULL;
  return plan->bytes + at + sizeof *header;
}

static int append_call(sbx_plan *plan, uint32_t type, const char *name, int number, int errno_value,
                       const struct sbx_arg *args, unsigned nargs) {
  if (nargs > 6) {
    errno = EINVAL;
    return -1;
  }
  struct sbx_refusal record = {.number = number, .errno_value = errno_value, .nargs = nargs};
  return append(plan, type, &record, sizeof record, args, nargs * sizeof *args, name ? name : "");
}

int sbx_plan_refuse(sbx_plan *plan, const char *name, int number, int errno_value,
                    const struct sbx_arg *args, unsigned nargs) {
  return append_call(plan, SBX_RECORD_REFUSE, name, number, errno_value, args, nargs);
}

int sbx_plan_watch(sbx_plan *plan, const char *name, int number, int errno_value,
                   const struct sbx_arg *args, unsigned nargs) {
  return append_call(plan, SBX_RECORD_WATCH, name, number, errno_value, args, nargs);
}

int sbx_plan_place(sbx_plan *plan, const char *path, uint32_t handled, uint32_t gives) {
  struct sbx_place_record record = {.handled = handled, .gives = gives};
  return append(plan, SBX_RECORD_PLACE, &record, sizeof record, NULL, 0, path);
}

const void *sbx_plan_bytes(const sbx_plan *plan, size_t *size) {
  *size = plan->size;
  return plan->bytes;
}

struct sbx_cursor sbx_plan_cursor(const sbx_plan *plan) {
  return (struct sbx_cursor){plan->bytes + sizeof(struct plan_header), plan->bytes + plan->size};
}

const struct sbx_record_header *sbx_plan_next(struct sbx_cursor *cursor) {
  size_t left = (size_t)(cursor->end - cursor->at);
  const struct sbx_record_header *header = (const struct sbx_record_header *)cursor->at;
  if (left < sizeof *header || header->size > left - sizeof *header) return NULL;
  size_t step = sizeof *header + aligned(header->size);
  cursor->at = step > left ? cursor->end : cursor->at + step;
  return header;
}

const void *sbx_record_payload(const struct sbx_record_header *header) {
  return header + 1;
}

const char *sbx_mount_other(const struct sbx_record_header *header) {
  return sbx_record_string(header, sizeof(struct sbx_mount_record));
}

const char *sbx_mount_path(const struct sbx_record_header *header) {
  const struct sbx_mount_record *record = sbx_record_payload(header);
  return sbx_record_string(header, sizeof *record + record->path);
}

const char *sbx_record_string(const struct sbx_record_header *header, size_t fixed) {
  return (const char *)(header + 1) + fixed;
}

/* ---- bytes from elsewhere: nothing is trusted ---- */

static bool is_text(const struct sbx_record_header *header, size_t fixed) {
  if (header->size <= fixed) return false;
  const char *text = sbx_record_string(header, fixed);
  return memchr(text, 0, header->size - fixed) == text + (header->size - fixed - 1);
}

/* Two strings: the first ends right before `path`, the second with the record. */
static bool is_mount(const struct sbx_record_header *header) {
  const struct sbx_mount_record *record = sbx_record_payload(header);
  if (header->size <= sizeof *record || record->op > SBX_MOUNT_NAMES) return false;
  if (record->flags & ~KNOWN_MOUNT_FLAGS) return false;
  const char *texts = (const char *)(record + 1);
  size_t size = header->size - sizeof *record;
  if (record->path == 0 || record->path >= size) return false;
  return memchr(texts, 0, size) == texts + record->path - 1 &&
         memchr(texts + record->path, 0, size - record->path) == texts + size - 1;
}

static bool is_refusal(const struct sbx_record_header *header) {
  const struct sbx_refusal *refusal = sbx_record_payload(header);
  if (header->size < sizeof *refusal || refusal->nargs > 6) return false;
  return is_text(header, sizeof *refusal + refusal->nargs * sizeof(struct sbx_arg));
}

static bool is_reading(const struct sbx_record_header *header) {
  const struct sbx_reading_record *record = sbx_record_payload(header);
  return is_text(header, sizeof *record) && record->reading < SBX_READINGS && record->divided > 0;
}

static bool is_peer(const struct sbx_record_header *header) {
  const struct sbx_connect_record *record = sbx_record_payload(header);
  return is_text(header, sizeof *record) && is_peer_sane(record);
}

static bool is_name(const struct sbx_record_header *header) {
  const struct sbx_resolve_record *record = sbx_record_payload(header);
  return is_text(header, sizeof *record) && *sbx_record_string(header, sizeof *record) &&
         record->port > 0 && record->port <= UINT16_MAX;
}

/* A bit that this version doesn't know would be a layer that is not applied. */
static bool has_only(const struct sbx_record_header *header, uint32_t known) {
  uint32_t bits;
  if (header->size != sizeof bits) return false;
  memcpy(&bits, sbx_record_payload(header), sizeof bits);
  return !(bits & ~known);
}

static bool is_valid(const struct sbx_record_header *header) {
  switch (header->type) {
  case SBX_RECORD_NAMESPACES: return has_only(header, KNOWN_NAMESPACES);
  case SBX_RECORD_FLAGS: return has_only(header, KNOWN_FLAGS);
  case SBX_RECORD_KEEP_CAPS: return header->size == sizeof(uint64_t);
  case SBX_RECORD_KILL: return is_text(header, sizeof(struct sbx_kill_record));
  case SBX_RECORD_RLIMIT: return header->size == sizeof(struct sbx_rlimit_record);
  case SBX_RECORD_LANDLOCK: return header->size == sizeof(struct sbx_landlock_record);
  case SBX_RECORD_LANDLOCK_PATH: return is_text(header, sizeof(struct sbx_rule_record));
  case SBX_RECORD_MOUNT: return is_mount(header);
  case SBX_RECORD_SOCKET: return is_text(header, sizeof(struct sbx_socket_record));
  case SBX_RECORD_JOURNAL:
  case SBX_RECORD_GROUP:
  case SBX_RECORD_GROUP_SET: return is_text(header, sizeof(uint64_t));
  case SBX_RECORD_GROUP_READ: return is_reading(header);
  case SBX_RECORD_BOUNDS: return header->size == sizeof(struct sbx_bounds);
  case SBX_RECORD_PLACE: return is_text(header, sizeof(struct sbx_place_record));
  case SBX_RECORD_CONNECT: return is_peer(header);
  case SBX_RECORD_RESOLVE: return is_name(header);
  case SBX_RECORD_CONNECTING: return header->size == sizeof(struct sbx_connecting_record);
  case SBX_RECORD_WATCH:
  case SBX_RECORD_REFUSE: return is_refusal(header);
  default: return false;
  }
}

static bool all_valid(const sbx_plan *plan) {
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  while (cursor.at < cursor.end) {
    const struct sbx_record_header *header = sbx_plan_next(&cursor);
    if (!header || !is_valid(header)) return false;
  }
  return true;
}

sbx_plan *sbx_plan_from_bytes(const void *bytes, size_t size, struct sbx_error *err) {
  struct plan_header header = {0};
  if (size >= sizeof header) memcpy(&header, bytes, sizeof header);
  if (header.magic != PLAN_MAGIC || header.size != size || size > PLAN_MAX) {
    sbx_fail(err, SBX_ERROR_INVALID_INPUT, "plan", 0, "not a plan of this version");
    return NULL;
  }
  sbx_plan *plan = sbx_plan_new();
  if (!plan || reserve(plan, size) < 0) {
    sbx_fail(err, SBX_ERROR_SANDBOX, "plan", ENOMEM, NULL);
    sbx_plan_free(plan);
    return NULL;
  }
  memcpy(plan->bytes, bytes, size);
  plan->size = size;
  if (all_valid(plan)) return plan;
  sbx_fail(err, SBX_ERROR_INVALID_INPUT, "plan", 0, "damaged");
  sbx_plan_free(plan);
  return NULL;
}
