#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base64.h"
#include "engine/error.h"
#include "engine/helper.h"

/* execve(2): one argument has at most 131 072 bytes; all together a quarter of the stack limit. */
#define WORD_MAX 120000
#define WORDS_MAX 12

struct header {
  uint32_t plan_size, names;
  int64_t setup_timeout_ms;
};

/* 16 bits tell a value that the host changed on the way, and next to nothing of a secret one. */
unsigned sbx_helper_checksum(const char *value) {
  uint32_t hash = 2166136261u; /* FNV-1a */
  for (; *value; value++) hash = (hash ^ (unsigned char)*value) * 16777619u;
  return (hash >> 16 ^ hash) & 0xffff;
}

/* ---- to words ---- */

static uint32_t count_of(const char *const *list) {
  uint32_t count = 0;
  while (list && list[count]) count++;
  return count;
}

static void write_names(FILE *out, const char *const *env) {
  for (; env && *env; env++) {
    const char *equals = strchr(*env, '=');
    size_t size = equals ? (size_t)(equals - *env) : strlen(*env);
    fprintf(out, "%04x:%.*s%c", sbx_helper_checksum(equals ? equals + 1 : ""), (int)size, *env, 0);
  }
}

static char *serialise(const sbx_plan *plan, const struct sbx_request *request, size_t *size) {
  char *bytes = NULL;
  size_t plan_size;
  const void *plan_bytes = sbx_plan_bytes(plan, &plan_size);
  struct header header = {(uint32_t)plan_size, count_of(request->env), request->setup_timeout_ms};
  FILE *out = open_memstream(&bytes, size);
  if (!out) return NULL;
  fwrite(&header, sizeof header, 1, out);
  fwrite(plan_bytes, plan_size, 1, out);
  fprintf(out, "%s%c", request->cwd ? request->cwd : "", 0);
  fprintf(out, "%s%s%c", request->arg0 ? "=" : "", request->arg0 ? request->arg0 : "", 0);
  write_names(out, request->env);
  if (fclose(out) == 0) return bytes;
  free(bytes);
  return NULL;
}

/* One block: the pointers, then the words that are made; the command's are the caller's. */
static char **lay_out(const char *helper, const char *bytes, size_t size,
                      const struct sbx_request *request) {
  size_t text = sbx_base64_size(size), words = (text + WORD_MAX - 1) / WORD_MAX;
  uint32_t argc = count_of(request->argv);
  size_t pointers = (1 + 2 * words + 1 + argc + 1) * sizeof(char *);
  char *encoded = malloc(text);
  char **argv = malloc(pointers + text + words);
  if (!encoded || !argv) {
    free(encoded);
    free(argv);
    return NULL;
  }
  sbx_base64_encode(bytes, size, encoded);
  char *at = (char *)argv + pointers;
  size_t n = 0;
  argv[n++] = (char *)helper;
  for (size_t done = 0; done < text; done += WORD_MAX) {
    size_t part = text - done < WORD_MAX ? text - done : WORD_MAX;
    memcpy(at, encoded + done, part);
    at[part] = 0;
    argv[n++] = (char *)SBX_HELPER_PLAN;
    argv[n++] = at;
    at += part + 1;
  }
  free(encoded);
  argv[n++] = (char *)"--";
  memcpy(argv + n, request->argv, (argc + 1) * sizeof *argv);
  return argv;
}

char **sbx_helper_argv(const char *helper, const sbx_plan *plan, const struct sbx_request *request,
                       struct sbx_error *err) {
  size_t size = 0;
  char *bytes = serialise(plan, request, &size), **argv = NULL;
  if (!bytes) {
    sbx_fail(err, SBX_ERROR_SANDBOX, "helper", ENOMEM, NULL);
  } else if (sbx_base64_size(size) > (size_t)WORD_MAX * WORDS_MAX) {
    sbx_fail(err, SBX_ERROR_INVALID_INPUT, "helper", E2BIG, "the plan is too long for an argv");
  } else if (!(argv = lay_out(helper, bytes, size, request))) {
    sbx_fail(err, SBX_ERROR_SANDBOX, "helper", ENOMEM, NULL);
  }
  free(bytes);
  return argv;
}

/* ---- from words ---- */

long sbx_helper_join(int argc, char **argv, void **bytes, int *next) {
  size_t room = 0, used = 0;
  int i = 1;
  for (; i + 1 < argc && strcmp(argv[i], SBX_HELPER_PLAN) == 0; i += 2) room += strlen(argv[i + 1]);
  *next = i < argc && strcmp(argv[i], "--") == 0 ? i + 1 : i;
  char *text = malloc(room + 1);
  *bytes = malloc(room + 1);
  for (int word = 2; text && word < i; word += 2) {
    size_t size = strlen(argv[word]);
    memcpy(text + used, argv[word], size);
    used += size;
  }
  long size = text && *bytes && room ? sbx_base64_decode(text, used, *bytes) : -1;
  free(text);
  return size;
}

static char *next_text(char **at, char *end) {
  char *text = *at, *nul = text < end ? memchr(text, 0, (size_t)(end - text)) : NULL;
  if (nul) *at = nul + 1;
  return nul ? text : NULL;
}

static bool take_names(struct sbx_helper_request *request, uint32_t count, char *at, char *end) {
  if (count > (size_t)(end - at)) return false;
  request->names = calloc(count + 1, sizeof *request->names);
  for (uint32_t i = 0; request->names && i < count; i++) {
    char *name = next_text(&at, end);
    if (!name || strlen(name) < 6 || name[4] != ':') return false;
    request->names[i] = name;
  }
  return request->names && at == end;
}

int sbx_helper_decode(struct sbx_helper_request *request, void *bytes, size_t size,
                      struct sbx_error *err) {
  struct header header;
  *request = (struct sbx_helper_request){.block = bytes};
  if (size < sizeof header) return sbx_fail(err, SBX_ERROR_INVALID_INPUT, "plan", 0, "too short");
  memcpy(&header, bytes, sizeof header);
  char *at = (char *)bytes + sizeof header, *end = (char *)bytes + size;
  if (header.plan_size > (size_t)(end - at))
    return sbx_fail(err, SBX_ERROR_INVALID_INPUT, "plan", 0, "cut short");
  if (!(request->plan = sbx_plan_from_bytes(at, header.plan_size, err))) return -1;
  at += header.plan_size;
  char *cwd = next_text(&at, end), *arg0 = cwd ? next_text(&at, end) : NULL;
  if (!arg0 || !take_names(request, header.names, at, end))
    return sbx_fail(err, SBX_ERROR_INVALID_INPUT, "plan", 0, "damaged");
  request->cwd = cwd;
  request->arg0 = *arg0 ? arg0 + 1 : NULL;
  request->setup_timeout_ms = header.setup_timeout_ms;
  return 0;
}

void sbx_helper_release(struct sbx_helper_request *request) {
  sbx_plan_free(request->plan);
  free(request->names);
  free(request->block);
}
