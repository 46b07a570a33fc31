/* The TIFF reader on arbitrary bytes: opens, reads files that are not absurdly large, copies the
 * metadata through the writer. Run with -max_len=12000. */

#define _GNU_SOURCE /* memfd_create */

#include "lib/io/tiff/tiff.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_PIXELS = 1 << 16, MAX_PLANES = 8, MAX_BYTES = 1 << 20, MAX_SERIES = 3 };

static void copy(const scry_tiff_info *info, const float *v)
{
    char path[64];
    scry_error err = {0};
    scry_tiff_writer *w;
    scry_tiff_info like = *info;
    const scry_tiff_options opts = {.force = true,
                                    .type = SCRY_TIFF_F32,
                                    .packing =
                                        info->x % 2 ? SCRY_TIFF_DEFLATE : SCRY_TIFF_UNPACKED};
    like.c = like.samples;
    like.z = like.t = 1;
    snprintf(path, sizeof path, "/dev/shm/scry-fuzz-%ld.tif", (long)getpid());
    if (scry_tiff_create(&w, path, &like, &opts, &err) != SCRY_OK) return;
    for (size_t c = 0; c < like.c; c++)
        if (scry_tiff_write_plane(w, c, 0, 0, v, &err) != SCRY_OK) break;
    scry_tiff_finish(w, NULL, &err);
    unlink(path);
}

static void read_some(scry_tiff_reader *r)
{
    const scry_tiff_info *info = scry_tiff_describe(r);
    if (info->y > MAX_PIXELS / info->x) return;
    float *v = malloc(info->y * info->x * sizeof *v);
    size_t planes = 0;
    bool good = true;
    for (size_t t = 0; t < info->t && planes < MAX_PLANES; t++)
        for (size_t z = 0; z < info->z && planes < MAX_PLANES; z++)
            for (size_t c = 0; c < info->c && planes < MAX_PLANES; c++, planes++) {
                scry_error err = {0};
                if (scry_tiff_read_plane(r, c, z, t, v, &err) == SCRY_OK) continue;
                if (err.text[0] == '\0') abort(); /* a failure without words */
                good = false;
            }
    if (good && info->samples <= 4) copy(info, v);
    free(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    scry_error err = {0};
    scry_tiff_reader *r;
    if (size > MAX_BYTES) return 0;
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    for (size_t series = 0, count = 1; series < count && series < MAX_SERIES; series++) {
        err = (scry_error){0};
        if (scry_tiff_open_series(&r, path, series, &err) == SCRY_OK) {
            count = scry_tiff_describe(r)->series;
            read_some(r);
            scry_tiff_close(r);
        } else if (err.text[0] == '\0') {
            abort();
        }
    }
    close(fd);
    return 0;
}
