/* sbx.h - the C interface of libsbx: transform, spawn, step, kill, probe.
 *
 * A plan says which layers a command runs under; sbx_sandbox_new() compiles it (nothing of it can
 * fail later for a reason known now); sbx_spawn() starts a job in it; sbx_job_step() and
 * sbx_job_pump() take its output; sbx_job_kill() ends its whole tree. Nothing is global: no signal
 * handler, no SIGCHLD, no thread; an engine and its jobs belong to one thread at a time.
 *
 * Functions that can fail return 0 or a pointer on success and -1 or NULL on failure; those that
 * take a struct sbx_error fill it (it may be NULL), the others set errno (ENOMEM, E2BIG for a plan
 * of more than 16 MiB, EINVAL). Strings in a plan or request are copied. */
#ifndef SBX_H
#define SBX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SBX_VERSION "0.1.0"

#if defined(__GNUC__)
#define SBX_API __attribute__((visibility("default")))
#else
#define SBX_API
#endif

/* ---- errors ---- */

enum sbx_error_kind {
  SBX_ERROR_NONE,
  SBX_ERROR_INVALID_INPUT, /* data that can't be run */
  SBX_ERROR_SPAWN,         /* the command could not be started */
  SBX_ERROR_SANDBOX,       /* a layer could not be applied in full; the command did not run */
};

struct sbx_error {
  enum sbx_error_kind kind;
  int code;          /* errno, or 0 */
  char step[32];     /* which step failed: "execve", "landlock", ... */
  char message[384]; /* one readable line */
};

/* ---- plan: plain data, one flat arena of bytes ---- */

typedef struct sbx_plan sbx_plan;

enum sbx_namespace { /* bits for sbx_plan_namespaces() */
                     SBX_NS_USER = 1,
                     SBX_NS_MOUNT = 2,
                     SBX_NS_PID = 4,
                     SBX_NS_NET = 8,
                     SBX_NS_IPC = 16,
                     SBX_NS_UTS = 32,
};

enum sbx_kill { SBX_KILL_SUBREAPER, SBX_KILL_PIDNS, SBX_KILL_CGROUP };

enum sbx_flag {                            /* bits for sbx_plan_flags() */
                SBX_FLAG_PROC = 1,         /* mount a fresh /proc */
                SBX_FLAG_LOOPBACK = 2,     /* bring lo up in the new network namespace */
                SBX_FLAG_NO_NEW_PRIVS = 4, /* PR_SET_NO_NEW_PRIVS */
                SBX_FLAG_KEYRING = 8,      /* join a new session keyring */
                SBX_FLAG_DROP_CAPS = 16,   /* drop every capability but those kept */
                /* The Landlock rules are made inside, after the mounts: they cover file systems
                 * that only this job has. */
                SBX_FLAG_INNER_RULES = 32,
                SBX_FLAG_MAP_ALL = 64,    /* user namespace: every id as itself (root only) */
                SBX_FLAG_NOT_AHEAD = 128, /* nothing of it is made before it is asked for */
};

enum sbx_mount {                      /* what sbx_plan_mount() adds; in the order of the plan */
                 SBX_MOUNT_SEAL,      /* the mount at path read-only, nosuid, nodev */
                 SBX_MOUNT_BIND,      /* what was at path before, on itself again */
                 SBX_MOUNT_HIDE,      /* over path: an empty directory, or a node without access */
                 SBX_MOUNT_TMPFS,     /* an empty file system of its own */
                 SBX_MOUNT_DEVPTS,    /* pseudo terminals of its own */
                 SBX_MOUNT_DEVICE,    /* the node at path, in a file system of its own */
                 SBX_MOUNT_SYMLINK,   /* a link to other */
                 SBX_MOUNT_DIRECTORY, /* an empty directory to mount on */
                 SBX_MOUNT_FILE,      /* an empty file to mount on */
                 SBX_MOUNT_NAMES,     /* the file at path, read-only, and before what it has a
                                       * line for each name that was resolved (hosts(5)) */
};

