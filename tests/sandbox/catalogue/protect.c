/* Protected names at the top of a writable root, existing or not. What an attempt may change in its
 * root is called free*; all else there must be as it was. */
#include "catalogue.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>

static void make_free(void) {
  mkdir(root(""), 0755);
  mkdir(root("free"), 0755);
  mkdir(root("free/hooks"), 0755);
  write_file(root("free/config"), "[core]\n\tfsmonitor = touch owned\n");
}

static void make_repository(void) {
  make_free();
  mkdir(root(".git"), 0755);
  mkdir(root(".git/hooks"), 0755);
  mkdir(root(".git/objects"), 0755);
  mkdir(root(".git/refs"), 0755);
  write_file(root(".git/config"), "[core]\n");
  write_file(root(".git/HEAD"), "ref: refs/heads/main\n");
}

/* A submodule: `.git` is a file, and the repository lies two levels down in the same root. */
static void make_pointer(void) {
  make_free();
  mkdir(root("modules"), 0755);
  mkdir(root("modules/one"), 0755);
  mkdir(root("modules/one/objects"), 0755);
  mkdir(root("modules/one/refs"), 0755);
  write_file(root("modules/one/config"), "[core]\n");
  write_file(root("modules/one/HEAD"), "ref: refs/heads/main\n");
  write_file(root(".git"), "gitdir: modules/one\n");
}

static void make_link(void) {
  make_repository();
  if (rename(root(".git"), root("repository")) < 0 || symlink("repository", root(".git")) < 0)
    exit(3);
}

/* A second root inside the first, with a repository of its own. */
static void make_below(void) {
  make_free();
  mkdir(root("below"), 0755);
  mkdir(root("below/.git"), 0755);
  write_file(root("below/.git/config"), "[core]\n");
}

/* `read_only` in the policy: tree/kept. */
static void make_tree(void) {
  make_free();
  mkdir(root("tree"), 0755);
  mkdir(root("tree/kept"), 0755);
  write_file(root("tree/kept/file"), "kept\n");
}

static long config(void) {
  return put(open(root(".git/config"), O_WRONLY));
}
static long hook(void) {
  return put(open(root(".git/hooks/post-checkout"), O_WRONLY | O_CREAT, 0755));
}
static long config_lock(void) {
  int fd = open(root(".git/config.lock"), O_WRONLY | O_CREAT | O_EXCL, 0644);
  return put(fd) < 0 ? -1 : rename(root(".git/config.lock"), root(".git/config"));
}
static long config_over(void) {
  return rename(root("free/config"), root(".git/config"));
}
static long config_linked(void) {
  if (link(root(".git/config"), root("free_config")) < 0) return -1;
  return put(open(root("free_config"), O_WRONLY));
}
static void make_link_before(void) {
  make_repository();
  if (link(root(".git/config"), root("free_config")) < 0) exit(3);
}
static long link_before(void) {
  return put(open(root("free_config"), O_WRONLY));
}
static long config_remove(void) {
  return unlink(root(".git/config"));
}
static long mode(void) {
  return chmod(root(".git/hooks"), 0777);
}
static long through_descriptor(void) {
  int top = open(root(""), O_PATH | O_DIRECTORY), fd = openat(top, ".git", O_PATH | O_DIRECTORY);
  return put(open(text("/proc/self/fd/%d/config", fd), O_WRONLY));
}
static long move_away(void) {
  return rename(root(".git"), root("free_git"));
}
static long swap(void) {
  return renameat2(AT_FDCWD, root("free"), AT_FDCWD, root(".git"), RENAME_EXCHANGE);
}

static long make_git(void) {
  return mkdir(root(".git"), 0755);
}
static long move_git(void) {
  return rename(root("free"), root(".git"));
}
static long link_git(void) {
  return symlink("free", root(".git"));
}
static long point_git(void) {
  return put(open(root(".git"), O_WRONLY | O_CREAT, 0644));
}
static long inside_placeholder(void) {
  mkdir(root(".git"), 0755);
  return put(open(root(".git/config"), O_WRONLY | O_CREAT, 0644));
}
static long remove_placeholder(void) {
  rmdir(root(".git"));
  return rename(root("free"), root(".git"));
}
static long make_codex(void) {
  return mkdir(root(".codex"), 0755);
}
static long make_agents(void) {
  return mkdir(root(".agents"), 0755);
}
static long named_write(void) {
  return put(open(root("kept.conf"), O_WRONLY));
}
static long named_replace(void) {
  return rename(root("free/config"), root("kept.conf"));
}
static void make_named(void) {
  make_repository();
  write_file(root("kept.conf"), "kept\n");
}

