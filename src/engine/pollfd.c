/* One descriptor of a job for event loops: an epoll set of its descriptors and a timer. */
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "engine/clock.h"
#include "engine/job.h"
#include "layers/descriptors.h"

static int watch(struct sbx_job *job, int fd, uint32_t events) {
  struct epoll_event event = {.events = events, .data.fd = fd};
  return fd < 0 ? 0 : epoll_ctl(job->epoll, EPOLL_CTL_ADD, fd, &event);
}

/* What stays ready for reasons that no step changes is edge-triggered. */
static int watch_all(struct sbx_job *job) {
  if (watch(job, job->control, EPOLLIN) < 0 || watch(job, job->timer, EPOLLIN) < 0) return -1;
  if (!job->flooded) sbx_job_watch_output(job, true);
  return watch(job, job->in.fd, EPOLLOUT | EPOLLET) | watch(job, job->pidfd, EPOLLIN | EPOLLET);
}

/* The timer makes the descriptor readable when a step is due that nothing else announces. */
void sbx_job_sync_timer(struct sbx_job *job) {
  if (job->timer < 0) return;
  int64_t due = sbx_job_due(job);
  struct itimerspec spec = {{0, 0}, {0, 0}};
  if (due <= 0) due = 1;
  if (due != SBX_NEVER) spec.it_value = (struct timespec){due / 1000000000, due % 1000000000};
  timerfd_settime(job->timer, TFD_TIMER_ABSTIME, &spec, NULL);
}

void sbx_job_watch_pidfd(struct sbx_job *job) {
  if (job->epoll >= 0) watch(job, job->pidfd, EPOLLIN | EPOLLET);
}

void sbx_job_watch_output(struct sbx_job *job, bool watched) {
  for (int i = 0; i < 2 && job->epoll >= 0; i++) {
    int fd = job->out[i].fd;
    if (watched)
      watch(job, fd, EPOLLIN);
    else if (fd >= 0)
      epoll_ctl(job->epoll, EPOLL_CTL_DEL, fd, NULL);
  }
}

int sbx_job_pollfd(sbx_job *job) {
  if (job->epoll >= 0 || job->ended) return job->epoll;
  job->epoll = sbx_fd_high(epoll_create1(EPOLL_CLOEXEC));
  job->timer = sbx_fd_high(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (job->epoll >= 0 && job->timer >= 0 && watch_all(job) == 0) {
    sbx_job_sync_timer(job);
    return job->epoll;
  }
  sbx_fd_close(&job->epoll);
  sbx_fd_close(&job->timer);
  return -1;
}
