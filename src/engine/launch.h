/* A request on its way: packed by the host, unpacked by whoever forks the supervisor. */
#ifndef SBX_LAUNCH_H
#define SBX_LAUNCH_H

#include "engine/plan.h"
#include "engine/wire.h"

/* For clones that share memory: the sanitizers know nothing of a second stack in it. */
#define SBX_ON_OWN_STACK __attribute__((no_sanitize("address", "undefined")))

/* Everything that supervisor and child need, laid out before the clone. */
struct sbx_launch {
  struct sbx_wire_head head;
  char *arena; /* the blob and the pointer arrays into it */
  struct sock_filter *filter;
  char **argv, **envp, **candidates;
  const char *cwd, *cgroup;
  /* what is made there: mounts that policies share, then mounts and rules of this one */
  sbx_plan *ahead, *inside;
  int inner_ruleset; /* made by the supervisor; 0: none */
  int id_maps;       /* its forker says there that the id maps are written; 0: not awaited */
  int control, in, out, err, ruleset; /* in: -1 for /dev/null */
  int host;                           /* pidfd of the host */
  int null;                           /* /dev/null, open for both */
  int lease;                          /* kept open by all that outlive the host for a moment */
  int request_socket;                 /* of a spare: where the rest comes from; 0: it is all here */
  bool signals_ready;                 /* the forker's dispositions are the default ones already */
};

/* The request's blob: malloc'd, or NULL and err. */
char *sbx_launch_pack(const sbx_sandbox *sandbox, const struct sbx_layers *layers,
                      const sbx_plan *inside, const struct sbx_request *request,
                      struct sbx_wire_head *head, struct sbx_error *err);
/* Takes the blob over. 0, or -1 and errno. */
int sbx_launch_unpack(struct sbx_launch *launch, char *blob);
void sbx_launch_free(struct sbx_launch *launch);    /* what unpacking made */
void sbx_launch_release(struct sbx_launch *launch); /* and closes its descriptors */
/* Forks the supervisor: its pid (and a pidfd of it), or -1 and errno. */
pid_t sbx_launch_start(struct sbx_launch *launch, int *pidfd);
/* Default dispositions for all signals; all of them blocked. */
void sbx_signals_reset(void);
int sbx_pidfd_open(pid_t pid);
void sbx_pidfd_kill(int pidfd); /* SIGKILL; -1 is passed over */

#endif
