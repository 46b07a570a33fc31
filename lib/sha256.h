#ifndef SCRY_LIB_SHA256_H
#define SCRY_LIB_SHA256_H

#include "lib/status.h"

#include <stddef.h>
#include <stdint.h>

/* SHA-256 (FIPS 180-4): identifies the weights or data behind a result; sha256sum prints the same.
 */
typedef struct scry_sha256 {
    uint32_t state[8];
    uint64_t bytes;
    unsigned char block[64];
} scry_sha256;

void scry_sha256_init(scry_sha256 *h);
void scry_sha256_add(scry_sha256 *h, const void *data, size_t bytes);
/* 64 lower-case hexadecimal digits and a NUL; h must be initialised again before further use. */
void scry_sha256_hex(scry_sha256 *h, char hex[65]);

/* Of a whole file. EIO: not readable. */
scry_status scry_sha256_file(const char *path, char hex[65], scry_error *err);

#endif