static long pointer_write(void) {
  return put(open(root(".git"), O_WRONLY | O_TRUNC));
}
static long pointer_replace(void) {
  return rename(root("free/config"), root(".git"));
}
static long pointed_config(void) {
  return put(open(root("modules/one/config"), O_WRONLY));
}
static long pointed_away(void) {
  return rename(root("modules/one"), root("free_one"));
}
static long parent_away(void) {
  return rename(root("modules"), root("free_modules"));
}
static long link_replace(void) {
  return unlink(root(".git")) < 0 ? -1 : symlink("free", root(".git"));
}
static long link_over(void) {
  return rename(root("free"), root(".git")) < 0 && rename(root("free/config"), root(".git")) < 0
             ? -1
             : 0;
}
static long target_write(void) {
  return put(open(root("repository/config"), O_WRONLY));
}
static long target_away(void) {
  return rename(root("repository"), root("free_repository"));
}

static long below_away(void) {
  return rename(root("below"), root("free_below"));
}
static long below_repository(void) {
  return rename(root("below/.git"), root("free_git"));
}
static long below_config(void) {
  return put(open(root("below/.git/config"), O_WRONLY));
}
static long tree_create(void) {
  return put(open(root("tree/kept/new"), O_WRONLY | O_CREAT, 0644));
}
static long tree_times(void) {
  return utimensat(AT_FDCWD, root("tree/kept/file"), NULL, 0);
}
static long tree_away(void) {
  return rename(root("tree/kept"), root("free_kept"));
}
static long tree_parent(void) {
  return rename(root("tree"), root("free_tree"));
}
static long tree_swap(void) {
  return renameat2(AT_FDCWD, root("free"), AT_FDCWD, root("tree/kept"), RENAME_EXCHANGE);
}

/* Together they are a repository for the host's next `git status`. */
static long bare(void) {
  return put(open(root("HEAD"), O_WRONLY | O_CREAT, 0644));
}
static long bare_moved(void) {
  return rename(root("free/config"), root("HEAD"));
}

const struct attempt protect_attempts[] = {
    {"protect_config", "write .git/config", config, NULL, make_repository},
    {"protect_hook", "make .git/hooks/post-checkout", hook, NULL, make_repository},
    {"protect_lock", "config.lock over config, as git", config_lock, NULL, make_repository},
    {"protect_config_over", "rename over .git/config", config_over, NULL, make_repository},
    {"protect_config_linked", "write a hard link of it", config_linked, NULL, make_repository},
    {"protect_link_before", "a hard link made before", link_before, NULL, make_link_before},
    {"protect_config_remove", "remove .git/config", config_remove, NULL, make_repository},
    {"protect_mode", "open .git/hooks to all", mode, NULL, make_repository},
    {"protect_descriptor", "by /proc/self/fd", through_descriptor, NULL, make_repository},
    {"protect_move_away", "rename .git away", move_away, NULL, make_repository},
    {"protect_swap", "exchange .git", swap, NULL, make_repository},
    {"protect_make_git", "mkdir a missing .git", make_git, NULL, make_free},
    {"protect_move_git", "rename to a missing .git", move_git, NULL, make_free},
    {"protect_link_git", "symlink a missing .git", link_git, NULL, make_free},
    {"protect_point_git", "a missing .git as a file", point_git, NULL, make_free},
    {"protect_fill_git", "a config in a missing .git", inside_placeholder, NULL, make_free},
    {"protect_remove_git", "rmdir it, then rename", remove_placeholder, NULL, make_free},
    {"protect_codex", "mkdir a missing .codex", make_codex, NULL, make_free},
    {"protect_agents", "mkdir a missing .agents", make_agents, NULL, make_free},
    {"protect_named", "write a name of the policy", named_write, NULL, make_named},
    {"protect_named_replace", "rename over it", named_replace, NULL, make_named},
    {"protect_pointer", "write a .git file", pointer_write, NULL, make_pointer},
    {"protect_pointer_replace", "rename over it", pointer_replace, NULL, make_pointer},
    {"protect_pointed", "write what it points to", pointed_config, NULL, make_pointer},
    {"protect_pointed_away", "rename what it points to", pointed_away, NULL, make_pointer},
    {"protect_parent_away", "rename the parent of that", parent_away, NULL, make_pointer},
    {"protect_link", "another link as .git", link_replace, NULL, make_link},
    {"protect_link_over", "rename over a linked .git", link_over, NULL, make_link},
    {"protect_target", "write where the link leads", target_write, NULL, make_link},
    {"protect_target_away", "rename where it leads", target_away, NULL, make_link},
    {"protect_below", "rename a root inside the root", below_away, NULL, make_below},
    {"protect_below_git", "rename its .git", below_repository, NULL, make_below},
    {"protect_below_config", "write in its .git", below_config, NULL, make_below},
    {"protect_tree", "make a file in read_only", tree_create, NULL, make_tree},
    {"protect_tree_times", "change times in it", tree_times, NULL, make_tree},
    {"protect_tree_away", "rename it", tree_away, NULL, make_tree},
    {"protect_tree_parent", "rename its parent", tree_parent, NULL, make_tree},
    {"protect_tree_swap", "exchange it", tree_swap, NULL, make_tree},
    {"protect_bare", "HEAD of a bare repository", bare, NULL, make_free},
    {"protect_bare_moved", "the same by rename", bare_moved, NULL, make_free},
    {NULL, NULL, NULL, NULL, NULL},
};