enum sbx_mount_flag {
  SBX_MOUNT_WRITABLE = 1,
  SBX_MOUNT_RECURSIVE = 2,   /* SEAL: and all mounts below */
  SBX_MOUNT_WATCHED = 4,     /* the run ends when somebody outside takes away what is there */
  SBX_MOUNT_PLACEHOLDER = 8, /* BIND: where nothing is, an empty directory for the run */
  SBX_MOUNT_ONTO = 16,       /* BIND: onto a directory or file that an earlier entry made */
  SBX_MOUNT_AHEAD = 32,      /* may be made before the policy's own paths are known; these first */
};

/* What the supervisor holds the tree to by looking at it now and then; 0: nothing. */
struct sbx_bounds {
  uint64_t memory_bytes; /* of all together: ended past it */
  uint64_t cpu_us;       /* likewise */
  uint64_t tasks;        /* processes and threads: another layer refuses more, this is told */
  uint64_t files;        /* descriptors of one process: likewise */
  uint64_t tasks_ended;  /* processes and threads: ended past it */
  uint64_t pid_max;      /* written for the job's own PID namespace (Linux 6.14: it has one) */
  uint64_t last_pid;     /* likewise: the id after which the next is looked for */
  uint64_t tmpfs_bytes;  /* size of each file system of the job's own */
};

enum sbx_bound { /* which it was; 1 << bound in a set */
                 SBX_BOUND_NONE,
                 SBX_BOUND_MEMORY,
                 SBX_BOUND_CPU,
                 SBX_BOUND_TASKS,
                 SBX_BOUND_FILES,
                 SBX_BOUND_OUTPUT,
};

enum sbx_reading { /* what a file of a control group tells */
                   SBX_READING_MEMORY_PEAK,
                   SBX_READING_MEMORY_KILLS,
                   SBX_READING_REFUSED_TASKS,
                   SBX_READING_CPU,
                   SBX_READINGS,
};

enum sbx_place { /* bits for sbx_plan_place() */
                 SBX_PLACE_READ = 1,
                 SBX_PLACE_WRITE = 2, /* what is there */
                 SBX_PLACE_MAKE = 4,  /* names made and removed */
};

enum sbx_compare { SBX_EQ, SBX_NE, SBX_LT, SBX_LE, SBX_GT, SBX_GE, SBX_MASKED_EQ };

struct sbx_arg { /* one comparison of a system call's argument; all of a rule must hold */
  uint32_t index;
  uint32_t op;
  uint64_t a; /* the value; for SBX_MASKED_EQ the mask */
  uint64_t b; /* for SBX_MASKED_EQ the value */
};

SBX_API sbx_plan *sbx_plan_new(void);
SBX_API void sbx_plan_free(sbx_plan *plan);
SBX_API int sbx_plan_namespaces(sbx_plan *plan, uint32_t namespaces);
SBX_API int sbx_plan_flags(sbx_plan *plan, uint32_t flags);
SBX_API int sbx_plan_keep_caps(sbx_plan *plan, uint64_t caps);
SBX_API int sbx_plan_kill(sbx_plan *plan, enum sbx_kill kill, const char *cgroup);
SBX_API int sbx_plan_rlimit(sbx_plan *plan, int resource, uint64_t limit);
SBX_API int sbx_plan_landlock(sbx_plan *plan, uint32_t abi, uint64_t fs, uint64_t net,
                              uint64_t scope);
/* inner: path is of a file system that only the job has (SBX_FLAG_INNER_RULES). */
SBX_API int sbx_plan_landlock_path(sbx_plan *plan, const char *path, uint64_t access, bool inner);
/* other: a link's target, the node that hides a file; or NULL. mode: of a TMPFS. */
SBX_API int sbx_plan_mount(sbx_plan *plan, enum sbx_mount op, uint32_t flags, uint32_t mode,
                           const char *path, const char *other);
