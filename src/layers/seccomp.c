#include "layers/seccomp.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than Debian's headers (Linux 5.19): a call that was taken is not begun again by a signal.
 */
#define FLAG_WAIT_KILLABLE_RECV (1UL << 5)

#define ARGS 6

/* A rule that goes on to another argument from a comparison that is not of equality. */
struct winding {
  int number, errno_value;
  unsigned nargs;
  struct sbx_arg args[ARGS];
};

struct sbx_filter {
  scmp_filter_ctx ctx;
  struct winding *windings;
  size_t count;
};

/* libseccomp (2.6 too) can go on without memory that it asked for and make another program than it
 * was told to, and not say so. malloc(3) does: nothing else sets this code here. */
static void expect_memory(void) {
  errno = 0;
}

static bool lacked_memory(void) {
  return errno == ENOMEM;
}

/* libseccomp's default for a foreign architecture (i386 or x32 on x86-64) is to kill; a refusal
 * must be an errno. Binary search over the call number keeps allowed calls cheap. */
static int set_attributes(scmp_filter_ctx ctx) {
  int rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
  if (rc == 0) rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
  if (rc == 0) rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
  return rc;
}

/* Filters are made here and installed elsewhere: libseccomp need not ask the kernel what it has,
 * nor remember for ever that a question failed. 5: user notification, since Linux 5.0. */
#define API_LEVEL 5

struct sbx_filter *sbx_filter_new(void) {
  struct sbx_filter *filter = calloc(1, sizeof *filter);
  if (!filter) return NULL;
  seccomp_api_set(API_LEVEL);
  expect_memory();
  filter->ctx = seccomp_init(SCMP_ACT_ALLOW);
  if (filter->ctx && set_attributes(filter->ctx) == 0 && !lacked_memory()) return filter;
  sbx_filter_free(filter);
  errno = ENOMEM;
  return NULL;
}

void sbx_filter_free(struct sbx_filter *filter) {
  if (!filter) return;
  if (filter->ctx) seccomp_release(filter->ctx);
  free(filter->windings);
  free(filter);
}

static int compare_of(uint32_t op) {
  static const enum scmp_compare ops[] = {[SBX_EQ] = SCMP_CMP_EQ,
                                          [SBX_NE] = SCMP_CMP_NE,
                                          [SBX_LT] = SCMP_CMP_LT,
                                          [SBX_LE] = SCMP_CMP_LE,
                                          [SBX_GT] = SCMP_CMP_GT,
                                          [SBX_GE] = SCMP_CMP_GE,
                                          [SBX_MASKED_EQ] = SCMP_CMP_MASKED_EQ};
  return op < sizeof ops / sizeof ops[0] ? (int)ops[op] : -1;
}

/* A call may be known by name, or only by number (newer than the library). Names of calls that
 * this architecture lacks resolve to a pseudo number below zero: nothing to refuse there. */
int sbx_call_number(const char *name, int number) {
  int nr = name && *name ? seccomp_syscall_resolve_name(name) : __NR_SCMP_ERROR;
  return nr == __NR_SCMP_ERROR ? number : nr;
}

uint32_t sbx_call_arch(void) {
  return seccomp_arch_native();
}

bool sbx_rule_winds(const struct sbx_arg *args, unsigned nargs) {
  unsigned last = 0;
  for (unsigned i = 0; i < nargs; i++)
    if (args[i].index > last) last = args[i].index;
  for (unsigned i = 0; i < nargs; i++)
    if (args[i].op != SBX_EQ && args[i].op != SBX_MASKED_EQ && args[i].index < last) return true;
  return false;
}

static bool is_same(const struct winding *a, const struct winding *b) {
  return a->errno_value == b->errno_value && a->nargs == b->nargs &&
         memcmp(a->args, b->args, a->nargs * sizeof *a->args) == 0;
}

/* libseccomp (2.5.4) may never come back from a second such rule for one call, where both go on to
 * values of which the upper halves differ. 0; EEXIST: it is there already. */
