#include "engine/capture.h"

#include <stdlib.h>
#include <string.h>

#define FIRST 4096

void sbx_capture_init(struct sbx_capture *capture, uint64_t cap) {
  *capture = (struct sbx_capture){.cap = cap};
}

/* The head is the first half of the cap, the tail the rest. */
static size_t head_size(const struct sbx_capture *capture) {
  return (size_t)(capture->cap / 2);
}

static bool is_full(const struct sbx_capture *capture) {
  return capture->length >= capture->cap;
}

/* Fourfold at first, then twofold: large blocks move by mremap, without a copy. */
static int grow(struct sbx_capture *capture) {
  size_t size = capture->size == 0 ? FIRST : capture->size * (capture->size < 1 << 20 ? 4 : 2);
  if (size > capture->cap) size = (size_t)capture->cap;
  char *data = realloc(capture->data, size);
  if (!data) return -1;
  capture->data = data;
  capture->size = size;
  return 0;
}

char *sbx_capture_room(struct sbx_capture *capture, size_t *size) {
  size_t at = capture->length, room;
  if (capture->cap == 0) return NULL; /* nothing is kept */
  if (is_full(capture)) {
    at = head_size(capture) + capture->ring;
    room = (size_t)capture->cap - at;
  } else {
    if (at == capture->size && grow(capture) < 0) return NULL;
    room = capture->size - at;
  }
  if (*size > room) *size = room;
  return capture->data + at;
}

void sbx_capture_took(struct sbx_capture *capture, size_t size) {
  capture->total += size;
  if (!is_full(capture)) {
    capture->length += size;
    return;
  }
  capture->ring += size;
  if (capture->ring == (size_t)capture->cap - head_size(capture)) capture->ring = 0;
}

void sbx_capture_drop(struct sbx_capture *capture, size_t size) {
  capture->total += size;
}

void sbx_capture_add(struct sbx_capture *capture, const char *bytes, size_t size) {
  while (size > 0) {
    size_t part = size;
    char *room = sbx_capture_room(capture, &part);
    if (!room) {
      sbx_capture_drop(capture, size);
      return;
    }
    memcpy(room, bytes, part);
    sbx_capture_took(capture, part);
    bytes += part;
    size -= part;
  }
}

void sbx_capture_copy(struct sbx_capture *to, const struct sbx_capture *from) {
  char *data = malloc(from->size ? from->size : 1);
  if (!data) {
    sbx_capture_drop(to, (size_t)from->total);
    return;
  }
  if (from->length) memcpy(data, from->data, from->length);
  free(to->data);
  *to = *from;
  to->data = data;
}

uint64_t sbx_capture_dropped(const struct sbx_capture *capture) {
  return capture->total - capture->length;
}

static void reverse(char *from, char *to) {
  while (from < --to) {
    char byte = *from;
    *from++ = *to;
    *to = byte;
  }
}

/* The tail is a ring: turned in place (three reversals), since a second block of its size would
 * double the peak. */
const char *sbx_capture_linear(struct sbx_capture *capture, size_t *size) {
  if (capture->ring) {
    char *tail = capture->data + head_size(capture), *end = capture->data + capture->length;
    reverse(tail, tail + capture->ring);
    reverse(tail + capture->ring, end);
    reverse(tail, end);
    capture->ring = 0;
  }
  *size = capture->length;
  return capture->data ? capture->data : "";
}

void sbx_capture_free(struct sbx_capture *capture) {
  free(capture->data);
  capture->data = NULL;
  capture->size = capture->length = capture->ring = 0;
}