/* A socket that connect(2) on behalf may reach. */
SBX_API int sbx_plan_socket(sbx_plan *plan, const char *path);
/* Where a connect(2) on behalf may lead: an IPv4 or IPv6 address in text, the bits of it that
 * count, a port. errno EINVAL for what is none. */
SBX_API int sbx_plan_connect(sbx_plan *plan, const char *address, unsigned prefix, unsigned port);
/* The same for the addresses that a name has when a job starts. */
SBX_API int sbx_plan_resolve(sbx_plan *plan, const char *name, unsigned port);
/* How long a connect on behalf may take (a socket that blocks), and how long the host has to
 * decide on an address that is not listed; 0: it is not asked, that is refused. */
SBX_API int sbx_plan_connecting(sbx_plan *plan, unsigned wait_ms, unsigned ask_ms);
/* Where placeholders are written down before they are made: a directory of the user's own. The
 * first of those given that can be had is used. */
SBX_API int sbx_plan_journal(sbx_plan *plan, const char *directory);
SBX_API int sbx_plan_bounds(sbx_plan *plan, const struct sbx_bounds *bounds);
/* A control group of the job's own below a directory; what follows is about the last one. */
SBX_API int sbx_plan_group(sbx_plan *plan, const char *directory);
/* "file value", or "?file value" where the file may be missing. */
SBX_API int sbx_plan_group_set(sbx_plan *plan, const char *text);
/* "file", or "file word": the number there, divided, is this. */
SBX_API int sbx_plan_group_read(sbx_plan *plan, enum sbx_reading reading, uint32_t divided,
                                const char *text);
/* Instead of an errno: the supervisor makes the call, for what the plan lists. Only connect(2). */
#define SBX_ON_BEHALF (-1)

/* A refusal: the call named (or numbered, with name NULL) returns errno_value. Of the rules for one
 * call only one may go on to another argument from other than equality (SBX_NE, SBX_LT, SBX_LE,
 * SBX_GE, SBX_GT): libseccomp 2.5.4 may not come back from a second one. */
SBX_API int sbx_plan_refuse(sbx_plan *plan, const char *name, int number, int errno_value,
                            const struct sbx_arg *args, unsigned nargs);
/* Instead of an errno: the call goes on to what enforces, and the supervisor tells what is refused
 * there. */
#define SBX_CONTINUE 0
/* A call that the supervisor sees (SBX_EVENT_SEEN): one that goes on (SBX_CONTINUE), one that it
 * answers with errno_value, one on behalf. Calls of a starting command can't be watched. */
SBX_API int sbx_plan_watch(sbx_plan *plan, const char *name, int number, int errno_value,
                           const struct sbx_arg *args, unsigned nargs);
/* What Landlock gives below a path, for who watches; handled: what it takes elsewhere. */
SBX_API int sbx_plan_place(sbx_plan *plan, const char *path, uint32_t handled, uint32_t gives);
SBX_API const void *sbx_plan_bytes(const sbx_plan *plan, size_t *size);
/* Checks bytes that came from elsewhere. err->kind INVALID_INPUT. */
SBX_API sbx_plan *sbx_plan_from_bytes(const void *bytes, size_t size, struct sbx_error *err);
/* Names to bits and numbers; 0 or -1 where there is none. */
SBX_API uint64_t sbx_landlock_fs_right(const char *name);
SBX_API uint64_t sbx_landlock_net_right(const char *name);
SBX_API uint64_t sbx_landlock_scope(const char *name);
SBX_API int sbx_capability(const char *name);
SBX_API int sbx_rlimit(const char *name);

/* ---- engine and sandbox ---- */

typedef struct sbx_engine sbx_engine;
typedef struct sbx_sandbox sbx_sandbox;

/* helper: path of the program under its helper name (sbx-exec); NULL: the calling program forks
 * its supervisors itself (only for a program with one thread). */
SBX_API sbx_engine *sbx_engine_new(const char *helper);
SBX_API void sbx_engine_free(sbx_engine *engine);
/* A command comes sooner or later: what can be made ahead for one like the last is begun, beside
 * what the host does until then. */
