/* Calls that name files. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/memory.h"
#include "engine/remote.h"
#include "engine/sight.h"
#include "layers/descriptors.h"

typedef struct sbx_refusal_seen refusal;

static const refusal nothing = {0, SBX_BY_NOTHING};

static const struct sbx_judge *judge_of(const struct sbx_look *look) {
  return &look->sight->judge;
}

static int descriptor(const struct sbx_look *look, int arg) {
  return arg == SBX_NO_ARG ? AT_FDCWD : (int)sbx_look_arg(look, arg);
}

static void resolve(struct sbx_found *found, const struct sbx_look *look, int at, const char *path,
                    bool follow) {
  sbx_resolve(found, (pid_t)look->call->pid, descriptor(look, at), path, follow);
}

static void note(const struct sbx_look *look, enum sbx_operation operation, refusal found,
                 const struct sbx_found *at, const struct sbx_found *other) {
  char path[PATH_MAX], target[PATH_MAX] = "";
  if (at->code == EREMOTE) sbx_look_unread(look);
  if (found.code == 0 || !sbx_found_path(at, path)) return;
  if (other) sbx_found_path(other, target);
  sbx_look_note(look, operation, found, path, target);
}

/* What an errno of the plan's own answers is refused, whatever is there; else it is as found. */
static refusal refused(const struct sbx_look *look, refusal found) {
  if (look->rule->value == SBX_CONTINUE) return found;
  return (refusal){look->rule->value, SBX_BY_FILTER};
}

/* ---- open ---- */

struct opening {
  uint64_t flags, resolve;
  bool reads, writes, makes, fresh;
};

#define OPEN2_SIZE 3 /* the argument that says how large its structure is */

static bool read_flags(const struct sbx_look *look, struct opening *o) {
  struct open_how how;
  if (look->form->kind == SBX_CALL_OPEN2) {
    if (look->call->data.args[OPEN2_SIZE] < sizeof how ||
        sbx_memory_bytes((pid_t)look->call->pid, sbx_look_arg(look, look->form->flags), &how,
                         sizeof how))
      return false;
    o->flags = how.flags;
    o->resolve = how.resolve;
  } else {
    o->flags = sbx_look_arg(look, look->form->flags) & 0xffffffff;
    o->resolve = 0;
  }
  if (look->form->fixed & SBX_FIXED_CREATE) o->flags = O_WRONLY | O_CREAT | O_TRUNC;
  if (o->flags & O_PATH) return false;
  uint64_t mode = o->flags & O_ACCMODE;
  o->reads = mode == O_RDONLY || mode == O_RDWR;
  o->writes = mode == O_WRONLY || mode == O_RDWR || o->flags & O_TRUNC;
  o->makes = o->flags & O_CREAT;
  o->fresh = o->makes && o->flags & O_EXCL;
  return true;
}

static bool is_directory(const struct sbx_found *found) {
  return sbx_judge_is_directory(found->object);
}

static bool is_link(const struct sbx_found *found) {
  struct stat st;
  return found->object >= 0 && fstat(found->object, &st) == 0 && S_ISLNK(st.st_mode);
}

static void judge_tmpfile(const struct sbx_look *look, const struct sbx_found *found) {
  struct sbx_found inside = {.directory = found->object, .object = -1, .name = "?"};
  note(look, SBX_OP_CREATE, refused(look, sbx_judge_make(judge_of(look), &inside)), found, NULL);
}

/* What is there can't be opened so anyway. */
static bool would_fail(const struct opening *o, const struct sbx_found *found) {
  if (o->fresh || is_link(found)) return true;
  if (is_directory(found)) return o->writes || o->makes;
  return found->slash || o->flags & O_DIRECTORY;
}

static void judge_open(const struct sbx_look *look, const struct opening *o,
                       const struct sbx_found *found) {
  refusal way = sbx_judge_way(judge_of(look), found), write = nothing, read = nothing;
  if (found->code) {
    bool writes = o->writes || o->makes;
    note(look, o->makes ? SBX_OP_CREATE : writes ? SBX_OP_WRITE : SBX_OP_READ, way, found, NULL);
  } else if (found->object < 0) {
    if (o->makes && !found->slash)
      note(look, SBX_OP_CREATE, refused(look, sbx_judge_make(judge_of(look), found)), found, NULL);
  } else if ((o->flags & O_TMPFILE) == O_TMPFILE) {
    if (is_directory(found)) judge_tmpfile(look, found);
  } else if (!would_fail(o, found)) {
    if (o->writes) write = refused(look, sbx_judge_write(judge_of(look), found));
    if (o->reads && !write.code) read = refused(look, sbx_judge_read(judge_of(look), found));
    note(look, SBX_OP_WRITE, write, found, NULL);
    note(look, SBX_OP_READ, read, found, NULL);
  }
}

/* openat2(2): a path that is absolute begins elsewhere, or is no path. False: it opens nothing. */
static bool begin_at(const struct opening *o, char *path) {
  size_t slashes = strspn(path, "/");
  if (o->resolve & RESOLVE_IN_ROOT) memmove(path, path + slashes, strlen(path + slashes) + 1);
  return !(o->resolve & RESOLVE_BENEATH && slashes > 0) && *path;
}

