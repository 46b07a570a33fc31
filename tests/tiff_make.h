#ifndef SCRY_TESTS_TIFF_MAKE_H
#define SCRY_TESTS_TIFF_MAKE_H

/* TIFF files byte by byte, for tests: independent of libtiff and of our writer, and able to be
 * wrong on purpose. Classic TIFF, uncompressed data as given, either byte order. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct made {
    unsigned char *bytes;
    size_t size, capacity;
    bool mm;      /* big-endian */
    size_t link;  /* where the offset of the next directory goes */
    size_t strip; /* offset of the pixels of the last page */
};

struct made_page {
    uint32_t x, y;
    uint16_t bits, format, samples, photometric, compression, planar;
    uint16_t orientation, extra; /* extra: of the last sample; 0 no such tag */
    uint32_t subfile, tile;      /* tile: width and height of square tiles, 0 strips */
    uint32_t rows;               /* rows per strip; 0: all (one strip) */
    uint32_t sub;                /* offset of a directory beside the chain (SubIFDs); 0 none */
    uint32_t at, stored;         /* offset and bytes of the strip, instead of the true ones */
    const char *description;
    uint32_t xres[2]; /* a fraction, for both axes */
    uint16_t res_unit;
    const void *pixels; /* `bytes` bytes of samples of `bits` bits, in native order */
    size_t bytes;
};

static inline void made_put(struct made *f, const void *p, size_t n)
{
    if (f->size + n >= f->capacity) {
        f->capacity = 2 * (f->size + n) + 64;
        f->bytes = realloc(f->bytes, f->capacity);
    }
    if (n) memcpy(f->bytes + f->size, p, n);
    f->size += n;
}

static inline void made_set(struct made *f, size_t at, uint32_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        f->bytes[at + (size_t)i] = (unsigned char)(v >> 8 * (f->mm ? bytes - 1 - i : i));
}

static inline void made_int(struct made *f, uint32_t v, int bytes)
{
    made_put(f, "\0\0\0", (size_t)bytes);
    made_set(f, f->size - (size_t)bytes, v, bytes);
}

static inline void made_patch(struct made *f, size_t at, uint32_t v)
{
    made_set(f, at, v, 4);
}

static inline struct made made_begin(bool mm)
{
    struct made f = {.mm = mm};
    made_put(&f, mm ? "MM" : "II", 2);
    made_int(&f, 42, 2);
    made_int(&f, 0, 4);
    f.link = 4;
    return f;
}

/* Samples into the byte order of the file. */
static inline void made_pixels(struct made *f, const void *data, size_t n, int bits)
{
    const uint16_t one = 1;
    const bool native_mm = *(const unsigned char *)&one == 0;
    const size_t width = bits == 16 || bits == 32 || bits == 64 ? (size_t)bits / 8 : 1;
    const unsigned char *p = data;
    f->strip = f->size;
    made_put(f, data, n);
    if (native_mm == f->mm) return;
    for (size_t i = 0; i < n; i += width)
        for (size_t k = 0; k < width; k++)
            f->bytes[f->strip + i + k] = p[i + width - 1 - k];
}

static inline void made_tag(struct made *f, unsigned *count, uint16_t tag, uint16_t type,
                            uint32_t n, uint32_t value)
{
    made_int(f, tag, 2);
    made_int(f, type, 2);
    made_int(f, n, 4);
    if (type == 3) {
        made_int(f, value, 2);
        made_int(f, 0, 2);
    } else {
        made_int(f, value, 4);
    }
    ++*count;
}

/* Where the values lie that do not fit in an entry of a directory. */
struct made_values {
    size_t text, resolution, offsets, sizes, bits, formats;
    uint32_t pieces, part; /* strips, and the bytes of one */
    uint32_t at;           /* of the pixels, as the file says */
};

static inline struct made_values made_values_add(struct made *f, const struct made_page *p,
                                                 uint16_t samples)
{
    const bool split = p->planar == 2 && samples > 1;
    const size_t text = p->description ? strlen(p->description) + 1 : 0;
    struct made_values v = {.pieces = split ? samples : 1,
                            .part = (uint32_t)(split ? p->bytes / samples : p->bytes)};
    made_pixels(f, p->pixels, p->bytes, p->bits);
    v.at = p->at ? p->at : (uint32_t)f->strip;
    v.text = f->size;
    made_put(f, p->description, text);
    if (f->size & 1) made_put(f, "", 1);
    v.resolution = f->size;
    made_int(f, p->xres[0], 4);
    made_int(f, p->xres[1], 4);
    v.offsets = f->size;
    for (uint32_t i = 0; i < v.pieces; i++)
        made_int(f, v.at + i * v.part, 4);
    v.sizes = f->size;
    for (uint32_t i = 0; i < v.pieces; i++)
        made_int(f, p->stored ? p->stored : v.part, 4);
    v.bits = f->size;
    for (uint32_t i = 0; i < samples; i++)
        made_int(f, p->bits, 2);
    v.formats = f->size;
    for (uint32_t i = 0; i < samples; i++)
        made_int(f, p->format ? p->format : 1u, 2);
    return v;
}

