#include "apps/cli/train_files.h"

#include "apps/cli/image_file.h"
#include "lib/cancel.h"
#include "lib/io/hdf5.h"
#include "lib/io/nifti.h"
#include "lib/io/npy.h"
#include "lib/memory.h"

#include <dirent.h>
#include <glob.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define PLANES 16   /* of one array */
#define NAMED 12    /* files left out whose names are printed */
#define DEPTH 16    /* folders within folders */
#define SIDE_MIN 32 /* of a plane, below which an array is taken for something else */

typedef struct train_collector {
    train_found *found;
    scry_image_set *set;
    size_t root; /* characters of a path before the part that names a class */
} train_collector;

static void leave_out(const train_collector *c, const char *path, const char *why)
{
    train_found *f = c->found;
    f->skipped++;
    if (!f->to || f->skipped > NAMED + 1) return;
    if (f->skipped <= NAMED)
        fprintf(f->to, "left out: %s: %s\n", path, why);
    else
        fprintf(f->to, "left out: more, not named here\n");
}

/* One plane; only a refusal of memory is a failure. */
static scry_status add_plane(const train_collector *c, const char *name, const float *pixels,
                             size_t ny, size_t nx, const char *class, bool held_out,
                             scry_error *err)
{
    scry_error own = {0};
    scry_image_report report;
    const scry_status st =
        scry_image_set_add(c->set, &report, pixels, ny, nx, class, held_out, &own);
    if (st == SCRY_ENOMEM || st == SCRY_ESTOP) {
        if (err) *err = own;
        return st;
    }
    if (st != SCRY_OK) {
        leave_out(c, name, own.text);
        return SCRY_OK;
    }
    train_found *f = c->found;
    f->images++;
    f->noise += (report.noise - f->noise) / (double)f->images;
    f->detail += (report.detail - f->detail) / (double)f->images;
    if (f->noisiest < report.noise) f->noisiest = report.noise;
    c->found->smaller += report.factor > 1;
    c->found->weak += report.weight < 1;
    return SCRY_OK;
}

/* Planes 0 .. count - 1 of an array, at most PLANES of them. */
static scry_status add_planes(const train_collector *c, const char *name, const float *pixels,
                              size_t count, size_t ny, size_t nx, const char *class, bool held_out,
                              scry_error *err)
{
    const size_t kept = count < PLANES ? count : PLANES;
    scry_status st = SCRY_OK;
    for (size_t k = 0; k < kept && st == SCRY_OK; k++) {
        const size_t plane = (2 * k + 1) * count / (2 * kept);
        st = add_plane(c, name, pixels + plane * ny * nx, ny, nx, class, held_out, err);
    }
    return st;
}

/* The folder in the folder that was named, or "all". */
static void class_of(char *class, size_t size, const train_collector *c, const char *path)
{
    const char *part = path + c->root, *slash = strchr(part, '/');
    snprintf(class, size, "%.*s", slash ? (int)(slash - part) : 3, slash ? part : "all");
}

/* ---- the formats ---- */

static scry_status add_picture(const train_collector *c, const char *path, const char *class,
                               scry_error *err)
{
    image_file f;
    scry_error own = {0};
    if (image_file_open(&f, path, &own) != SCRY_OK) {
        leave_out(c, path, own.text);
        return SCRY_OK;
    }
    const scry_tiff_info *i = &f.info;
    const size_t n = i->y * i->x, colours = i->rgb ? 3 : 1;
    const size_t channels = i->rgb ? 1 : i->c, count = channels * i->z * i->t;
    const size_t kept = count < PLANES ? count : PLANES;
    c->found->coloured += i->rgb;
    float *plane = scry_alloc(n, sizeof *plane), *sum = scry_alloc(n, sizeof *sum);
    scry_status st = plane && sum ? SCRY_OK : SCRY_FAIL(err, SCRY_ENOMEM, "%s", path);
    for (size_t k = 0; k < kept && st == SCRY_OK; k++) {
        const size_t at = (2 * k + 1) * count / (2 * kept);
        const size_t channel = at % channels, z = at / channels % i->z, t = at / channels / i->z;
        bool good = true;
        if (!i->rgb && scry_tiff_is_alpha(i, channel)) continue;
        memset(sum, 0, n * sizeof *sum);
        for (size_t s = 0; s < colours && good; s++) {
            good = image_file_read(&f, channel + s, z, t, plane, &own) == SCRY_OK;
            for (size_t p = 0; p < n; p++)
                sum[p] += plane[p];
        }
        if (good)
            st = add_plane(c, path, sum, i->y, i->x, class, false, err);
        else
            leave_out(c, path, own.text);
        own = (scry_error){0};
    }
    scry_free(plane);
    scry_free(sum);
    image_file_close(&f);
    return st;
}

