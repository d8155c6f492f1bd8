/* The journal of placeholders: empty directories that stand in for protected names that don't exist
 * while commands run. Each is written down before it is made, in a directory that no command may
 * write, and taken away by rmdir(2) alone: what a host made of it meanwhile stays.
 *
 * One file says what one engine has made in one directory: its number and path (another may stand
 * there by now), then the names, each with a NUL byte behind it. While it is locked (flock(2)) they
 * are in use; unlocked and left alone for a moment, anybody may clear them. All changes are made
 * under one lock for the journal. */
#ifndef SBX_JOURNAL_H
#define SBX_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Opens, or makes, the journal: a directory of the caller's own. -1 and errno. */
int sbx_journal_open(const char *path);
/* The lock for changes; closing it unlocks. -1 and errno. */
int sbx_journal_lock(int journal);

/* A new, locked file for a directory of this number. name: where its name goes. -1 and errno. */
int sbx_journal_file(int journal, const char *directory, uint64_t ino, char *name, size_t size);
/* Writes a name down, then makes it: 1; 0 where nothing is to be made (it is there already, or
 * neither this user nor the command may make it); -1 and errno.
 * held: what keeps an empty directory there, also one of another user's or journal's, for as long
 * as it is open and not unlocked; else -1. */
int sbx_journal_make(int journal, int file, int directory, const char *name, int *held);
/* Takes away what a file lists and nobody else's file does, then the file. False, and the file
 * stays, where others still hold something. directory: where it lies by now, or -1 for its path. */
bool sbx_journal_clear(int journal, int file, const char *name, int directory);
/* Takes away one that sbx_journal_make has held, wherever it lies by now. */
void sbx_journal_clear_held(int held, const char *name);

/* Directories with placeholders, kept open: one that is moved meanwhile is found all the same. */
#define SBX_JOURNAL_PLACES 32
struct sbx_journal_places {
  struct sbx_journal_place {
    char name[40]; /* of the file */
    int directory;
  } list[SBX_JOURNAL_PLACES];
  size_t count;
};
/* Opens what the files of a process name, and closes what is cleared. */
void sbx_journal_look(int journal, pid_t pid, struct sbx_journal_places *places);

/* Clears what nobody uses: files untouched for so long; with a pid, that process's, which is gone,
 * locked or not. True while
 * there is still something to clear. */
bool sbx_journal_sweep(int journal, int64_t untouched_ms, pid_t pid,
                       const struct sbx_journal_places *places);

#endif
