#include "apps/cli/image_file.h"

#include "lib/memory.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* How files begin that microscopists have, and that are not read. */
static const struct {
    size_t at, length;
    const char *bytes, *what;
} others[] = {
    {0, 3, "\xff\xd8\xff", "a JPEG"},
    {0, 10, "ZISRAWFILE", "a Zeiss CZI file"},
    {0, 4, "\xda\xce\xbe\x0a", "a Nikon ND2 file"},
    {0, 4, "\x70\x00\x00\x00", "a Leica LIF file"},
    {0, 4, "\x89HDF", "an HDF5 file"},
    {0, 8, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a compound document (OIB, ZVI, ...)"},
    {4, 8, "jP  \r\n\x87\n", "a JPEG 2000 file"},
    {0, 4, "GIF8", "a GIF"},
    {0, 2, "BM", "a BMP"},
    {0, 2, "\x1f\x8b", "a gzip file"},
    {0, 4, "PK\x03\x04", "a ZIP archive"},
    {0, 5, "<?xml", "an XML file (the companion of OME-TIFFs? open one of those)"},
    {0, 4, "<OME", "an XML file (the companion of OME-TIFFs? open one of those)"},
};

static size_t first_bytes(unsigned char *head, size_t size, const char *path)
{
    FILE *f = fopen(path, "rb");
    const size_t n = f ? fread(head, 1, size, f) : 0;
    if (f) fclose(f);
    return n;
}

static scry_status open_png(image_file *f, const char *path, scry_error *err)
{
    scry_status st = scry_png_read(&f->png, path, err);
    if (st != SCRY_OK) return st;
    const scry_png_image *p = &f->png;
    scry_tiff_info_init(&f->info, SCRY_TIFF_PLAIN, p->bits > 8 ? SCRY_TIFF_U16 : SCRY_TIFF_U8,
                        &(scry_tiff_axes){.c = p->channels, .y = p->ny, .x = p->nx});
    f->info.rgb = p->channels == 3;
    f->info.samples = p->channels;
    f->info.pages = 1;
    return SCRY_OK;
}

scry_status image_file_open(image_file *f, const char *path, scry_error *err)
{
    return image_file_open_series(f, path, 0, err);
}

scry_status image_file_open_series(image_file *f, const char *path, size_t series, scry_error *err)
{
    unsigned char head[16];
    struct stat info;
    scry_status st;
    const size_t n = first_bytes(head, sizeof head, path);
    *f = (image_file){0};
    if (scry_zarr_is(path)) {
        st = scry_zarr_open(&f->zarr, path, series, err);
        if (st == SCRY_OK) f->info = *scry_zarr_describe(f->zarr);
        return st;
    }
    if (!stat(path, &info) && S_ISDIR(info.st_mode))
        return SCRY_FAIL(err, SCRY_EINVAL, "%s is a folder, expected an image", path);
    if (n >= 4 && !memcmp(head, "\x89PNG", 4)) {
        if (!series) return open_png(f, path, err);
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: 1 image in a PNG, numbered from 0: there is no number %zu", path,
                         series);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (n >= others[i].at + others[i].length &&
            !memcmp(head + others[i].at, others[i].bytes, others[i].length))
            return SCRY_FAIL(err, SCRY_EFORMAT,
                             "%s is %s, expected a TIFF (or a PNG): export it, from "
                             "Fiji for one",
                             path, others[i].what);
    st = scry_tiff_open_series(&f->tiff, path, series, err);
    if (st == SCRY_OK) f->info = *scry_tiff_describe(f->tiff);
    return st;
}

void image_file_close(image_file *f)
{
    scry_tiff_close(f->tiff);
    scry_zarr_close(f->zarr);
    scry_free(f->png.pixels);
    *f = (image_file){0};
}

scry_status image_file_read(const image_file *f, size_t c, size_t z, size_t t, float *out,
                            scry_error *err)
{
    const size_t plane = f->info.y * f->info.x;
    if (f->tiff) return scry_tiff_read_plane(f->tiff, c, z, t, out, err);
    if (f->zarr) return scry_zarr_read_plane(f->zarr, c, z, t, out, err);
    if (c >= f->info.c || z || t)
        return SCRY_FAIL(err, SCRY_EINVAL, "plane c %zu, z %zu, t %zu of a PNG of %zu channels", c,
                         z, t, f->info.c);
    memcpy(out, f->png.pixels + c * plane, plane * sizeof *out);
    return SCRY_OK;
}

const char *image_file_warning(const image_file *f, size_t i)
{
    const size_t count = f->tiff   ? scry_tiff_warnings(f->tiff)
                         : f->zarr ? scry_zarr_warnings(f->zarr)
                                   : 0;
    if (i >= count) return NULL;
    return f->tiff ? scry_tiff_warning(f->tiff, i) : scry_zarr_warning(f->zarr, i);
}

void image_file_warn(const image_file *f, const char *path)
{
    const char *text;
    for (size_t i = 0; (text = image_file_warning(f, i)); i++)
        fprintf(stderr, "scry: warning: %s: %s\n", path, text);
}

const char *image_file_kind(const image_file *f)
{
    return f->tiff ? scry_tiff_flavour_name(f->info.flavour) : f->zarr ? "OME-Zarr" : "PNG";
}