/* "train/nuclei/a17" to its class; whether it is to be held out. */
static bool split_of(char *class, size_t size, const char *name)
{
    const char *one = strchr(name, '/'), *two = one ? strchr(one + 1, '/') : NULL;
    if (two) snprintf(class, size, "%.*s", (int)(two - one - 1), one + 1);
    return !strncmp(name, "test/", 5);
}

static scry_status add_arrays(const train_collector *c, const char *path, const char *class,
                              scry_error *err)
{
    scry_npy *f;
    scry_error own = {0};
    scry_status st = SCRY_OK;
    if (scry_npy_open(&f, path, &own) != SCRY_OK) {
        leave_out(c, path, own.text);
        return SCRY_OK;
    }
    for (size_t i = 0; i < scry_npy_count(f) && st == SCRY_OK; i++) {
        const scry_npy_info *a = scry_npy_get(f, i);
        char name[4400], kind[64];
        snprintf(name, sizeof name, "%s%s%s", path, a->name[0] ? ":" : "", a->name);
        snprintf(kind, sizeof kind, "%s", class);
        const bool test = split_of(kind, sizeof kind, a->name);
        if (a->rank < 2 || a->dims[a->rank - 2] < SIDE_MIN || a->dims[a->rank - 1] < SIDE_MIN) {
            leave_out(c, name, "no image of at least 32 x 32");
            continue;
        }
        const size_t ny = a->dims[a->rank - 2], nx = a->dims[a->rank - 1];
        float *pixels = scry_alloc(a->count, sizeof *pixels);
        if (!pixels)
            st = SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu values", name, a->count);
        else if (scry_npy_read(f, i, pixels, &own) == SCRY_OK)
            st = add_planes(c, name, pixels, a->count / (ny * nx), ny, nx, kind, test, err);
        else
            leave_out(c, name, own.text);
        own = (scry_error){0};
        scry_free(pixels);
    }
    scry_npy_close(f);
    return st;
}

static scry_status add_dataset(const train_collector *c, const scry_hdf5 *f,
                               const scry_hdf5_info *d, const char *path, const char *class,
                               scry_error *err)
{
    char name[4400];
    scry_error own = {0};
    const size_t ny = d->dims[d->rank - 2], nx = d->dims[d->rank - 1], each = ny * nx;
    const bool cplx = d->kind == SCRY_HDF5_COMPLEX;
    snprintf(name, sizeof name, "%s:%s", path, d->name);
    float *pixels = scry_alloc(d->count, (cplx ? 2 : 1) * sizeof *pixels);
    if (!pixels) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu values", name, d->count);
    scry_status st =
        cplx ? scry_hdf5_read_complex(f, d->name, NULL, NULL, (float complex *)(void *)pixels, &own)
             : scry_hdf5_read_float(f, d->name, NULL, NULL, pixels, &own);
    for (size_t i = 0; i < d->count && cplx && st == SCRY_OK; i++)
        pixels[i] = hypotf(pixels[2 * i], pixels[2 * i + 1]);
    if (st == SCRY_OK)
        st = add_planes(c, name, pixels, d->count / each, ny, nx, class, false, err);
    else {
        leave_out(c, name, own.text);
        st = SCRY_OK;
    }
    scry_free(pixels);
    return st;
}

static scry_status add_hdf5(const train_collector *c, const char *path, const char *class,
                            scry_error *err)
{
    scry_hdf5 *f = NULL;
    scry_hdf5_info *list = NULL;
    scry_error own = {0};
    size_t count = 0, taken = 0;
    scry_status st = scry_hdf5_open(&f, path, &own);
    if (st == SCRY_OK) st = scry_hdf5_list(&list, &count, f, &own);
    if (st != SCRY_OK) {
        leave_out(c, path, own.text);
        scry_hdf5_close(f);
        return SCRY_OK;
    }
    for (size_t i = 0; i < count && st == SCRY_OK; i++) {
        const scry_hdf5_info *d = &list[i];
        const bool numbers = d->kind == SCRY_HDF5_NUMBER || d->kind == SCRY_HDF5_COMPLEX;
        if (!numbers || d->rank < 2 || d->dims[d->rank - 2] < SIDE_MIN ||
            d->dims[d->rank - 1] < SIDE_MIN || !strcmp(d->name, "kspace"))
            continue;
        taken++;
        st = add_dataset(c, f, d, path, class, err);
    }
    if (!taken) leave_out(c, path, "no dataset whose last two axes are an image");
    scry_free(list);
    scry_hdf5_close(f);
    return st;
}

