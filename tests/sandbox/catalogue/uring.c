/* One operation through io_uring, which a kernel thread may do for the caller. */
#include "catalogue.h"

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>

int uring_call(const struct io_uring_sqe *wish) {
  struct io_uring_params p = {0};
  int fd = (int)syscall(SYS_io_uring_setup, 4, &p);
  if (fd < 0) return -1;
  size_t size = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
  char *ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING);
  struct io_uring_sqe *sqes = mmap(NULL, p.sq_entries * sizeof *sqes, PROT_READ | PROT_WRITE,
                                   MAP_SHARED, fd, IORING_OFF_SQES);
  if (ring == MAP_FAILED || (void *)sqes == MAP_FAILED) return -1;
  sqes[0] = *wish;
  ((unsigned *)(ring + p.sq_off.array))[0] = 0;
  __atomic_store_n((unsigned *)(ring + p.sq_off.tail), 1, __ATOMIC_RELEASE);
  if (syscall(SYS_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0) return -1;
  struct io_uring_cqe *cqe = (void *)(ring + p.cq_off.cqes);
  int result = cqe->res;
  if (result < 0) errno = -result;
  return result < 0 ? -1 : result;
}