SBX_API void sbx_engine_expect(sbx_engine *engine);
/* Whether what is at a real path is a placeholder of this engine: for it, nothing is there. */
SBX_API bool sbx_engine_placeholder(const sbx_engine *engine, const char *path, uint64_t dev,
                                    uint64_t ino);

/* Compiles a plan: rulesets and filters that jobs share. err->kind SANDBOX, step "landlock",
 * "seccomp", ...: this kernel can't hold it in full. */
SBX_API sbx_sandbox *sbx_sandbox_new(const sbx_plan *plan, struct sbx_error *err);
/* The same, sooner: the filter of another (or NULL) is copied where the refusals are the same. */
SBX_API sbx_sandbox *sbx_sandbox_new_like(const sbx_plan *plan, const sbx_sandbox *like,
                                          struct sbx_error *err);
SBX_API void sbx_sandbox_free(sbx_sandbox *sandbox);

/* ---- jobs ---- */

typedef struct sbx_job sbx_job;

enum sbx_stdio { SBX_STDIO_DEFAULT, SBX_STDIO_PIPE, SBX_STDIO_FD };

#define SBX_UNLIMITED UINT64_MAX

struct sbx_request {
  const char *const *argv;   /* NULL-terminated */
  const char *arg0;          /* argv[0] as the command sees it, or NULL */
  const char *cwd;           /* absolute, or NULL */
  const char *const *env;    /* NULL-terminated "NAME=value"; complete */
  enum sbx_stdio stdin_mode; /* default: /dev/null */
  int stdin_fd;
  int stdout_fd, stderr_fd; /* -1: captured */
  bool merge_stderr;
  bool live;                 /* sbx_job_step() gives output as it comes */
  int64_t timeout_ms;        /* -1: none; from execve */
  int64_t idle_timeout_ms;   /* -1: none */
  int64_t kill_grace_ms;     /* 0: SIGKILL at once */
  int64_t drain_ms;          /* for those who hold the output after the end */
  int64_t setup_timeout_ms;  /* up to execve */
  uint64_t max_output_bytes; /* kept of a stream; SBX_UNLIMITED: all */
  uint64_t end_output_bytes; /* of both streams together: ended past it; 0: never */
};

enum sbx_event {
  SBX_EVENT_NONE,
  SBX_EVENT_OUTPUT,
  SBX_EVENT_EOF,
  SBX_EVENT_END,
  SBX_EVENT_SEEN /* *size: the number of what was seen, for sbx_job_seen() */
};
enum sbx_stream { SBX_STDOUT, SBX_STDERR, SBX_AGGREGATED };

enum sbx_operation {
  SBX_OP_OTHER,
  SBX_OP_READ,
  SBX_OP_WRITE,
  SBX_OP_CREATE,
  SBX_OP_DELETE,
  SBX_OP_RENAME,
  SBX_OP_LINK,
  SBX_OP_METADATA,
  SBX_OP_EXECUTE,
  SBX_OP_CONNECT,
  SBX_OP_BIND,
  SBX_OP_SEND,
  SBX_OP_SOCKET,
  SBX_OP_SIGNAL,
  SBX_OP_MOUNT,
  SBX_OPERATIONS
};

enum sbx_refuser { /* what refuses */
                   SBX_BY_NOTHING,
                   SBX_BY_MOUNT,  /* it is read-only */
                   SBX_BY_PIN,    /* something is mounted there */
                   SBX_BY_HIDING, /* the mount shows nothing */
                   SBX_BY_LANDLOCK,
                   SBX_BY_CAPABILITIES, /* root would be allowed to */
                   SBX_BY_FILTER,
                   SBX_BY_SUPERVISOR,
                   SBX_BY_NETWORK, /* the namespace */
                   SBX_REFUSERS
};

enum sbx_seen_kind {
  SBX_SEEN_REFUSED, /* an access */
  SBX_SEEN_FAILED,  /* a process that exited with another code than 0 */
  SBX_SEEN_UNREAD,  /* count: calls whose memory or file system can't be looked at */
  SBX_SEEN_DROPPED, /* count: refusals beyond those that are kept */
  SBX_SEEN_KINDS
};