/* A tag with a short for each sample: in the entry, or at `list` where they do not fit. */
static inline void made_shorts(struct made *f, unsigned *count, uint16_t tag, uint16_t samples,
                               uint16_t value, size_t list)
{
    made_tag(f, count, tag, 3, samples, samples > 2 ? 0 : value);
    if (samples > 2) made_patch(f, f->size - 4, (uint32_t)list);
    if (samples != 2) return;
    f->size -= 4;
    made_int(f, value, 2);
    made_int(f, value, 2);
}

static inline void made_add(struct made *f, const struct made_page *p)
{
    const uint16_t samples = p->samples ? p->samples : 1;
    const struct made_values v = made_values_add(f, p, samples);
    const uint32_t text = p->description ? (uint32_t)strlen(p->description) + 1 : 0;
    const uint32_t pieces = v.pieces;
    unsigned count = 0;
    const size_t dir = f->size;
    made_patch(f, f->link, (uint32_t)dir);
    made_int(f, 0, 2);
    if (p->subfile) made_tag(f, &count, 254, 4, 1, p->subfile);
    made_tag(f, &count, 256, 4, 1, p->x);
    made_tag(f, &count, 257, 4, 1, p->y);
    made_shorts(f, &count, 258, samples, p->bits, v.bits);
    made_tag(f, &count, 259, 3, 1, p->compression ? p->compression : 1);
    made_tag(f, &count, 262, 3, 1, p->photometric);
    if (text) made_tag(f, &count, 270, 2, text, (uint32_t)v.text);
    if (!p->tile) made_tag(f, &count, 273, 4, pieces, pieces > 1 ? (uint32_t)v.offsets : v.at);
    if (p->orientation) made_tag(f, &count, 274, 3, 1, p->orientation);
    made_tag(f, &count, 277, 3, 1, samples);
    if (!p->tile) {
        made_tag(f, &count, 278, 4, 1, p->rows ? p->rows : p->y);
        made_tag(f, &count, 279, 4, pieces,
                 pieces > 1  ? (uint32_t)v.sizes
                 : p->stored ? p->stored
                             : v.part);
    }
    if (p->xres[1]) {
        made_tag(f, &count, 282, 5, 1, (uint32_t)v.resolution);
        made_tag(f, &count, 283, 5, 1, (uint32_t)v.resolution);
    }
    if (p->planar) made_tag(f, &count, 284, 3, 1, p->planar);
    if (p->res_unit) made_tag(f, &count, 296, 3, 1, p->res_unit);
    if (p->tile) {
        made_tag(f, &count, 322, 4, 1, p->tile);
        made_tag(f, &count, 323, 4, 1, p->tile);
        made_tag(f, &count, 324, 4, 1, v.at);
        made_tag(f, &count, 325, 4, 1, p->stored ? p->stored : (uint32_t)p->bytes);
    }
    if (p->sub) made_tag(f, &count, 330, 4, 1, p->sub);
    if (p->extra) made_tag(f, &count, 338, 3, 1, p->extra);
    made_shorts(f, &count, 339, samples, p->format ? p->format : 1, v.formats);
    f->link = f->size;
    made_int(f, 0, 4);
    made_set(f, dir, count, 2);
}

/* A directory that no chain leads to; returns its offset. */
static inline uint32_t made_aside(struct made *f, const struct made_page *p)
{
    const size_t link = f->link;
    uint32_t at = 0;
    f->link = f->size;
    made_int(f, 0, 4);
    const size_t place = f->link;
    made_add(f, p);
    for (int i = 0; i < 4; i++)
        at |= (uint32_t)f->bytes[place + (size_t)i] << 8 * (f->mm ? 3 - i : i);
    f->link = link;
    return at;
}

static inline void made_write(const struct made *f, const char *path)
{
    FILE *out = fopen(path, "wb");
    if (!out || fwrite(f->bytes, 1, f->size, out) != f->size || fclose(out)) abort();
}

static inline void made_end(struct made *f, const char *path)
{
    made_write(f, path);
    free(f->bytes);
    *f = (struct made){0};
}

#endif
