/* A plan in memory: one flat arena of records, position-independent, so that it can be handed to
 * another process as it is. Every reader goes through sbx_plan_next(), which checks bounds. */
#ifndef SBX_PLAN_H
#define SBX_PLAN_H

#include "sbx.h"

enum sbx_record {
  SBX_RECORD_NAMESPACES = 1, /* u32 */
  SBX_RECORD_FLAGS,          /* u32 */
  SBX_RECORD_KEEP_CAPS,      /* u64 */
  SBX_RECORD_KILL,           /* u32, string (cgroup directory, may be empty) */
  SBX_RECORD_RLIMIT,         /* u32 resource, u64 limit */
  SBX_RECORD_LANDLOCK,       /* u32 abi, u64 fs, net, scope */
  SBX_RECORD_LANDLOCK_PATH,  /* struct sbx_rule_record, string */
  SBX_RECORD_REFUSE,         /* struct sbx_refusal, args, string (name, may be empty) */
  SBX_RECORD_MOUNT,          /* struct sbx_mount_record, string (other, may be empty), string */
  SBX_RECORD_JOURNAL,        /* u64 0, string */
  SBX_RECORD_SOCKET,         /* struct sbx_socket_record, string */
  SBX_RECORD_BOUNDS,         /* struct sbx_bounds */
  SBX_RECORD_GROUP,          /* u64 0, string */
  SBX_RECORD_GROUP_SET,      /* u64 0, string */
  SBX_RECORD_GROUP_READ,     /* struct sbx_reading_record, string */
  SBX_RECORD_WATCH,          /* as SBX_RECORD_REFUSE; the supervisor answers */
  SBX_RECORD_PLACE,          /* struct sbx_place_record, string */
  SBX_RECORD_CONNECT,        /* struct sbx_connect_record, string (its name, may be empty) */
  SBX_RECORD_RESOLVE,        /* struct sbx_resolve_record, string */
  SBX_RECORD_CONNECTING,     /* struct sbx_connecting_record */
};

struct sbx_record_header {
  uint32_t type;
  uint32_t size; /* of the payload; the next record starts at the next multiple of 8 */
};

struct sbx_kill_record {
  uint32_t kill, reserved;
};

struct sbx_rlimit_record {
  uint32_t resource, reserved;
  uint64_t limit;
};

struct sbx_landlock_record {
  uint32_t abi, reserved;
  uint64_t fs, net, scope;
};

/* dev, ino: filled when the plan is compiled; ino 0: whatever is at the path by then. */
struct sbx_rule_record {
  uint64_t access, dev, ino;
  uint32_t inner, reserved;
};

struct sbx_mount_record {
  uint64_t dev, ino;
  uint32_t op, flags, mode;
  uint32_t path; /* offset of the path behind the fixed part: after `other` */
};

/* dev, ino: filled when the plan is compiled. A path alone would be whatever is moved there. */
struct sbx_socket_record {
  uint64_t dev, ino;
};

/* address: in network order; of IPv4 the first four bytes. */
struct sbx_connect_record {
  uint8_t address[16];
  uint32_t family, prefix, port, reserved;
};

struct sbx_resolve_record {
  uint32_t port, reserved;
};

struct sbx_connecting_record {
  uint32_t wait_ms, ask_ms;
};

struct sbx_reading_record {
  uint32_t reading, divided;
};

struct sbx_place_record {
  uint32_t handled, gives; /* enum sbx_place */
};

/* Of a watched call the number is filled when the plan is compiled. */
struct sbx_refusal {
  int32_t number, errno_value;
  uint32_t nargs, reserved;
};

struct sbx_cursor {
  const char *at, *end;
};

struct sbx_cursor sbx_plan_cursor(const sbx_plan *plan);
/* The next record's header, or NULL at the end. The payload follows it. */
const struct sbx_record_header *sbx_plan_next(struct sbx_cursor *cursor);
const void *sbx_record_payload(const struct sbx_record_header *header);
/* The string that ends a record whose fixed part has this size; it was checked to be terminated. */
const char *sbx_record_string(const struct sbx_record_header *header, size_t fixed);
const char *sbx_mount_path(const struct sbx_record_header *header);
const char *sbx_mount_other(const struct sbx_record_header *header);
/* Appends an address with the name that it was resolved from. */
int sbx_plan_peer(sbx_plan *plan, const struct sbx_connect_record *peer, const char *name);
/* Appends a copy of a record: its payload, until the next is appended, or NULL and errno. */
void *sbx_plan_copy(sbx_plan *plan, const struct sbx_record_header *header);

#endif