static int take_winding(struct sbx_filter *filter, int number, int errno_value,
                        const struct sbx_arg *args, unsigned nargs) {
  struct winding rule = {number, errno_value, nargs, {{0}}};
  if (!sbx_rule_winds(args, nargs)) return 0;
  memcpy(rule.args, args, nargs * sizeof *args);
  for (size_t i = 0; i < filter->count; i++)
    if (filter->windings[i].number == number)
      return is_same(&filter->windings[i], &rule) ? EEXIST : ENOTSUP;
  struct winding *windings =
      realloc(filter->windings, (filter->count + 1) * sizeof *filter->windings);
  if (!windings) return ENOMEM;
  filter->windings = windings;
  windings[filter->count++] = rule;
  return 0;
}

int sbx_filter_refuse(struct sbx_filter *filter, const char *name, int number, int errno_value,
                      const struct sbx_arg *args, unsigned nargs) {
  struct scmp_arg_cmp compare[ARGS];
  int nr = sbx_call_number(name, number);
  if (nr == -1) return ENOENT;
  if (nr < 0) return 0;
  if (nargs > ARGS) return EINVAL;
  for (unsigned i = 0; i < nargs; i++) {
    int op = compare_of(args[i].op);
    if (op < 0 || args[i].index > 5) return EINVAL;
    compare[i] = (struct scmp_arg_cmp){args[i].index, (enum scmp_compare)op, args[i].a, args[i].b};
  }
  int rc = take_winding(filter, nr, errno_value, args, nargs);
  if (rc) return rc == EEXIST ? 0 : rc;
  uint32_t action =
      errno_value == SBX_ON_BEHALF ? SCMP_ACT_NOTIFY : SCMP_ACT_ERRNO((uint16_t)errno_value);
  expect_memory();
  rc = seccomp_rule_add_exact_array(filter->ctx, action, nr, nargs, compare);
  if (lacked_memory()) return ENOMEM;
  return rc == -EEXIST ? 0 : -rc; /* an identical rule twice is one rule */
}

/* libseccomp doesn't see that it wrote less than the whole: a jump of what is left then leads out
 * of it. The kernel would refuse it too, but only at each start. */
static bool is_whole(const struct sock_filter *program, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const struct sock_filter *at = &program[i];
    size_t room = count - i - 1;
    if (BPF_CLASS(at->code) != BPF_JMP) continue;
    if (BPF_OP(at->code) == BPF_JA ? at->k >= room : at->jt >= room || at->jf >= room) return false;
  }
  return BPF_CLASS(program[count - 1].code) == BPF_RET;
}

/* libseccomp 2.5 exports to a descriptor only; a memfd is read back at its exact size. */
static struct sock_filter *read_program(int fd, size_t *count) {
  off_t size = lseek(fd, 0, SEEK_END);
  if (size <= 0 || size % (off_t)sizeof(struct sock_filter)) return NULL;
  struct sock_filter *program = malloc((size_t)size);
  if (program && pread(fd, program, (size_t)size, 0) != size) {
    free(program);
    return NULL;
  }
  *count = (size_t)size / sizeof *program;
  if (program && !is_whole(program, *count)) {
    free(program);
    errno = EIO;
    return NULL;
  }
  return program;
}

struct sock_filter *sbx_filter_export(struct sbx_filter *filter, size_t *count) {
  struct sock_filter *program = NULL;
  int fd = memfd_create("sbx-filter", MFD_CLOEXEC);
  if (fd < 0) return NULL;
  expect_memory();
  int rc = seccomp_export_bpf(filter->ctx, fd);
  if (lacked_memory()) rc = -ENOMEM;
  errno = -rc;
  if (rc == 0) program = read_program(fd, count);
  int saved = errno;
  close(fd);
  errno = saved;
  return program;
}

int sbx_filter_install(struct sock_filter *program, size_t count) {
  struct sock_fprog prog = {.len = (unsigned short)count, .filter = program};
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
}

int sbx_filter_install_listening(struct sock_filter *program, size_t count) {
  struct sock_fprog prog = {.len = (unsigned short)count, .filter = program};
  unsigned flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | FLAG_WAIT_KILLABLE_RECV;
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}

bool sbx_call_name(int number, char *name, size_t size) {
  char *found = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
  if (found && size > 0) {
    strncpy(name, found, size - 1);
    name[size - 1] = 0;
  }
  free(found);
  return found != NULL;
}

bool sbx_filter_action_available(unsigned action) {
  uint32_t value = action;
  return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &value) == 0;
}
