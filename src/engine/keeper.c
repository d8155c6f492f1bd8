/* The keeper: a process of its own session that clears placeholders when their host can't any more,
 * or left them for a moment. One for each host that needs one; it ends soon after the host. */
#include <errno.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/journal.h"
#include "engine/launch.h"
#include "engine/placeholders.h"

/* So long nobody has used what is cleared behind a living host. */
#define UNTOUCHED_MS 150
#define LOOK_MS 60
/* After each message: the host sends none for what it leaves soon after. */
#define LOOKS 2
#define OTHERS_MS 250
#define OTHERS_TIMES 14400 /* an hour: then it is left to the next run */
/* How long the host's supervisors have for their trees, once it is gone. */
#define FAREWELL_MS 900

static void forget_messages(int socket) {
  char bytes[16];
  while (recv(socket, bytes, sizeof bytes, MSG_DONTWAIT) > 0) continue;
}

/* Until the host is gone. Not by the end of file alone: a fork of it may keep the other end. */
static void keep(int socket, int host, int journal, pid_t pid, struct sbx_journal_places *places) {
  bool waits = sbx_journal_sweep(journal, UNTOUCHED_MS, 0, places);
  for (int looks = 0;;) {
    struct pollfd fds[2] = {{socket, POLLIN, 0}, {host, POLLIN, 0}};
    int rc = poll(fds, 2, waits || looks > 0 ? LOOK_MS : -1);
    if (rc < 0 && errno != EINTR) return;
    if (rc > 0 && (fds[1].revents || fds[0].revents & (POLLHUP | POLLERR))) return;
    sbx_journal_look(journal, pid, places);
    looks = rc > 0 ? LOOKS : looks - 1;
    if (rc > 0) forget_messages(socket);
    if (rc > 0 && !waits)
      waits = true; /* it was left just now: the first look comes later */
    else
      waits = sbx_journal_sweep(journal, UNTOUCHED_MS, 0, places);
  }
}

static void await_supervisors(int lease) {
  struct pollfd fd = {lease, 0, 0}; /* POLLHUP alone */
  int64_t until = sbx_deadline(sbx_now(), FAREWELL_MS), left;
  while ((left = until - sbx_now()) > 0)
    if (poll(&fd, 1, (int)(left / SBX_MS) + 1) > 0) return;
}

int sbx_keeper_main(int socket, int lease, const char *journal_path) {
  static struct sbx_journal_places places;
  struct ucred peer;
  socklen_t size = sizeof peer;
  sbx_signals_reset();
  prctl(PR_SET_NAME, "sbx-keeper", 0, 0, 0);
  int journal = sbx_journal_open(journal_path);
  if (journal < 0 || getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return 125;
  int host = sbx_pidfd_open(peer.pid);
  if (host >= 0) keep(socket, host, journal, peer.pid, &places);
  await_supervisors(lease);
  /* What commands of others use stands for as long, and they may not be allowed to clear it. */
  for (int i = 0; i < OTHERS_TIMES && sbx_journal_sweep(journal, 0, peer.pid, &places); i++)
    poll(NULL, 0, OTHERS_MS);
  return 0;
}
