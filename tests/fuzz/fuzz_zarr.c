/* The OME-Zarr reader on arbitrary metadata and chunks, in a folder that is made of the input:
 *
 *   byte 0          bit 0: format 3, else 2; bit 1: no group around the array
 *   byte 1, 2       length of the metadata of the array (high byte first)
 *   byte 3, 4       length of those of the group
 *   then            both, and the first chunk
 *
 * Run with -max_len=4000. */

#include "lib/io/zarr/zarr_impl.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_PIXELS = 1 << 16, MAX_PLANES = 4 };

/* A failure without words is a bug. */
static scry_status worded(scry_status st, const scry_error *err)
{
    if (st != SCRY_OK && err->text[0] == '\0') abort();
    return st;
}

static void put(const char *path, const uint8_t *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f)) abort();
}

/* The first chunk, at the place where the metadata say it is; its path is left in `path`. */
static void put_chunk(char *path, const char *folder, const uint8_t *data, size_t size)
{
    const size_t first[SCRYI_ZARR_RANK] = {0};
    struct scryi_zarr_array a;
    scry_error err = {0};
    bool found;
    if (worded(scryi_zarr_array_read(&a, folder, &found, &err), &err) != SCRY_OK || !found) return;
    if (scryi_zarr_chunk_path(path, &a, folder, first, NULL) != SCRY_OK) abort();
    for (char *at = path + strlen(folder); (at = strchr(at + 1, '/'));) {
        *at = '\0';
        mkdir(path, 0777);
        *at = '/';
    }
    put(path, data, size);
}

static void read_some(scry_zarr_reader *r)
{
    const scry_tiff_info *i = scry_zarr_describe(r);
    if (i->y > MAX_PIXELS || i->x > MAX_PIXELS || i->y * i->x > MAX_PIXELS) return;
    float *plane = malloc(i->y * i->x * sizeof *plane);
    if (!plane) abort();
    for (size_t k = 0; k < MAX_PLANES && k < i->c * i->z * i->t; k++) {
        scry_error err = {0};
        worded(scry_zarr_read_plane(r, k % i->c, k / i->c % i->z, k / i->c / i->z, plane, &err),
               &err);
    }
    free(plane);
}

/* The chunk and the folders that lead to it. */
static void remove_upwards(char *path, const char *until)
{
    remove(path);
    for (char *slash; (slash = strrchr(path, '/')) && strlen(path) > strlen(until);) {
        *slash = '\0';
        if (strlen(path) > strlen(until)) rmdir(path);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char folder[64], level[80], array[96], group[96], chunk[SCRYI_ZARR_PATH] = "";
    scry_zarr_reader *r;
    scry_error err = {0};
    if (size < 5) return 0;
    const bool v3 = data[0] & 1, bare = data[0] & 2;
    size_t n = (size_t)data[1] << 8 | data[2], m = (size_t)data[3] << 8 | data[4];
    data += 5;
    size -= 5;
    n = n < size ? n : size;
    m = m < size - n ? m : size - n;
    snprintf(folder, sizeof folder, "/dev/shm/scry-fuzz-%ld.zarr", (long)getpid());
    snprintf(level, sizeof level, "%s/0", folder);
    snprintf(array, sizeof array, "%s/%s", level, v3 ? "zarr.json" : ".zarray");
    snprintf(group, sizeof group, "%s/%s", folder, v3 ? "zarr.json" : ".zattrs");
    mkdir(folder, 0777);
    mkdir(level, 0777);
    put(array, data, n);
    put(group, data + n, m);
    put_chunk(chunk, level, data + n + m, size - n - m);
    if (worded(scry_zarr_open(&r, bare ? level : folder, 0, &err), &err) == SCRY_OK) {
        read_some(r);
        scry_zarr_close(r);
    }
    if (*chunk) remove_upwards(chunk, level);
    remove(array);
    remove(group);
    rmdir(level);
    rmdir(folder);
    return 0;
}
