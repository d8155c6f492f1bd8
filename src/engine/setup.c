#include "engine/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "engine/bounds.h"
#include "engine/tree.h"
#include "engine/view.h"
#include "layers/capabilities.h"
#include "layers/descriptors.h"
#include "layers/mounts.h"
#include "layers/namespaces.h"

static const struct sbx_layers *layers_of(const struct sbx_setup *setup) {
  return &setup->launch->head.layers;
}

static void on_child(int sig) {
  (void)sig;
}

static int step_signals(struct sbx_setup *s) {
  struct sigaction action = {.sa_handler = on_child};
  if (s->launch->signals_ready) return 0;
  sbx_signals_reset();
  return sigaction(SIGCHLD, &action, NULL);
}

static int step_descriptors(struct sbx_setup *s) {
  const struct sbx_launch *l = s->launch;
  int request = l->request_socket > 0 ? l->request_socket : -1;
  /* 0 to 2 stay taken, so that nothing that is opened has to be moved out of their way. */
  int keep[] = {0,          1,       2,       l->control, l->in,      l->out,  l->err,
                l->ruleset, l->host, l->null, request,    l->id_maps, l->lease};
  return sbx_fd_keep_only(keep, sizeof keep / sizeof keep[0]);
}

static int step_session(struct sbx_setup *s) {
  (void)s;
  return setsid() < 0 ? -1 : 0;
}

/* Who made this process has the power to map more than one id, and says when it is done. */
static int await_maps(struct sbx_setup *s) {
  int code = EPIPE;
  ssize_t size = read(s->launch->id_maps, &code, sizeof code);
  sbx_fd_close(&s->launch->id_maps);
  errno = size == (ssize_t)sizeof code ? code : EPIPE;
  return errno == 0 ? 0 : -1;
}

static int step_user_namespace(struct sbx_setup *s) {
  if (!(layers_of(s)->namespaces & SBX_NS_USER)) return 0;
  if (layers_of(s)->flags & SBX_FLAG_MAP_ALL) return await_maps(s);
  return sbx_namespace_map_self(s->uid, s->gid);
}

static int step_mounts_private(struct sbx_setup *s) {
  return layers_of(s)->namespaces & SBX_NS_MOUNT ? sbx_mounts_private() : 0;
}

static int step_proc(struct sbx_setup *s) {
  return layers_of(s)->flags & SBX_FLAG_PROC ? sbx_mounts_proc() : 0;
}

static int make_view(struct sbx_setup *s, const sbx_plan *plan) {
  struct sbx_view_failure failure;
  if (sbx_view_make(&s->view, plan, &failure) == 0) return 0;
  s->detail = failure.path;
  if (failure.named) s->step = "mount_paths";
  return -1;
}

static int step_mounts_ahead(struct sbx_setup *s) {
  return make_view(s, s->launch->ahead);
}

static int step_mounts(struct sbx_setup *s) {
  return make_view(s, s->launch->inside);
}