#define SBX_SEEN_PIDS 8
#define SBX_SEEN_MAX 384 /* their numbers are below */

struct sbx_seen { /* equal ones are counted, not repeated */
  uint32_t kind, operation, by;
  int32_t code; /* errno, or the exit's */
  int32_t call; /* number of the system call */
  int32_t pid, ppid;
  int32_t pids[SBX_SEEN_PIDS];         /* of those that did it: the first, and the latest */
  uint64_t count, first, last;         /* first, last: places in the order of all that was seen */
  const char *program, *path, *target; /* path: or an address; "" where there is none */
};

enum sbx_ending {
  SBX_ENDED_EXIT,
  SBX_ENDED_SIGNAL,
  SBX_ENDED_TIMEOUT,
  SBX_ENDED_CANCELLED,
  SBX_ENDED_IDLE,
  SBX_ENDED_SUPERVISOR, /* the supervisor was lost */
  SBX_ENDED_PROTECT,    /* a protected path was taken away from outside */
  SBX_ENDED_BOUND,      /* one of its bounds */
};

enum sbx_measure {                        /* how a figure was had */
                   SBX_MEASURE_WAITED,    /* from what was waited for (getrusage(2)) */
                   SBX_MEASURE_SAMPLED,   /* of the tree, now and then */
                   SBX_MEASURE_GROUP,     /* by a control group */
                   SBX_MEASURE_NAMESPACE, /* the ids that a PID namespace gave out */
};

struct sbx_usage { /* -1: not known */
  int64_t user_us, system_us, max_rss_bytes;
  int64_t voluntary_switches, involuntary_switches, processes;
  int64_t read_bytes, written_bytes;                 /* by calls, whatever they went to */
  int64_t storage_read_bytes, storage_written_bytes; /* to and from block devices */
  uint32_t memory_measure, processes_measure;        /* enum sbx_measure */
};

struct sbx_result {
  enum sbx_ending ending;
  int exit_code; /* 124 timed out, 137 cancelled, 128 + n died of signal n */
  int signal;    /* 0: none */
  double duration_ms, setup_ms;
  int64_t leftover;
  pid_t inner_pid; /* of the command, as what was seen numbers it */
  struct sbx_usage usage;
  uint64_t dropped[3];  /* bytes left out, by stream */
  char detail[224];     /* SBX_ENDED_PROTECT: the path */
  enum sbx_bound bound; /* SBX_ENDED_BOUND: which */
  uint32_t reached;     /* 1 << enum sbx_bound: where something was refused, or may have been */
};

/* Everything captured whole, no time-outs, stdin from /dev/null; argv and env are still to be set.
 */
SBX_API void sbx_request_init(struct sbx_request *request);
/* Starts a job; returns once execve has succeeded or failed. err->kind: INVALID_INPUT (an empty
 * command), SPAWN (step "execve", "chdir", "descriptors" ...), SANDBOX (step: the layer). */
SBX_API sbx_job *sbx_spawn(sbx_engine *engine, const sbx_sandbox *sandbox,
                           const struct sbx_request *request, struct sbx_error *err);
/* The command's pid as the calling process sees it. */
SBX_API pid_t sbx_job_pid(const sbx_job *job);
/* One non-blocking turn. For OUTPUT, *text and *size hold until the next call. */
SBX_API enum sbx_event sbx_job_step(sbx_job *job, enum sbx_stream *stream, const char **text,
                                    size_t *size);
/* Waits until a step would do something: 1; 0 after ms (-1: for ever); -1 when interrupted. */
SBX_API int sbx_job_poll(sbx_job *job, int64_t ms);
/* Steps until the end (1); 0 after ms, when interrupted, or when live output waits. */
SBX_API int sbx_job_pump(sbx_job *job, int64_t ms);
SBX_API int sbx_job_pollfd(sbx_job *job); /* one descriptor for event loops, or -1 and errno */
SBX_API int64_t sbx_job_timeout(const sbx_job *job); /* ms until step is due, -1: none */
SBX_API void sbx_job_live(sbx_job *job, bool live);
/* What the supervisor asks: may this address be connected to? Whoever doesn't answer in time has
 * said no. */