static void look_open(const struct sbx_look *look) {
  char path[PATH_MAX];
  struct opening o;
  struct sbx_found found;
  if (!read_flags(look, &o) || !sbx_look_text(look, look->form->path, path, sizeof path)) return;
  if (!begin_at(&o, path)) return;
  enum sbx_use use = o.fresh ? SBX_USE_MAKE : SBX_USE_OPEN;
  bool by_rule = look->rule->value != SBX_CONTINUE;
  if (!by_rule && (o.flags & O_TMPFILE) != O_TMPFILE && !(o.reads && !o.writes && !o.makes) &&
      sbx_known_quiet(look, look->form->at, path, use))
    return;
  resolve(&found, look, look->form->at, path, !(o.flags & O_NOFOLLOW) && !o.fresh);
  judge_open(look, &o, &found);
  sbx_found_close(&found);
}

/* ---- one path ---- */

static bool is_empty(const struct sbx_found *found) {
  struct stat st;
  return fstat(found->object, &st) == 0 && st.st_nlink <= 2;
}

static refusal judge_remove(const struct sbx_look *look, const struct sbx_found *found,
                            bool directory) {
  if (found->object < 0 || is_directory(found) != directory) return nothing;
  if (directory && !is_empty(found)) return nothing;
  return sbx_judge_remove(judge_of(look), found);
}

static bool asks_for_directory(const struct sbx_look *look) {
  uint64_t flags = sbx_look_arg(look, look->form->flags);
  return look->form->fixed & SBX_FIXED_DIRECTORY || flags & AT_REMOVEDIR;
}

static bool follows(const struct sbx_look *look) {
  if (look->form->kind == SBX_CALL_WRITE) return true;
  if (look->form->kind != SBX_CALL_CHANGE || look->form->fixed & SBX_FIXED_KEEP) return false;
  return !(sbx_look_arg(look, look->form->flags) & AT_SYMLINK_NOFOLLOW);
}

/* Only a directory's may have a slash behind it. */
static bool is_name(const struct sbx_look *look, const struct sbx_found *found) {
  return found->object < 0 && (!found->slash || look->form->fixed & SBX_FIXED_DIRECTORY);
}

static refusal judge_one(const struct sbx_look *look, const struct sbx_found *found) {
  const struct sbx_judge *judge = judge_of(look);
  switch (look->form->kind) {
  case SBX_CALL_MAKE: return is_name(look, found) ? sbx_judge_make(judge, found) : nothing;
  case SBX_CALL_REMOVE: return judge_remove(look, found, asks_for_directory(look));
  case SBX_CALL_WRITE: return is_directory(found) ? nothing : sbx_judge_write(judge, found);
  default: return sbx_judge_change(judge, found, look->form->fixed & SBX_FIXED_WRITE);
  }
}

static enum sbx_use use_of(const struct sbx_look *look) {
  switch (look->form->kind) {
  case SBX_CALL_MAKE: return SBX_USE_MAKE;
  case SBX_CALL_REMOVE: return SBX_USE_REMOVE;
  default: return SBX_USE_WRITE;
  }
}

/* A descriptor alone says what is changed. */
static bool take_descriptor(const struct sbx_look *look, struct sbx_found *found) {
  *found = (struct sbx_found){.directory = -1};
  found->object = sbx_resolve_base((pid_t)look->call->pid, descriptor(look, look->form->at));
  if (found->object >= 0 && sbx_remote_is(found->object)) sbx_fd_close(&found->object);
  return found->object >= 0;
}

static bool find_one(const struct sbx_look *look, struct sbx_found *found) {
  char path[PATH_MAX];
  if (look->form->path == SBX_NO_ARG) return take_descriptor(look, found);
  if (!sbx_look_text(look, look->form->path, path, sizeof path)) return false;
  if (!*path && !(sbx_look_arg(look, look->form->flags) & AT_EMPTY_PATH)) return false;
  if (!*path) return take_descriptor(look, found);
  if (look->form->kind == SBX_CALL_REMOVE && asks_for_directory(look))
    sbx_known_forget(&look->sight->known);
  if (look->rule->value == SBX_CONTINUE &&
      sbx_known_quiet(look, look->form->at, path, use_of(look)))
    return false;
  resolve(found, look, look->form->at, path, follows(look));
  return true;
}

static void look_one(const struct sbx_look *look) {
  struct sbx_found found;
  if (!find_one(look, &found)) return;
  refusal verdict = found.code ? sbx_judge_way(judge_of(look), &found) : judge_one(look, &found);
  bool there = !found.code && (found.object >= 0 || look->form->kind == SBX_CALL_MAKE);
  note(look, look->form->operation, there ? refused(look, verdict) : verdict, &found, NULL);
  sbx_found_close(&found);
}

/* ---- two paths ---- */

/* The side that was refused comes first. */
struct pair {
  struct sbx_found from, to;
};

