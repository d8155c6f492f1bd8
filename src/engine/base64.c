#include "engine/base64.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t sbx_base64_size(size_t bytes) {
  return (bytes * 4 + 2) / 3;
}

void sbx_base64_encode(const void *bytes, size_t size, char *text) {
  const unsigned char *at = bytes;
  uint32_t bits = 0;
  int count = 0;
  while (size--) {
    bits = bits << 8 | *at++;
    for (count += 8; count >= 6; count -= 6) *text++ = alphabet[bits >> (count - 6) & 63];
  }
  if (count) *text = alphabet[bits << (6 - count) & 63];
}

long sbx_base64_decode(const char *text, size_t size, void *into) {
  unsigned char *out = into;
  uint32_t bits = 0;
  int count = 0;
  for (size_t i = 0; i < size; i++) {
    const char *digit = text[i] ? strchr(alphabet, text[i]) : NULL;
    if (!digit) return -1;
    bits = bits << 6 | (uint32_t)(digit - alphabet);
    count += 6;
    if (count >= 8) *out++ = (unsigned char)(bits >> (count -= 8));
  }
  return out - (unsigned char *)into;
}
