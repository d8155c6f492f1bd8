/* Paths of a plan: absolute, and followed without any link. */
#ifndef SBX_PATHS_H
#define SBX_PATHS_H

/* O_PATH, of the file itself where it is a link; ELOOP where one is on the way. -1 and errno. */
int sbx_path_open(const char *path);
/* The directory that holds it, for the caller to free, or NULL and errno. */
char *sbx_path_parent(const char *path);

#endif