static scry_status add_nifti(const train_collector *c, const char *path, const char *class,
                             scry_error *err)
{
    scry_nifti n = {0};
    scry_error own = {0};
    if (scry_nifti_read(&n, path, &own) != SCRY_OK) {
        leave_out(c, path, own.text);
        return SCRY_OK;
    }
    const size_t count = n.nt * n.nz * n.ny * n.nx;
    for (size_t i = 0; i < count && n.cplx; i++)
        n.values[i] = hypotf(n.values[2 * i], n.values[2 * i + 1]);
    const scry_status st =
        add_planes(c, path, n.values, n.nt * n.nz, n.ny, n.nx, class, false, err);
    scry_nifti_clear(&n);
    return st;
}

/* ---- files and folders ---- */

static bool files_ends(const char *path, const char *ending)
{
    const size_t n = strlen(path), m = strlen(ending);
    return n >= m && !strcasecmp(path + n - m, ending);
}

/* named: by the user; other files of a folder are passed over when they are not images. */
static scry_status add_file(const train_collector *c, const char *path, bool named, scry_error *err)
{
    static const struct {
        const char *ending;
        scry_status (*add)(const train_collector *c, const char *path, const char *class,
                           scry_error *err);
    } formats[] = {{".tif", add_picture}, {".tiff", add_picture}, {".png", add_picture},
                   {".npy", add_arrays},  {".npz", add_arrays},   {".h5", add_hdf5},
                   {".hdf5", add_hdf5},   {".nii", add_nifti},    {".nii.gz", add_nifti},
                   {".zarr", add_picture}};
    char class[64];
    const scry_status st = scry_cancel_check(err);
    if (st != SCRY_OK) return st;
    class_of(class, sizeof class, c, path);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (files_ends(path, formats[i].ending)) {
            c->found->files++;
            return formats[i].add(c, path, class, err);
        }
    if (named) leave_out(c, path, "expected .tif, .zarr, .png, .npy, .npz, .h5 or .nii");
    return SCRY_OK;
}

static int files_visible(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static scry_status add_folder(const train_collector *c, const char *path, int depth,
                              scry_error *err)
{
    struct dirent **entries;
    scry_status st = SCRY_OK;
    const int count = depth < DEPTH ? scandir(path, &entries, files_visible, alphasort) : -1;
    if (count < 0) {
        leave_out(c, path, "cannot be read");
        return SCRY_OK;
    }
    for (int i = 0; i < count; i++) {
        char name[4096];
        struct stat info;
        const int n = snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
        if (st == SCRY_OK && n > 0 && (size_t)n < sizeof name && !stat(name, &info))
            st = S_ISDIR(info.st_mode) && !scry_zarr_is(name) ? add_folder(c, name, depth + 1, err)
                                                              : add_file(c, name, false, err);
        free(entries[i]);
    }
    free(entries);
    return st;
}

static scry_status add_word(train_collector *c, const char *word, scry_error *err)
{
    struct stat info;
    glob_t g = {0};
    scry_status st = SCRY_OK;
    if (glob(word, 0, NULL, &g)) {
        globfree(&g);
        return SCRY_FAIL(err, SCRY_EINVAL, "'%s': no such file, folder or pattern", word);
    }
    for (size_t i = 0; i < g.gl_pathc && st == SCRY_OK; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s", g.gl_pathv[i]);
        size_t n = strlen(path);
        while (n > 1 && path[n - 1] == '/')
            path[--n] = '\0';
        const char *slash = strrchr(path, '/');
        if (stat(path, &info)) continue;
        if (S_ISDIR(info.st_mode) && !scry_zarr_is(path)) {
            c->root = n + 1;
            st = add_folder(c, path, 0, err);
        } else {
            c->root = slash ? (size_t)(slash - path) + 1 : 0;
            st = add_file(c, path, true, err);
        }
    }
    globfree(&g);
    return st;
}

scry_status train_files_add(train_found *found, scry_image_set *set, const char *const *paths,
                            size_t count, scry_error *err)
{
    scry_status st = SCRY_OK;
    train_collector c = {.found = found, .set = set};
    for (size_t i = 0; i < count && st == SCRY_OK; i++)
        st = add_word(&c, paths[i], err);
    return st;
}
