/* The codecs of chunks. zlib, c-blosc and libzstd stay behind this file. */

#include "lib/io/zarr/zarr_impl.h"

#include <blosc.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

static const struct {
    const char *name;
    scryi_zarr_codec codec;
} codec_names[] = {{"zlib", SCRYI_ZARR_ZLIB},
                   {"gzip", SCRYI_ZARR_ZLIB},
                   {"blosc", SCRYI_ZARR_BLOSC},
                   {"zstd", SCRYI_ZARR_ZSTD}};

bool scryi_zarr_codec_find(scryi_zarr_codec *out, const char *name)
{
    for (size_t i = 0; i < sizeof codec_names / sizeof *codec_names; i++)
        if (!strcmp(codec_names[i].name, name)) {
            *out = codec_names[i].codec;
            return true;
        }
    return false;
}

const char *scryi_zarr_codec_name(scryi_zarr_codec codec)
{
    return codec == SCRYI_ZARR_ZLIB    ? "zlib"
           : codec == SCRYI_ZARR_BLOSC ? "blosc"
           : codec == SCRYI_ZARR_ZSTD  ? "zstd"
                                       : "uncompressed";
}

/* Castagnoli's polynomial, reflected, bit by bit of a table that is made anew: chunks are few. */
uint32_t scryi_zarr_crc32c(const unsigned char *in, size_t n)
{
    uint32_t table[256], crc = 0xffffffffu;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t v = i;
        for (int bit = 0; bit < 8; bit++)
            v = v >> 1 ^ (v & 1 ? 0x82f63b78u : 0);
        table[i] = v;
    }
    for (size_t i = 0; i < n; i++)
        crc = crc >> 8 ^ table[(crc ^ in[i]) & 255];
    return ~crc;
}

/* ---- decoding ---- */

/* The size that the header of a blosc chunk states; 0: no such header. */
static size_t codec_blosc_size(const unsigned char *in, size_t bytes)
{
    size_t n = 0;
    return bytes >= BLOSC_MIN_HEADER_LENGTH && !blosc_cbuffer_validate(in, bytes, &n) ? n : 0;
}

bool scryi_zarr_decodable(scryi_zarr_codec codec, size_t n, const unsigned char *in, size_t bytes)
{
    switch (codec) {
    case SCRYI_ZARR_RAW:
        return bytes == n;
    case SCRYI_ZARR_ZLIB:
        return n / 1032 <= bytes; /* deflate makes at most 1032 bytes from one */
    case SCRYI_ZARR_BLOSC:
        return codec_blosc_size(in, bytes) == n;
    case SCRYI_ZARR_ZSTD: {
        const unsigned long long size = ZSTD_getFrameContentSize(in, bytes);
        return size == n || size == ZSTD_CONTENTSIZE_UNKNOWN;
    }
    }
    return false;
}

static bool codec_inflate(unsigned char *out, size_t n, const unsigned char *in, size_t bytes)
{
    z_stream z = {.next_in = (unsigned char *)in,
                  .avail_in = (uInt)bytes,
                  .next_out = out,
                  .avail_out = (uInt)n};
    if (inflateInit2(&z, 32 + MAX_WBITS) != Z_OK) return false; /* 32: zlib or gzip */
    const int code = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    return code == Z_STREAM_END && z.avail_out == 0;
}

scry_status scryi_zarr_decode(scryi_zarr_codec codec, unsigned char *out, size_t n,
                              const unsigned char *in, size_t bytes, const char *name,
                              scry_error *err)
{
    bool good = n <= SCRYI_ZARR_CHUNK + 8 && bytes <= UINT32_MAX &&
                scryi_zarr_decodable(codec, n, in, bytes);
    if (!good) {
        /* worded below */
    } else if (codec == SCRYI_ZARR_RAW) {
        memcpy(out, in, n);
    } else if (codec == SCRYI_ZARR_ZLIB) {
        good = codec_inflate(out, n, in, bytes);
    } else if (codec == SCRYI_ZARR_BLOSC) {
        good = blosc_decompress_ctx(in, out, n, 1) == (int)n;
    } else {
        good = ZSTD_decompress(out, n, in, bytes) == n;
    }
    if (good) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EFORMAT,
                     "%s: %zu bytes (%s), expected a chunk of %zu bytes: damaged or cut short",
                     name, bytes, scryi_zarr_codec_name(codec), n);
}

/* ---- encoding ---- */

size_t scryi_zarr_encoded_bound(scryi_zarr_codec codec, size_t n)
{
    if (codec == SCRYI_ZARR_ZLIB) return compressBound((uLong)n);
    return n + BLOSC_MAX_OVERHEAD;
}

scry_status scryi_zarr_encode(scryi_zarr_codec codec, unsigned char *out, size_t *bytes,
                              const unsigned char *in, size_t n, size_t width, const char *name,
                              scry_error *err)
{
    const size_t bound = scryi_zarr_encoded_bound(codec, n);
    int got = 0;
    *bytes = 0;
    if (codec == SCRYI_ZARR_RAW) {
        memcpy(out, in, *bytes = n);
    } else if (codec == SCRYI_ZARR_ZLIB) {
        uLongf size = (uLongf)bound;
        if (compress2(out, &size, in, (uLong)n, Z_DEFAULT_COMPRESSION) == Z_OK) *bytes = size;
    } else if (codec == SCRYI_ZARR_BLOSC) {
        got = blosc_compress_ctx(5, BLOSC_SHUFFLE, width, n, in, out, bound, "lz4", 0, 1);
        if (got > 0) *bytes = (size_t)got;
    }
    return *bytes ? SCRY_OK
                  : SCRY_FAIL(err, SCRY_EIO, "%s: %s refused to write a chunk of %zu bytes", name,
                              scryi_zarr_codec_name(codec), n);
}
