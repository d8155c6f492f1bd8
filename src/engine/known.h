/* Directories that were looked at before: what a plain name in them would come to, without a walk.
 * Only where nothing is refused counts; what may be refused is looked at anew each time. */
#ifndef SBX_KNOWN_H
#define SBX_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sbx_look;

#define SBX_KNOWN_MAX 64
#define SBX_KNOWN_TEXT 256
#define SBX_KNOWN_NAME 16 /* "urandom", "full" */

enum sbx_use {
  SBX_USE_MAKE,   /* a new name, or none where it exists */
  SBX_USE_REMOVE, /* a name is taken away or replaced */
  SBX_USE_MOVE,   /* likewise, and what is known of it with it */
  SBX_USE_WRITE,  /* what is there is changed */
  SBX_USE_OPEN,   /* what is there, or would be made, is opened to write */
};

struct sbx_known {
  size_t next; /* as many were put there so far: no page of the others is touched */
  struct sbx_directory {
    uint64_t device, inode, mount; /* that the path is relative to; 0: the root */
    int64_t since_ns;
    int fd; /* the directory, as a place */
    bool used, quiet;
    bool fixed;                /* no name in it can be made, taken away or replaced from inside */
    char text[SBX_KNOWN_TEXT]; /* as it was given, up to the last name */
    char real[SBX_KNOWN_TEXT]; /* "": too long to be kept */
    char node[SBX_KNOWN_NAME]; /* a device that can be written, in one that is fixed */
  } list[SBX_KNOWN_MAX];
};

/* Whether nothing of this use is refused, for all that is known. */
bool sbx_known_quiet(const struct sbx_look *look, int at, const char *path, enum sbx_use use);
/* Whether two such paths are on one mount. */
bool sbx_known_same(const struct sbx_look *look, int at, const char *path, int at2,
                    const char *path2);
/* Takes the page fault of the first that is looked at. */
void sbx_known_touch(struct sbx_known *known);
void sbx_known_forget(struct sbx_known *known);

#endif
