/* The helper's words. The first byte says which way: the bytes behind the words, the words
 * themselves, or a request made into words and back. */
#include "engine/helper.h"

#include "engine/base64.h"
#include "fuzz.h"

enum { PLAN_AT = 1 + 16, PLAN_SIZE_AT = 1 }; /* of the bytes: a head, then the plan */

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, room);
  if (seed % 16 && size > 0 && data[0] % 3 == 0) fuzz_mend_plan(data, size, PLAN_AT, PLAN_SIZE_AT);
  return size;
}

/* ---- bytes ---- */

static void check_request(const struct sbx_helper_request *request, const char *block,
                          size_t size) {
  MUST(request->plan && request->names);
  MUST(request->cwd >= block && request->cwd < block + size);
  MUST(!request->arg0 || (request->arg0 > block && request->arg0 < block + size));
  for (char **name = request->names; *name; name++)
    MUST(*name > block && *name < block + size && strlen(*name) >= 6 && (*name)[4] == ':');
}

static void from_bytes(struct fuzz_input *in) {
  struct sbx_helper_request request;
  struct sbx_error err = {0};
  size_t size;
  const uint8_t *bytes = fuzz_bytes(in, SIZE_MAX, &size);
  char *block = malloc(size ? size : 1);
  MUST(block);
  if (size) memcpy(block, bytes, size);
  if (sbx_helper_decode(&request, block, size, &err) == 0)
    check_request(&request, block, size);
  else
    MUST(err.kind == SBX_ERROR_INVALID_INPUT && *err.step && *err.message);
  sbx_helper_release(&request);
}

/* ---- words ---- */

enum { WORDS = 16 };

/* What was decoded makes the same text again but for the bits that fill up the last digit. */
static void check_base64(const char *text, const void *bytes, size_t size) {
  size_t length = sbx_base64_size(size);
  char *again = malloc(length + 1);
  MUST(again && strlen(text) >= length && strlen(text) <= length + 1);
  sbx_base64_encode(bytes, size, again);
  MUST(size % 3 == 0 || strncmp(text, again, length - 1) == 0);
  MUST(size % 3 != 0 || strncmp(text, again, length) == 0);
  free(again);
}

static void from_words(struct fuzz_input *in) {
  char *words[WORDS + 1] = {NULL};
  int count = 0, next = 0;
  void *bytes = NULL;
  while (count < WORDS && (in->at < in->end || count == 0)) words[count++] = fuzz_text(in);
  long size = sbx_helper_join(count, words, &bytes, &next);
  MUST(next >= 1 && next <= count);
  if (size >= 0) {
    struct sbx_helper_request request;
    MUST(count >= 3 && strcmp(words[1], SBX_HELPER_PLAN) == 0);
    if (count < 5) check_base64(words[2], bytes, (size_t)size);
    sbx_helper_decode(&request, bytes, (size_t)size, NULL);
    sbx_helper_release(&request);
  } else {
    free(bytes);
  }
  for (int i = 0; i < count; i++) free(words[i]);
}

/* ---- and back ---- */

static sbx_plan *some_plan(struct fuzz_input *in) {
  sbx_plan *plan = sbx_plan_new();
  MUST(plan);
  for (unsigned i = fuzz_number(in, 200); i > 0; i--)
    MUST(sbx_plan_rlimit(plan, (int)i, UINT64_MAX / i) == 0);
  return plan;
}

/* "NAME=value" with a name, as an environment has them. */
static void fill_env(struct fuzz_input *in, char *env[WORDS + 1]) {
  size_t count = 0;
  for (unsigned i = fuzz_number(in, WORDS); i > 0; i--) {
    char *entry = fuzz_text(in);
    if (*entry && *entry != '=' && strchr(entry, '='))
      env[count++] = entry;
    else
      free(entry);
  }
}

static void check_names(char **names, char *const *env) {
  for (; *env; env++, names++) {
    const char *equals = strchr(*env, '=');
    size_t size = (size_t)(equals - *env);
    MUST(*names && strlen(*names) == size + 5 && memcmp(*names + 5, *env, size) == 0);
    MUST(strtoul(*names, NULL, 16) == sbx_helper_checksum(equals + 1));
  }
  MUST(!*names);
}

static void check_back(char **argv, const struct sbx_request *sent, const sbx_plan *plan) {
  struct sbx_helper_request came;
  int argc = 0, next;
  void *bytes;
  size_t size_a, size_b;
  while (argv[argc]) argc++;
  long size = sbx_helper_join(argc, argv, &bytes, &next);
  MUST(size > 0 && sbx_helper_decode(&came, bytes, (size_t)size, NULL) == 0);
  const void *a = sbx_plan_bytes(plan, &size_a), *b = sbx_plan_bytes(came.plan, &size_b);
  MUST(size_a == size_b && memcmp(a, b, size_a) == 0);
  MUST(strcmp(came.cwd, sent->cwd) == 0 && came.setup_timeout_ms == sent->setup_timeout_ms);
  MUST(!came.arg0 == !sent->arg0 && (!came.arg0 || strcmp(came.arg0, sent->arg0) == 0));
  check_names(came.names, (char *const *)sent->env);
  const char *const *word = sent->argv;
  for (; *word; word++) MUST(next < argc && argv[next++] == *word);
  MUST(next == argc);
  sbx_helper_release(&came);
}

static void and_back(struct fuzz_input *in) {
  char *env[WORDS + 1] = {NULL};
  sbx_plan *plan = some_plan(in);
  bool has_arg0 = fuzz_number(in, 2);
  fill_env(in, env);
  char *arg0 = fuzz_text(in), *cwd = fuzz_text(in), *word = fuzz_text(in);
  const char *argv[] = {word, "--plan", "--", NULL};
  struct sbx_request request = {.argv = argv,
                                .arg0 = has_arg0 ? arg0 : NULL,
                                .cwd = cwd,
                                .env = (const char *const *)env,
                                .setup_timeout_ms = fuzz_number(in, 256)};
  char **words = sbx_helper_argv("helper", plan, &request, NULL);
  MUST(words);
  check_back(words, &request, plan);
  free(words);
  free(arg0);
  free(cwd);
  free(word);
  for (size_t i = 0; env[i]; i++) free(env[i]);
  sbx_plan_free(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input in = {data, data + size};
  switch (fuzz_number(&in, 3)) {
  case 0: from_bytes(&in); break;
  case 1: from_words(&in); break;
  default: and_back(&in);
  }
  return 0;
}
