#include "engine/sampler.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "engine/bounds.h"
#include "engine/broker.h"
#include "engine/clock.h"
#include "engine/tree.h"

#define FIRST_NS (1 * SBX_MS)
#define LEAST_NS (2 * SBX_MS)
#define MOST_NS (50 * SBX_MS)
/* Of the fair pause, where memory is bounded: a tree that is dear to look at grows as fast. */
#define FAIR_MOST_NS (100 * SBX_MS)
/* As fast as memory can be filled. */
#define BYTES_PER_NS 4
/* The pause is this many times the look. */
#define SHARE 100
#define SHARE_CLOSE 10

struct look {
  struct sbx_sampler *sampler;
  uint64_t memory, ticks, tasks;
  uint64_t shared; /* of memory: pages of files in memory, as far as they are told apart */
  bool exact;      /* shared memory is counted once */
};

/* ---- one process ---- */

static ssize_t read_file(pid_t pid, const char *name, char *text, size_t room) {
  char path[48];
  snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t size = read(fd, text, room - 1);
  close(fd);
  text[size > 0 ? size : 0] = 0;
  return size;
}

/* The number of bytes in a line of kilobytes; word begins with the newline before it. */
static uint64_t bytes_in(const char *text, const char *word, uint64_t otherwise) {
  const char *line = strstr(text, word);
  return line ? strtoull(line + strlen(word), NULL, 10) * 1024 : otherwise;
}

/* proc_pid_smaps(5); what can't be read counts as its own alone. Pss_Shmem is there since Linux
 * 5.4. */
static uint64_t share_of(struct look *look, pid_t pid, uint64_t resident) {
  char text[1024];
  if (read_file(pid, "smaps_rollup", text, sizeof text) <= 0) return resident;
  look->shared += bytes_in(text, "\nPss_Shmem:", 0);
  return bytes_in(text, "\nPss:", resident);
}

/* proc_pid_stat(5): the name, which may hold anything, ends with the last parenthesis; behind it
 * come the third field and those after it. */
static void add_process(void *context, pid_t pid) {
  struct look *look = context;
  char text[1024];
  unsigned long long user, system;
  long long waited_user, waited_system, threads, pages;
  if (sbx_broker_has(look->sampler->broker, pid)) return;
  if (read_file(pid, "stat", text, sizeof text) <= 0) return;
  const char *fields = strrchr(text, ')');
  if (!fields || sscanf(fields + 1,
                        " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %lld %lld %*d %*d"
                        " %lld %*d %*u %*u %lld",
                        &user, &system, &waited_user, &waited_system, &threads, &pages) != 6)
    return;
  uint64_t resident = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
  look->memory += look->exact && pages > 0 ? share_of(look, pid, resident) : resident;
  look->ticks += user + system + (uint64_t)(waited_user + waited_system);
  look->tasks += threads > 0 ? (uint64_t)threads : 1;
}

/* The size of the directory is how many are open since Linux 6.2. */
static void add_files(void *context, pid_t pid) {
  struct look *look = context;
  struct sbx_sampler *sampler = look->sampler;
  char path[48];
  struct stat st;
  snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
  if (stat(path, &st) == 0 && (uint64_t)st.st_size >= sampler->bounds->files)
    sampler->reached |= 1U << SBX_BOUND_FILES;
}

/* ---- the tree ---- */

/* What lies in file systems of the job's own is nobody's resident memory. */
static uint64_t in_file_systems(const sbx_plan *plan) {
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *record;
  uint64_t bytes = 0;
  while ((record = sbx_plan_next(&cursor))) {
    const struct sbx_mount_record *mount = sbx_record_payload(record);
    struct statvfs st;
    if (record->type != SBX_RECORD_MOUNT || mount->op != SBX_MOUNT_TMPFS) continue;
    if (statvfs(sbx_mount_path(record), &st) == 0)
      bytes += (uint64_t)(st.f_blocks - st.f_bfree) * st.f_frsize;
  }
  return bytes;
}