/* As the command will have it: what it does to its stdin must not be done to the host's node. */
static int step_null(struct sbx_setup *s) {
  if (!(layers_of(s)->flags & SBX_FLAG_INNER_RULES)) return 0;
  int null = sbx_fd_high(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (null < 0) return -1;
  sbx_fd_close(&s->launch->null);
  s->launch->null = null;
  return 0;
}

static int step_ruleset(struct sbx_setup *s) {
  struct sbx_view_failure failure;
  if (!layers_of(s)->has_ruleset || !(layers_of(s)->flags & SBX_FLAG_INNER_RULES)) return 0;
  s->launch->inner_ruleset = sbx_view_ruleset(s->launch->inside, &failure);
  s->detail = failure.path;
  return s->launch->inner_ruleset < 0 ? -1 : 0;
}

static int step_protect(struct sbx_setup *s) {
  if (sbx_watch_open(&s->watch, s->launch->inside) == 0) return 0;
  s->detail = errno == EMFILE ? "fs.inotify.max_user_instances" : s->watch.lost;
  return -1;
}

static int step_loopback(struct sbx_setup *s) {
  return layers_of(s)->flags & SBX_FLAG_LOOPBACK ? sbx_namespace_loopback() : 0;
}

/* Orphans of the tree come to this process, wherever they hide (PR_SET_CHILD_SUBREAPER(2const));
 * the init of a PID namespace has them anyway. */
static int step_subreaper(struct sbx_setup *s) {
  if (layers_of(s)->kill == SBX_KILL_PIDNS) return 0;
  errno = ENOSYS;
  if (!sbx_tree_visible()) return -1;
  return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

/* While it can still be written: with a mount namespace of its own all is read-only soon. */
static int step_cgroup_parent(struct sbx_setup *s) {
  if (layers_of(s)->kill != SBX_KILL_CGROUP) return 0;
  bool detached = layers_of(s)->namespaces & SBX_NS_MOUNT;
  s->cgroup_parent = sbx_groups_parent(s->launch->cgroup, detached);
  return s->cgroup_parent < 0 ? -1 : 0;
}

static int step_cgroup(struct sbx_setup *s) {
  if (layers_of(s)->kill != SBX_KILL_CGROUP) return 0;
  return sbx_cgroup_make(&s->cgroup, s->cgroup_parent, getpid());
}

/* Before the files of this process are root's. */
static int step_usage(struct sbx_setup *s) {
  sbx_meter_open(&s->meter, layers_of(s)->namespaces & SBX_NS_PID);
  return 0;
}

static int step_begin(struct sbx_setup *s) {
  sbx_meter_begin(&s->meter);
  return 0;
}

/* What the command's bounding set will be; the supervisor executes nothing. */
static int step_bounding(struct sbx_setup *s) {
  if (!(layers_of(s)->flags & SBX_FLAG_DROP_CAPS)) return 0;
  return sbx_capabilities_bound(layers_of(s)->keep_caps);
}

/* After the id maps: the /proc files of a process that is not dumpable belong to root. */
static int step_dumpable(struct sbx_setup *s) {
  (void)s;
  return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

struct step {
  const char *name;
  int (*run)(struct sbx_setup *s);
};

static const struct step early_steps[] = {
    {"signals", step_signals},
    {"descriptors", step_descriptors},
    {"session", step_session},
    {"user_namespace", step_user_namespace},
    {"mounts_private", step_mounts_private},
    {"proc", step_proc},
    {"cgroup", step_cgroup_parent},
    {"mounts", step_mounts_ahead},
    {"usage", step_usage},
    {"loopback", step_loopback},
    {"subreaper", step_subreaper},
    {"capabilities", step_bounding},
    {"dumpable", step_dumpable},
    {NULL, NULL},
};

static const struct step inside_steps[] = {
    {"limits", sbx_bounds_before},
    {"mounts", step_mounts},
    {"limits", sbx_bounds_behind},
    {"null", step_null},
    {"protect", step_protect},
    {"landlock", step_ruleset},
    {NULL, NULL},
};

static const struct step late_steps[] = {
    {"cgroup", step_cgroup},
    {"limits", sbx_bounds_groups},
    {"usage", step_begin},
    {NULL, NULL},
};

static int run_steps(struct sbx_setup *s, const struct step *step) {
  for (; step->name; step++) {
    s->step = s->detail = NULL;
    if (step->run(s) == 0) continue;
    if (!s->step) s->step = step->name;
    return -1;
  }
  return 0;
}

int sbx_setup_early(struct sbx_setup *setup) {
  return run_steps(setup, early_steps);
}

int sbx_setup_inside(struct sbx_setup *setup) {
  return run_steps(setup, inside_steps);
}

int sbx_setup_late(struct sbx_setup *setup) {
  return run_steps(setup, late_steps);
}