/* Where both are on one file system, only the mounts of the sandbox are between them. */
static bool is_crossing(const struct pair *pair, int side) {
  struct stat from, to;
  return fstat(side, &from) == 0 && fstat(pair->to.directory, &to) == 0 &&
         from.st_dev == to.st_dev && !sbx_judge_same_mount(side, pair->to.directory);
}

static refusal crossing(refusal found, bool crosses) {
  if (found.code && crosses && found.by != SBX_BY_CAPABILITIES) found.code = EXDEV;
  return found;
}

static void judge_link(const struct sbx_look *look, struct pair *pair) {
  const struct sbx_judge *judge = judge_of(look);
  bool crosses = is_crossing(pair, pair->from.object);
  if (pair->from.object < 0 || pair->to.object >= 0 || is_directory(&pair->from)) return;
  refusal to = crossing(sbx_judge_make(judge, &pair->to), crosses);
  refusal from = *pair->from.name ? sbx_judge_refer(judge, &pair->from) : nothing;
  if (from.by == SBX_BY_MOUNT && !crosses) from = nothing;
  if (to.code)
    note(look, SBX_OP_LINK, to, &pair->to, &pair->from);
  else
    note(look, SBX_OP_LINK, from, &pair->from, &pair->to);
}

static refusal judge_replaced(const struct sbx_judge *judge, const struct sbx_found *to) {
  return to->object >= 0 ? sbx_judge_remove(judge, to) : sbx_judge_make(judge, to);
}

static void judge_move(const struct sbx_look *look, struct pair *pair) {
  const struct sbx_judge *judge = judge_of(look);
  uint64_t flags = sbx_look_arg(look, look->form->flags);
  bool crosses = is_crossing(pair, pair->from.directory);
  if (pair->from.object < 0 || (pair->to.object >= 0 && flags & RENAME_NOREPLACE)) return;
  if (is_directory(&pair->from) || is_directory(&pair->to)) sbx_known_forget(&look->sight->known);
  refusal from = crossing(sbx_judge_remove(judge, &pair->from), crosses);
  refusal to = crossing(judge_replaced(judge, &pair->to), crosses);
  if (to.code)
    note(look, SBX_OP_RENAME, to, &pair->to, &pair->from);
  else
    note(look, SBX_OP_RENAME, from, &pair->from, &pair->to);
}

static bool find_pair(const struct sbx_look *look, struct pair *pair) {
  static char path[PATH_MAX], path2[PATH_MAX];
  const struct sbx_call_form *form = look->form;
  bool link = form->kind == SBX_CALL_LINK;
  uint64_t flags = sbx_look_arg(look, form->flags);
  if (!sbx_look_text(look, form->path, path, sizeof path) ||
      !sbx_look_text(look, form->path2, path2, sizeof path2))
    return false;
  bool swaps = !link && flags & RENAME_EXCHANGE;
  if (!swaps && sbx_known_quiet(look, form->at, path, link ? SBX_USE_WRITE : SBX_USE_MOVE) &&
      sbx_known_quiet(look, form->at2, path2, SBX_USE_REMOVE) &&
      sbx_known_same(look, form->at, path, form->at2, path2))
    return false;
  resolve(&pair->from, look, form->at, path, link && flags & AT_SYMLINK_FOLLOW);
  resolve(&pair->to, look, form->at2, path2, false);
  return true;
}

static void look_pair(const struct sbx_look *look) {
  struct pair pair;
  if (!find_pair(look, &pair)) return;
  if (pair.from.code || pair.to.code) {
    const struct sbx_found *side = pair.to.code ? &pair.to : &pair.from;
    note(look, look->form->operation, sbx_judge_way(judge_of(look), side), side,
         pair.to.code ? &pair.from : &pair.to);
  } else if (look->form->kind == SBX_CALL_LINK) {
    judge_link(look, &pair);
  } else {
    judge_move(look, &pair);
  }
  sbx_found_close(&pair.from);
  sbx_found_close(&pair.to);
}

/* What the kernel answers with EINVAL, whatever the path: a flag that the call has not, or a length
 * below 0. */
static bool is_nonsense(const struct sbx_look *look) {
  uint64_t known = ~UINT64_C(0), flags = sbx_look_arg(look, look->form->flags) & 0xffffffff;
  switch (look->form->kind) {
  case SBX_CALL_WRITE: return (int64_t)look->call->data.args[1] < 0;
  case SBX_CALL_REMOVE: known = AT_REMOVEDIR; break;
  case SBX_CALL_MOVE: known = RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT; break;
  case SBX_CALL_LINK: known = AT_SYMLINK_FOLLOW | AT_EMPTY_PATH; break;
  case SBX_CALL_CHANGE: known = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH; break;
  default: break;
  }
  return flags & ~known;
}

void sbx_look_file(const struct sbx_look *look) {
  if (is_nonsense(look)) return;
  switch (look->form->kind) {
  case SBX_CALL_OPEN:
  case SBX_CALL_OPEN2: look_open(look); break;
  case SBX_CALL_MOVE:
  case SBX_CALL_LINK: look_pair(look); break;
  default: look_one(look);
  }
}
