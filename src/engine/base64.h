/* Base64url without padding (RFC 4648, section 5): bytes that survive as an argument. */
#ifndef SBX_BASE64_H
#define SBX_BASE64_H

#include <stddef.h>

size_t sbx_base64_size(size_t bytes);                               /* characters */
void sbx_base64_encode(const void *bytes, size_t size, char *text); /* no NUL is added */
/* Decodes in place of nothing: into must have room for size * 3 / 4. -1: not base64url. */
long sbx_base64_decode(const char *text, size_t size, void *into);

#endif
