#include "fuzz.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "layers/landlock.h"

unsigned fuzz_number(struct fuzz_input *in, unsigned below) {
  return in->at < in->end ? *in->at++ % below : 0;
}

const uint8_t *fuzz_bytes(struct fuzz_input *in, size_t want, size_t *size) {
  const uint8_t *at = in->at;
  size_t left = (size_t)(in->end - at);
  *size = want < left ? want : left;
  in->at += *size;
  return at;
}

char *fuzz_text(struct fuzz_input *in) {
  size_t left = (size_t)(in->end - in->at);
  const uint8_t *nul = left ? memchr(in->at, 0, left) : NULL;
  size_t size = nul ? (size_t)(nul - in->at) : left;
  char *text = malloc(size + 1);
  MUST(text);
  if (size) memcpy(text, in->at, size);
  text[size] = 0;
  in->at += nul ? size + 1 : size;
  return text;
}

unsigned fuzz_open_files(void) {
  unsigned count = 0;
  for (int fd = 0; fd < 64; fd++) count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

void fuzz_mend_plan(uint8_t *data, size_t size, size_t offset, size_t size_at) {
  static const uint32_t magic = 0x32786273u;
  if (offset > size || size - offset < 8) return;
  uint32_t length = (uint32_t)(size - offset), noted;
  if (size_at != SIZE_MAX) {
    memcpy(&noted, data + size_at, sizeof noted);
    if (noted >= 8 && noted < length) length = noted;
    memcpy(data + size_at, &length, sizeof length);
  }
  memcpy(data + offset, &magic, sizeof magic);
  memcpy(data + offset + 4, &length, sizeof length);
}

/* ---- confinement ---- */

static void allow(int ruleset, const char *path, uint64_t rights) {
  int fd = open(path, O_PATH | O_CLOEXEC);
  if (fd < 0) return;
  MUST(sbx_landlock_allow(ruleset, fd, rights) == 0);
  close(fd);
}

/* A directory of the corpus, or the directory of what is written. */
static void allow_argument(int ruleset, const char *word, uint64_t rights) {
  char path[4096];
  if (*word == '-') word = strchr(word, '=') ? strchr(word, '=') + 1 : "";
  snprintf(path, sizeof path, "%s", word);
  char *slash = strrchr(path, '/');
  if (access(path, F_OK) < 0 && slash) *slash = 0;
  int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  close(fd);
  allow(ruleset, path, rights);
}

void fuzz_confine(int argc, char **argv, const char *scratch) {
  uint64_t rights = sbx_landlock_known_fs(1) &
                    ~(sbx_landlock_fs_right("execute") | sbx_landlock_fs_right("read_file") |
                      sbx_landlock_fs_right("read_dir"));
  int ruleset = sbx_landlock_ruleset(1, rights, 0, 0);
  if (ruleset < 0) {
    fprintf(stderr, "this kernel has no Landlock: the target could change the machine\n");
    exit(1);
  }
  allow(ruleset, scratch, rights);
  allow(ruleset, "/dev", sbx_landlock_fs_right("write_file"));
  allow(ruleset, "/proc/self", sbx_landlock_fs_right("write_file"));
  for (int i = 1; i < argc; i++) allow_argument(ruleset, argv[i], rights);
  MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  MUST(sbx_landlock_restrict(ruleset) == 0);
  close(ruleset);
}
