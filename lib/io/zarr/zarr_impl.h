#ifndef SCRY_LIB_IO_ZARR_ZARR_IMPL_H
#define SCRY_LIB_IO_ZARR_ZARR_IMPL_H

/* Declarations that the sources of lib/io/zarr share. */

#include "lib/io/json.h"
#include "lib/io/zarr/zarr.h"

enum {
    SCRYI_ZARR_RANK = 5,        /* axes of an image at most: t c z y x */
    SCRYI_ZARR_JSON = 16 << 20, /* bytes of a file of metadata at most */
    SCRYI_ZARR_CHUNK = 1 << 30, /* bytes of a chunk at most */
    SCRYI_ZARR_PATH = 4096,
    SCRYI_ZARR_WARNINGS = 8
};

/* ---- codecs: codec.c ---- */

typedef enum scryi_zarr_codec {
    SCRYI_ZARR_RAW = 0,
    SCRYI_ZARR_ZLIB, /* gzip too: its header tells them apart */
    SCRYI_ZARR_BLOSC,
    SCRYI_ZARR_ZSTD
} scryi_zarr_codec;
const char *scryi_zarr_codec_name(scryi_zarr_codec codec); /* "zlib" */
/* By its name in metadata; false: not one that is read. */
bool scryi_zarr_codec_find(scryi_zarr_codec *out, const char *name);

/* out[n] = what in[bytes] holds. EFORMAT: damaged, or not n bytes; name: of the file. */
scry_status scryi_zarr_decode(scryi_zarr_codec codec, unsigned char *out, size_t n,
                              const unsigned char *in, size_t bytes, const char *name,
                              scry_error *err);
/* Whether `bytes` encoded bytes can hold n, so that no memory is taken for what cannot be. */
bool scryi_zarr_decodable(scryi_zarr_codec codec, size_t n, const unsigned char *in, size_t bytes);
/* Bytes that n may take when encoded. */
size_t scryi_zarr_encoded_bound(scryi_zarr_codec codec, size_t n);
/* *bytes (of the bound) at out = n bytes, made of values of `width` bytes. EIO */
scry_status scryi_zarr_encode(scryi_zarr_codec codec, unsigned char *out, size_t *bytes,
                              const unsigned char *in, size_t n, size_t width, const char *name,
                              scry_error *err);
uint32_t scryi_zarr_crc32c(const unsigned char *in, size_t n);

/* ---- arrays: array.c, array_v3.c ---- */

struct scryi_zarr_array {
    int version, rank; /* of zarr: 2 or 3 */
    size_t shape[SCRYI_ZARR_RANK];
    size_t chunk[SCRYI_ZARR_RANK]; /* decoded at once: an inner one when there are shards */
    size_t shard[SCRYI_ZARR_RANK]; /* in one file; = chunk without shards */
    int stored[SCRYI_ZARR_RANK];   /* axes of a chunk as they are stored, slowest first */
    bool sharded, index_first, index_crc;
    scry_tiff_type type;
    bool big_endian;
    scryi_zarr_codec codec;
    int crc_inside, crc_outside; /* checksums before and after the compression, 0 or 1 */
    bool prefixed;               /* names of chunks begin with "c" */
    char separator;
    double fill;
    size_t chunk_bytes;                   /* decoded, without checksums */
    char axis_names[SCRYI_ZARR_RANK][16]; /* of format 3; "" unknown */
};

/* The array in a folder. ENOENT-like absence: *found false. */
scry_status scryi_zarr_array_read(struct scryi_zarr_array *a, const char *folder, bool *found,
                                  scry_error *err);
/* Of format 3, from its zarr.json. */
scry_status scryi_zarr_array_v3(struct scryi_zarr_array *a, const scry_json *doc, scry_error *err);

/* Parts that both formats have. `key` is that of the array of whole numbers. */
scry_status scryi_zarr_sizes(const scry_json *doc, const scry_json_node *from, const char *key,
                             int *rank, size_t *sizes, scry_error *err);
scry_status scryi_zarr_fill(struct scryi_zarr_array *a, const scry_json *doc,
                            const scry_json_node *root, scry_error *err);

/* ---- images: group.c ---- */

struct scryi_zarr_image {
    char folder[SCRYI_ZARR_PATH]; /* of the array to read */
    char ome[8];                  /* version, "" a bare array */
    size_t levels;                /* that were passed over */
    int rank;
    char axis[SCRYI_ZARR_RANK];    /* 't', 'c', 'z', 'y', 'x'; '?': of one element */
    double scale[SCRYI_ZARR_RANK]; /* in micrometres or seconds, 1 where not given */
    bool known[SCRYI_ZARR_RANK];   /* the unit of it */
    bool assumed;                  /* no axis has a unit: micrometres and seconds are assumed */
    scry_tiff_channel *channels;   /* from "omero"; scry_free */
    size_t channel_count;
    size_t series, series_at;
    char (*series_names)[64]; /* scry_free */
    char
        root[SCRYI_ZARR_PATH]; /* of these images, whose OME-XML is OME/METADATA.ome.xml; "" none */
    bool several;              /* more than one multiscales in the group: the first is read */
};
scry_status scryi_zarr_image_find(struct scryi_zarr_image *out, const char *path, size_t series,
                                  scry_error *err);
void scryi_zarr_image_free(struct scryi_zarr_image *m);
/* "images", "multiscales" ...: the attributes of a group; *doc NULL: no group there. */
scry_status scryi_zarr_attributes(scry_json **doc, const scry_json_node **attributes, int *version,
                                  const char *folder, scry_error *err);
/* *out = folder/name. EFORMAT: a name in metadata that leads out of the folder, or is too long. */
scry_status scryi_zarr_inside(char *out, const char *folder, const char *name, scry_error *err);

/* ---- chunks: chunk.c ---- */

/* Decoded chunks that the next plane may need again. */
struct scryi_zarr_cache {
    struct scryi_zarr_slot {
        size_t chunk;         /* number + 1; 0 empty */
        unsigned char *bytes; /* NULL: the chunk is missing */
    } * slots;
    size_t count;
    size_t missing, read; /* chunks so far */
};
/* For `across` chunks in a plane; deep: a chunk has several planes. */
scry_status scryi_zarr_cache_plan(struct scryi_zarr_cache *cache, const struct scryi_zarr_array *a,
                                  size_t across, bool deep, const char *name, scry_error *err);
void scryi_zarr_cache_free(struct scryi_zarr_cache *cache);
/* *bytes = the decoded chunk at these places of the grid of chunks, in the machine's byte order,
 * valid until the next call with this slot; NULL: missing. */
scry_status scryi_zarr_chunk(const unsigned char **bytes, struct scryi_zarr_cache *cache,
                             const struct scryi_zarr_array *a, const char *folder, const size_t *at,
                             size_t slot, scry_error *err);
/* "folder/c/0/1/2": the file of the chunk, or shard, at these places of its grid. */
scry_status scryi_zarr_chunk_path(char *out, const struct scryi_zarr_array *a, const char *folder,
                                  const size_t *at, scry_error *err);

#endif
