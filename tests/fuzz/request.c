/* A message to the spawner or a spare: refused, or every list and size of it can be relied on by
 * who runs it. The descriptors are closed either way. */
#include "engine/receive.h"

#include <fcntl.h>
#include <linux/bpf_common.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "layers/descriptors.h"

enum { HEAD = sizeof(struct sbx_wire_head) };

/* The sizes that the rest depends on agree with it, most of the time. */
static void mend_head(uint8_t *data, size_t size, unsigned seed) {
  struct sbx_wire_head head;
  if (size < HEAD) return;
  memcpy(&head, data, HEAD);
  head.magic = SBX_WIRE_MAGIC;
  head.blob_size = (uint32_t)(size - HEAD);
  if (seed % 8) head.layers.filter_count %= 32;
  memcpy(data, &head, HEAD);
  size_t layers_at = offsetof(struct sbx_wire_head, layers);
  size_t count = (size_t)head.layers.filter_count;
  size_t ahead_at = HEAD + count * sizeof(struct sock_filter);
  fuzz_mend_plan(data, size, ahead_at, layers_at + offsetof(struct sbx_layers, ahead_size));
  memcpy(&head, data, HEAD);
  fuzz_mend_plan(data, size, ahead_at + head.layers.ahead_size,
                 layers_at + offsetof(struct sbx_layers, inside_size));
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, room);
  if (seed % 16) mend_head(data, size, seed);
  return size;
}

static int blob_file(const uint8_t *bytes, size_t size) {
  int fd = memfd_create("blob", MFD_CLOEXEC);
  MUST(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
  return fd;
}

/* With the descriptors that its head names, and for a last one more or less. */
static void fill(struct sbx_received *received, const uint8_t *data, size_t size) {
  struct sbx_wire_head head = {0};
  memcpy(&head, data, size < HEAD ? size : HEAD);
  received->nfds = 0;
  received->sender = 0;
  received->truncated = false;
  received->size = head.blob_in_memfd && size > HEAD ? HEAD : size;
  memcpy(received->bytes, data, received->size);
  size_t count = 3u + (head.has_stdin != 0) + (head.has_ruleset != 0);
  if (head.reserved % 16 == 1) count--;
  while (received->nfds < count)
    received->fds[received->nfds++] = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (head.blob_in_memfd)
    received->fds[received->nfds++] = blob_file(data + received->size, size - received->size);
}

/* The same by a socket, with any number of descriptors and the sender's pid or not. */
static int pass_through(struct sbx_received *received, unsigned nfds, bool with_pid) {
  char control[CMSG_SPACE(32 * sizeof(int))] = {0};
  static struct sbx_received came;
  int pair[2], on = 1;
  struct iovec iov = {received->bytes, received->size};
  struct msghdr msg = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = nfds ? control : NULL,
                       .msg_controllen = nfds ? CMSG_SPACE(nfds * sizeof(int)) : 0};
  MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
  if (with_pid) setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  struct cmsghdr *cmsg = nfds ? CMSG_FIRSTHDR(&msg) : NULL;
  if (cmsg) {
    *cmsg = (struct cmsghdr){CMSG_LEN(nfds * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    for (unsigned i = 0; i < nfds; i++)
      memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &received->fds[i % received->nfds], sizeof(int));
  }
  bool sent = sendmsg(pair[0], &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
  sbx_received_close(received);
  int rc = sent ? sbx_receive(pair[1], &came, MSG_DONTWAIT) : -1;
  MUST(came.nfds <= SBX_WIRE_FDS && (nfds <= SBX_WIRE_FDS || came.truncated || !sent));
  MUST(!sent || !with_pid || came.sender == getpid() || came.truncated);
  memcpy(received, &came, sizeof came);
  close(pair[0]);
  close(pair[1]);
  return rc;
}

static void check_list(char **list, uint32_t count, const char *arena, size_t size) {
  for (uint32_t i = 0; i < count; i++) {
    MUST(list[i] >= arena && list[i] < arena + size);
    MUST(memchr(list[i], 0, size - (size_t)(list[i] - arena)));
  }
  MUST(!list[count]);
}

/* What supervisor and child take for granted (setup.c, child.c). */
static void check_launch(const struct sbx_launch *launch) {
  const struct sbx_wire_head *head = &launch->head;
  size_t size = head->blob_size;
  const char *arena = launch->arena;
  check_list(launch->argv, head->argc, arena, size);
  check_list(launch->envp, head->envc, arena, size);
  check_list(launch->candidates, head->ncandidates, arena, size);
  MUST(head->argc > 0 && launch->ahead && launch->inside);
  MUST(launch->cwd >= arena && launch->cwd < arena + size);
  MUST(launch->cgroup > launch->cwd && launch->cgroup < arena + size);
  MUST(head->layers.nlimits <= SBX_LIMITS_MAX);
  MUST(head->layers.filter_count <= BPF_MAXINSNS);
  MUST(head->layers.filter_count * sizeof *launch->filter <= size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct sbx_received received;
  unsigned files = fuzz_open_files();
  struct sbx_launch launch = {.control = -1, .in = -1, .out = -1, .err = -1, .ruleset = -1};
  if (size > SBX_MESSAGE_MAX) return 0;
  fill(&received, data, size);
  uint8_t how = size >= HEAD ? data[offsetof(struct sbx_wire_head, reserved)] : 0;
  if (how & 128 && pass_through(&received, how % 32, how & 64) <= 0) received.size = 0;
  if (!sbx_received_head(&received, &launch.head)) {
    sbx_received_close(&received);
  } else {
    if (sbx_received_unpack(&received, &launch) == 0) check_launch(&launch);
    MUST(received.nfds == 0);
    sbx_launch_release(&launch);
  }
  MUST(fuzz_open_files() == files);
  return 0;
}
