#include "engine/meter.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "layers/descriptors.h"

#define BLOCK 512 /* getrusage(2): as the kernel counts them */

static ssize_t read_text(int fd, char *text, size_t room) {
  ssize_t size = fd < 0 ? -1 : pread(fd, text, room - 1, 0);
  text[size > 0 ? size : 0] = 0;
  return size;
}

/* proc_pid_io(5): of the caller and all that it has waited for, and they for. What this reads is
 * not in it yet. */
static struct sbx_aside read_io(int fd) {
  char text[512];
  long long in, out;
  ssize_t size = read_text(fd, text, sizeof text);
  if (size <= 0 || sscanf(text, "rchar: %lld wchar: %lld", &in, &out) != 2)
    return (struct sbx_aside){0};
  return (struct sbx_aside){.size = size, .in = in, .out = out};
}

static void read_waited(struct sbx_usage *usage) {
  struct rusage ru;
  if (getrusage(RUSAGE_CHILDREN, &ru) < 0) return;
  usage->user_us = ru.ru_utime.tv_sec * INT64_C(1000000) + ru.ru_utime.tv_usec;
  usage->system_us = ru.ru_stime.tv_sec * INT64_C(1000000) + ru.ru_stime.tv_usec;
  usage->max_rss_bytes = ru.ru_maxrss * INT64_C(1024);
  usage->voluntary_switches = ru.ru_nvcsw;
  usage->involuntary_switches = ru.ru_nivcsw;
  usage->storage_read_bytes = ru.ru_inblock * BLOCK;
  usage->storage_written_bytes = ru.ru_oublock * BLOCK;
}

/* The last id that the reader's PID namespace gave out (proc_loadavg(5)), or -1. */
static int64_t read_id(int fd) {
  char text[128];
  const char *last = read_text(fd, text, sizeof text) > 0 ? strrchr(text, ' ') : NULL;
  return last ? strtoll(last, NULL, 10) : -1;
}

void sbx_meter_open(struct sbx_meter *meter, bool pidns) {
  *meter = SBX_METER_NONE;
  meter->io = sbx_fd_high(open("/proc/self/io", O_RDONLY | O_CLOEXEC));
  if (pidns) meter->ids = sbx_fd_high(open("/proc/loadavg", O_RDONLY | O_CLOEXEC));
}

void sbx_meter_begin(struct sbx_meter *meter) {
  meter->first_id = read_id(meter->ids);
  struct sbx_aside now = read_io(meter->io);
  meter->own_read = now.in + now.size;
  meter->own_written = now.out;
}

struct sbx_aside sbx_meter_aside(const struct sbx_meter *meter) {
  return read_io(meter->io);
}

void sbx_meter_resume(struct sbx_meter *meter, const struct sbx_aside *aside) {
  struct sbx_aside now = read_io(meter->io);
  if (aside->size == 0 || now.size == 0) return;
  meter->own_read += now.in + now.size - aside->in;
  meter->own_written += now.out - aside->out;
}

/* Once the ids begin anew, what was reaped may be more. */
static void read_ids(const struct sbx_meter *meter, struct sbx_usage *usage) {
  int64_t last = read_id(meter->ids), given = last - meter->first_id - meter->own_forks;
  if (last < 0) return;
  usage->processes_measure = SBX_MEASURE_NAMESPACE;
  if (given > usage->processes) usage->processes = given;
}

static int64_t above(int64_t value, int64_t base) {
  return value > base ? value - base : 0;
}

void sbx_meter_read(const struct sbx_meter *meter, const struct sbx_aside *aside, int64_t reaped,
                    struct sbx_usage *usage) {
  *usage = (struct sbx_usage){.processes = reaped, .read_bytes = -1, .written_bytes = -1};
  read_waited(usage);
  read_ids(meter, usage);
  if (aside->size == 0) return;
  usage->read_bytes = above(aside->in, meter->own_read + meter->own_events);
  usage->written_bytes = above(aside->out, meter->own_written);
}