static void note_cpu(struct sbx_sampler *sampler, uint64_t ticks) {
  struct rusage ru;
  int64_t counted = sbx_groups_read(sampler->groups, SBX_READING_CPU);
  if (counted >= 0) {
    sampler->cpu_us = (uint64_t)counted;
    return;
  }
  if (getrusage(RUSAGE_CHILDREN, &ru) < 0) return;
  uint64_t now = ticks * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
  now += (uint64_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000;
  now += (uint64_t)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
  if (now > sampler->last_us) sampler->cpu_us += now - sampler->last_us;
  sampler->last_us = now;
}

/* Pages of a file that is mapped are in both; which ones nobody tells, so that the greater of the
 * two is what is surely there. */
static uint64_t together(const struct look *look, uint64_t stored) {
  return look->memory - look->shared + (look->shared > stored ? look->shared : stored);
}

static void measure(struct sbx_sampler *sampler, uint64_t gone) {
  const struct sbx_bounds *bounds = sampler->bounds;
  struct look look = {.sampler = sampler, .tasks = gone};
  sbx_tree_each(sampler->pidns, add_process, &look);
  uint64_t stored = bounds->memory_bytes ? in_file_systems(sampler->plan) : 0;
  if (bounds->memory_bytes && look.memory + stored > bounds->memory_bytes) {
    struct look again = {.sampler = sampler, .tasks = gone, .exact = true};
    sbx_tree_each(sampler->pidns, add_process, &again);
    look = again;
  }
  if (bounds->files) sbx_tree_each(sampler->pidns, add_files, &look);
  sampler->memory = together(&look, stored);
  if (sampler->memory > sampler->peak) sampler->peak = sampler->memory;
  note_cpu(sampler, look.ticks);
  if (bounds->tasks && look.tasks >= bounds->tasks) sampler->reached |= 1U << SBX_BOUND_TASKS;
  if (bounds->tasks_ended && look.tasks > bounds->tasks_ended)
    sampler->reached |= 1U << SBX_BOUND_TASKS;
}

static enum sbx_bound passed(const struct sbx_sampler *sampler) {
  const struct sbx_bounds *bounds = sampler->bounds;
  if (sbx_groups_read(sampler->groups, SBX_READING_MEMORY_KILLS) > 0) return SBX_BOUND_MEMORY;
  if (bounds->memory_bytes && sampler->memory > bounds->memory_bytes) return SBX_BOUND_MEMORY;
  if (bounds->cpu_us && sampler->cpu_us >= bounds->cpu_us) return SBX_BOUND_CPU;
  bool many = sampler->reached & 1U << SBX_BOUND_TASKS;
  return bounds->tasks_ended && many ? SBX_BOUND_TASKS : SBX_BOUND_NONE;
}

/* ---- when ---- */

static int64_t until_memory(const struct sbx_sampler *sampler) {
  uint64_t bound = sampler->bounds->memory_bytes;
  if (!bound) return MOST_NS;
  return sampler->memory < bound ? (int64_t)((bound - sampler->memory) / BYTES_PER_NS) : 0;
}

/* With all processors at it. */
static int64_t until_cpu(const struct sbx_sampler *sampler) {
  uint64_t bound = sampler->bounds->cpu_us;
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  if (!bound || sampler->cpu_us >= bound || bound - sampler->cpu_us > UINT64_C(1) << 40)
    return MOST_NS;
  return (int64_t)(bound - sampler->cpu_us) * 1000 / (processors > 0 ? processors : 1);
}

static bool is_close(const struct sbx_sampler *sampler) {
  const struct sbx_bounds *bounds = sampler->bounds;
  return (bounds->memory_bytes && sampler->memory > bounds->memory_bytes / 2) ||
         (bounds->cpu_us && sampler->cpu_us > bounds->cpu_us / 2) || bounds->tasks_ended;
}

static int64_t processor_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void schedule(struct sbx_sampler *sampler, int64_t cost_ns) {
  int64_t pause = sbx_earlier(MOST_NS, sbx_earlier(until_memory(sampler), until_cpu(sampler)));
  int64_t fair = cost_ns * (is_close(sampler) ? SHARE_CLOSE : SHARE);
  if (sampler->bounds->memory_bytes) fair = sbx_earlier(fair, FAIR_MOST_NS);
  if (pause < LEAST_NS) pause = LEAST_NS;
  sampler->due_ns = sbx_now() + (pause > fair ? pause : fair);
}

static bool looks(const struct sbx_sampler *sampler) {
  const struct sbx_bounds *bounds = sampler->bounds;
  return bounds->memory_bytes || bounds->cpu_us || bounds->tasks || bounds->files ||
         bounds->tasks_ended;
}

void sbx_sampler_start(struct sbx_sampler *sampler, const sbx_plan *plan, bool pidns,
                       const struct sbx_groups *groups, const struct sbx_broker *broker,
                       struct sbx_meter *meter) {
  *sampler = (struct sbx_sampler){.bounds = sbx_bounds_of(plan),
                                  .groups = groups,
                                  .broker = broker,
                                  .meter = meter,
                                  .plan = plan,
                                  .pidns = pidns,
                                  .due_ns = SBX_NEVER};
  if (!sampler->bounds) return;
  struct sbx_aside aside = sbx_meter_aside(meter);
  if (looks(sampler) || sbx_groups_read(groups, SBX_READING_MEMORY_KILLS) >= 0)
    sampler->due_ns = sbx_now() + FIRST_NS;
  sbx_meter_resume(meter, &aside);
}

enum sbx_bound sbx_sampler_look(struct sbx_sampler *sampler) {
  struct sbx_aside aside = sbx_meter_aside(sampler->meter);
  int64_t began = processor_ns();
  if (looks(sampler)) measure(sampler, 0);
  enum sbx_bound bound = passed(sampler);
  schedule(sampler, processor_ns() - began);
  sbx_meter_resume(sampler->meter, &aside);
  return bound;
}

enum sbx_bound sbx_sampler_conclude(struct sbx_sampler *sampler, bool failed) {
  if (!sampler->bounds) return SBX_BOUND_NONE;
  struct sbx_aside aside = sbx_meter_aside(sampler->meter);
  if (looks(sampler)) measure(sampler, 1); /* the command was there until now */
  if (sbx_groups_read(sampler->groups, SBX_READING_REFUSED_TASKS) > 0)
    sampler->reached |= 1U << SBX_BOUND_TASKS;
  enum sbx_bound bound = passed(sampler);
  sbx_meter_resume(sampler->meter, &aside);
  return failed || bound == SBX_BOUND_MEMORY ? bound : SBX_BOUND_NONE;
}

void sbx_sampler_usage(const struct sbx_sampler *sampler, struct sbx_usage *usage) {
  if (!sampler->bounds) return;
  int64_t peak = sbx_groups_read(sampler->groups, SBX_READING_MEMORY_PEAK);
  if (peak >= 0) {
    usage->memory_measure = SBX_MEASURE_GROUP;
    usage->max_rss_bytes = peak;
  } else if (sampler->bounds->memory_bytes) {
    usage->memory_measure = SBX_MEASURE_SAMPLED;
    if ((int64_t)sampler->peak > usage->max_rss_bytes)
      usage->max_rss_bytes = (int64_t)sampler->peak;
  }
}