struct sbx_question {
  uint64_t id;
  int32_t pid; /* who asks, by its number in the job's own PID namespace, where it has one */
  uint16_t family, port;
  char address[48];
  char program[16]; /* as the process calls itself: it can be any text */
  char host[256];   /* the listed name that has this address, or empty */
};

/* The next question, once sbx_job_step() or sbx_job_poll() has seen it; false: none waits. */
SBX_API bool sbx_job_question(sbx_job *job, struct sbx_question *question);
SBX_API void sbx_job_answer(sbx_job *job, uint64_t id, bool yes);
/* Queues input, never blocks and raises no SIGPIPE: 0, or -1 and errno (EPIPE, ENOMEM). */
SBX_API int sbx_job_write(sbx_job *job, const void *data, size_t size);
SBX_API void sbx_job_close_stdin(sbx_job *job); /* once all that is queued is written */
/* Ends the whole tree: SIGKILL, after SIGTERM and grace_ms where that is above 0. */
SBX_API void sbx_job_kill(sbx_job *job, int64_t grace_ms);
/* To the command alone: 0, or -1 and errno (ESRCH: it has ended; EINVAL: no such signal). */
SBX_API int sbx_job_signal(sbx_job *job, int signal);
/* To the command's process group, as a terminal does. */
SBX_API int sbx_job_signal_group(sbx_job *job, int signal);
SBX_API bool sbx_job_ended(const sbx_job *job);
SBX_API const struct sbx_result *sbx_job_result(const sbx_job *job); /* NULL before the end */
/* The bytes kept of a stream, in one piece; owned by the job. */
SBX_API const char *sbx_job_output(sbx_job *job, enum sbx_stream stream, size_t *size);
/* Whether SBX_AGGREGATED is the one stream that has bytes. */
SBX_API bool sbx_job_same_output(const sbx_job *job);
SBX_API void sbx_job_release(sbx_job *job, enum sbx_stream stream); /* frees what was kept */
/* What was seen under this number so far: false: nothing. Strings hold until the next step. */
SBX_API bool sbx_job_seen(const sbx_job *job, size_t number, struct sbx_seen *seen);
SBX_API void sbx_job_free(sbx_job *job); /* kills what is left and waits for it */

/* ---- probe ---- */

/* The name of a system call, in a buffer of at least 32 bytes; false: it has none here. */
SBX_API bool sbx_call_name(int number, char *name, size_t size);

SBX_API int sbx_landlock_abi(void); /* 0: none */
SBX_API bool sbx_seccomp(void);     /* filters can be installed */
SBX_API bool sbx_user_notify(void); /* SECCOMP_RET_USER_NOTIF is known */
SBX_API bool sbx_pidfd(void);
/* Where this process may make control groups with a controller ("": any directory of version 2):
 * the hierarchy's version, or 0. */
SBX_API int sbx_group_directory(const char *controller, char *path, size_t size);
/* The directory in which this process may make cgroups, for SBX_KILL_CGROUP. */
SBX_API bool sbx_delegated_cgroup(char *path, size_t size);
/* Tries an empty command under the plan: 0, or -1 and err. */
SBX_API int sbx_try(sbx_engine *engine, const char *helper, const sbx_plan *plan,
                    struct sbx_error *err);

/* ---- helper form ---- */

/* The argv (NULL-terminated, one block: free() it) that runs the request through the helper. */
SBX_API char **sbx_helper_argv(const char *helper, const sbx_plan *plan,
                               const struct sbx_request *request, struct sbx_error *err);
/* main() of the program under its helper name. */
SBX_API int sbx_helper_main(int argc, char **argv);

#ifdef __cplusplus
}
#endif

#endif
