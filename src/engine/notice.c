#include "engine/notice.h"

#include <string.h>
#include <sys/ioctl.h>

bool sbx_notice_take(int listener, union sbx_notice *taken) {
  memset(taken, 0, sizeof *taken);
  return ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &taken->call) == 0;
}

bool sbx_notice_is_valid(int listener, uint64_t id) {
  return ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

static void answer(int listener, uint64_t id, int code, uint32_t flags) {
  struct seccomp_notif_resp response = {.id = id, .error = -code, .flags = flags};
  ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

void sbx_notice_answer(int listener, uint64_t id, int code) {
  answer(listener, id, code, 0);
}

void sbx_notice_go_on(int listener, uint64_t id) {
  answer(listener, id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}
