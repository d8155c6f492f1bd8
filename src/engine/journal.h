/* The journal of placeholders: empty directories that stand in for protected names that don't exist
 * while commands run. Each is written down before it is made, in a directory that no command may
 * write, and taken away by rmdir(2) alone: what a host made of it meanwhile stays.
 *
 * One file says what one engine has made in one directory: that directory, then the names, each
 * with a NUL byte behind it. While it is locked (flock(2)) they are in use; unlocked and left alone
 * for a moment, anybody may clear them. All changes are made under one lock for the journal. */
#ifndef SBX_JOURNAL_H
#define SBX_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Opens, or makes, the journal: a directory of the caller's own. -1 and errno. */
int sbx_journal_open(const char *path);
/* The lock for changes; closing it unlocks. -1 and errno. */
int sbx_journal_lock(int journal);

/* A new, locked file for a directory. name: where its name goes. -1 and errno. */
int sbx_journal_file(int journal, const char *directory, char *name, size_t size);
/* Writes a name down, then makes it: 1; 0 where nothing is to be made (it is there already, or
 * neither this user nor the command may make it); -1 and errno. */
int sbx_journal_make(int journal, int file, int directory, const char *name);
/* Takes away what a file lists and nobody else's file does, then the file. */
void sbx_journal_clear(int journal, int file, const char *name);
/* Clears what nobody uses: files untouched for so long; with a pid, only that process's. True while
 * there is still something to clear. */
bool sbx_journal_sweep(int journal, int64_t untouched_ms, pid_t pid);

#endif
