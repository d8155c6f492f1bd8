#include "engine/notice.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "layers/descriptors.h"

#define TRIES 3

bool sbx_notice_take(int listener, union sbx_notice *taken) {
  memset(taken, 0, sizeof *taken);
  return ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &taken->call) == 0;
}

bool sbx_notice_is_valid(int listener, uint64_t id) {
  return ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

/* Nobody waits any more, or has an answer already that it did not yet take. */
static bool is_over(void) {
  return errno == ENOENT || errno == EINPROGRESS;
}

/* Who called waits for it, for ever if need be: after a few tries the listener goes, so that this
 * call and all to come fail (ENOSYS). */
static void answer(int *listener, uint64_t id, int code, uint32_t flags) {
  struct seccomp_notif_resp response = {.id = id, .error = -code, .flags = flags};
  for (int tries = 0; tries < TRIES; tries++)
    if (ioctl(*listener, SECCOMP_IOCTL_NOTIF_SEND, &response) == 0 || is_over()) return;
  sbx_fd_close(listener);
}

void sbx_notice_answer(int *listener, uint64_t id, int code) {
  answer(listener, id, code, 0);
}

void sbx_notice_go_on(int *listener, uint64_t id) {
  answer(listener, id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}
