/* What is kept of a stream: everything up to a cap, past it the head and the tail, in one block.
 * Bytes are read straight into it. */
#ifndef SBX_CAPTURE_H
#define SBX_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sbx_capture {
  char *data;
  size_t size;    /* allocated */
  size_t length;  /* kept */
  size_t ring;    /* once full: where in the tail the next byte goes */
  uint64_t cap;   /* UINT64_MAX: all */
  uint64_t total; /* bytes that came */
};

void sbx_capture_init(struct sbx_capture *capture, uint64_t cap);
/* A place for up to *size bytes (made smaller), or NULL: out of memory, or a cap of 0. */
char *sbx_capture_room(struct sbx_capture *capture, size_t *size);
void sbx_capture_took(struct sbx_capture *capture, size_t size);
/* Copies bytes that were read elsewhere; without memory they count as left out. */
void sbx_capture_add(struct sbx_capture *capture, const char *bytes, size_t size);
void sbx_capture_copy(struct sbx_capture *to, const struct sbx_capture *from);
/* Bytes that came and are not kept. */
void sbx_capture_drop(struct sbx_capture *capture, size_t size);
uint64_t sbx_capture_dropped(const struct sbx_capture *capture);
/* The kept bytes in order, in one piece; nothing may be added after it. */
const char *sbx_capture_linear(struct sbx_capture *capture, size_t *size);
void sbx_capture_free(struct sbx_capture *capture);

#endif
