#include "apps/recon/image/tiles_impl.h"

#include "apps/recon/image/noise.h"
#include "lib/memory.h"
#include "operators/blur.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Pixels: tiles are multiples of STEP larger than their overlap; answers are mixed over 2 RAMP. */
enum { STEP = 32, CORE_MIN = 64, RAMP = 8 };

/* ---- their shape ---- */

size_t scryi_tiles_count(const struct scryi_tiles *t)
{
    return t->y.count * t->x.count;
}

static struct scryi_tile_axis tile_axis(size_t length, size_t core, size_t overlap)
{
    const size_t window = core + overlap;
    struct scryi_tile_axis a = {length, length, overlap, 1};
    if (window >= length) return a;
    a.window = window;
    a.count = (length - window - 1) / core + 2;
    return a;
}

static scry_space tile_space(const struct scryi_tiles *t, const scry_space *image)
{
    scry_space s = *image;
    s.dims[s.rank - 2] = t->y.window;
    s.dims[s.rank - 1] = t->x.window;
    return s;
}

double scryi_tiles_bytes(const struct scryi_tiles *t, const scry_space *image,
                         const scry_space *psf, const struct scryi_tile_cost *cost)
{
    scry_space tile = tile_space(t, image);
    scry_window w = {.outer = tile};
    scry_error unsaid = {0};
    const scry_boundary boundary = psf && psf->rank == 3 ? SCRY_JOINED : SCRY_OPEN;
    if (psf && scry_blur_domain(&w, &tile, psf, boundary, 1, &unsaid) != SCRY_OK) w.outer = tile;
    return cost->fixed * (double)scry_space_count(image) +
           cost->each * (double)scry_space_count(&w.outer);
}

/* Cores of `core` pixels; the overlap is the support of the PSF. */
static struct scryi_tiles tiles_of(const scry_space *image, const scry_space *psf, size_t core)
{
    const int r = image->rank;
    const size_t ky = psf ? psf->dims[psf->rank - 2] : 1, kx = psf ? psf->dims[psf->rank - 1] : 1;
    return (struct scryi_tiles){tile_axis(image->dims[r - 2], core, ky < 2 * RAMP ? 2 * RAMP : ky),
                                tile_axis(image->dims[r - 1], core, kx < 2 * RAMP ? 2 * RAMP : kx)};
}

scry_status scryi_tiles_plan(struct scryi_tiles *out, const scry_space *image,
                             const scry_space *psf, const struct scryi_tile_cost *cost,
                             double bytes, scry_error *err)
{
    const int r = image->rank;
    const size_t ny = image->dims[r - 2], nx = image->dims[r - 1], side = ny > nx ? ny : nx;
    char text[64];
    *out = tiles_of(image, psf, side);
    if (!(bytes > 0) || scryi_tiles_bytes(out, image, psf, cost) <= bytes) return SCRY_OK;
    for (size_t core = side / STEP * STEP; core >= CORE_MIN; core -= STEP) {
        *out = tiles_of(image, psf, core);
        if (scryi_tiles_bytes(out, image, psf, cost) <= bytes) return SCRY_OK;
    }
    const double pixels = fmax(bytes - scryi_tiles_bytes(out, image, psf, cost) +
                                   cost->fixed * (double)scry_space_count(image),
                               0) /
                          cost->fixed;
    const double depth = r == 3 ? (double)image->dims[0] : 1;
    const size_t part = (size_t)sqrt(pixels / depth) / STEP * STEP;
    scry_fail(err, SCRY_ENOMEM, __func__,
              "%s pixels take %.3g GB in the smallest tiles, %zu x %zu pixels, the memory is %.3g "
              "GB: ",
              scry_space_print(image, text, sizeof text),
              1e-9 * scryi_tiles_bytes(out, image, psf, cost), out->y.window, out->x.window,
              1e-9 * bytes);
    if (err) {
        const size_t used = strlen(err->text);
        if (part >= CORE_MIN)
            snprintf(err->text + used, sizeof err->text - used,
                     "parts of the image of %zu x %zu pixels would fit", part, part);
        else
            snprintf(err->text + used, sizeof err->text - used, "expected a smaller image");
    }
    return SCRY_ENOMEM;
}

/* ---- one after the other ---- */

static size_t tile_start(const struct scryi_tile_axis *a, size_t number)
{
    if (a->count == 1) return 0;
    const double gap = (double)(a->length - a->window);
    return (size_t)(gap * (double)number / (double)(a->count - 1) + 0.5);
}

/* The share of tile `number` at pixel `at` of the image: it rises from 0 to 1 over 2 RAMP pixels in
 * the middle of the overlap with its neighbour. */
static double tile_share(const struct scryi_tile_axis *a, size_t number, size_t at)
{
    double share = 1;
    for (int side = 0; side < 2; side++) {
        if (number + (size_t)side < 1 || number + (size_t)side >= a->count) continue;
        const size_t low = tile_start(a, number + (size_t)side); /* of the overlap */
        const size_t high = tile_start(a, number + (size_t)side - 1) + a->window;
        const double middle = (double)(low + high) / 2;
        const double rise = ((double)at + 0.5 - middle + RAMP) / (2 * RAMP);
        const double up = fmin(fmax(rise, 0), 1);
        share *= side ? 1 - up : up;
    }
    return share;
}

/* The pixels of one tile. */
struct tile {
    scry_image image;
    float *pixels;
    unsigned char *known;
    size_t top, left, height, width, planes, ny, nx;
};

static scry_status tile_alloc(struct tile *p, const struct scryi_tiles *t, const scry_image *image,
                              scry_error *err)
{
    *p = (struct tile){.image = *image,
                       .height = t->y.window,
                       .width = t->x.window,
                       .ny = t->y.length,
                       .nx = t->x.length};
    p->image.space = tile_space(t, &image->space);
    p->planes = scry_space_count(&image->space) / (p->ny * p->nx);
    const size_t n = scry_space_count(&p->image.space);
    p->pixels = scry_alloc(n, sizeof *p->pixels);
    if (image->known) p->known = scry_alloc(n, 1);
    p->image.pixels = p->pixels;
    p->image.known = p->known;
    return p->pixels && (p->known || !image->known)
               ? SCRY_OK
               : SCRY_FAIL(err, SCRY_ENOMEM, "a tile of %zu pixels", n);
}

/* Where row `row` (of all planes) of the tile begins in the image. */
static size_t tile_row(const struct tile *p, size_t row)
{
    return ((row / p->height) * p->ny + p->top + row % p->height) * p->nx + p->left;
}

static void tile_cut(struct tile *p, const struct scryi_tiles *t, const scry_image *image,
                     size_t number)
{
    p->top = tile_start(&t->y, number / t->x.count);
    p->left = tile_start(&t->x, number % t->x.count);
    for (size_t row = 0; row < p->planes * p->height; row++) {
        const size_t from = tile_row(p, row);
        memcpy(p->pixels + row * p->width, image->pixels + from, p->width * sizeof *p->pixels);
        if (p->known) memcpy(p->known + row * p->width, image->known + from, p->width);
    }
}

/* to += share * from; NaN stays NaN. */
static void tile_add(float *to, const float *from, const struct tile *p,
                     const struct scryi_tiles *t, size_t number)
{
    for (size_t row = 0; row < p->planes * p->height; row++) {
        const double share = tile_share(&t->y, number / t->x.count, p->top + row % p->height);
        float *out = to + tile_row(p, row);
        if (!(share > 0)) continue;
        for (size_t x = 0; x < p->width; x++) {
            const double w = share * tile_share(&t->x, number % t->x.count, p->left + x);
            if (w > 0) out[x] += (float)(w * from[row * p->width + x]);
        }
    }
}

/* The tile with the most light. */
static size_t tiles_brightest(const struct scryi_tiles *t, const scry_image *image)
{
    const size_t nx = t->x.length, plane = t->y.length * nx;
    const float *middle = image->pixels + scry_space_count(&image->space) / plane / 2 * plane;
    size_t best = 0;
    double most = -INFINITY;
    for (size_t k = 0; k < scryi_tiles_count(t); k++) {
        const size_t top = tile_start(&t->y, k / t->x.count);
        const size_t left = tile_start(&t->x, k % t->x.count);
        double sum = 0;
        for (size_t y = top; y < top + t->y.window; y += 4)
            for (size_t x = left; x < left + t->x.window; x += 4)
                if (isfinite(middle[y * nx + x])) sum += (double)middle[y * nx + x];
        if (sum <= most) continue;
        most = sum;
        best = k;
    }
    return best;
}

/* What the first tile gave stays, without its images; measured pixels weigh chi2. */
static void tiles_merge(scry_restore_result *all, scry_restore_result *one, bool first)
{
    if (first) {
        float *const mean = all->mean, *const maps = all->maps, *const predicted = all->predicted;
        *all = *one;
        all->mean = mean;
        all->maps = maps;
        all->predicted = predicted;
        one->psf = NULL; /* the whole's now */
        return;
    }
    const double before = (double)all->diagnosis.measured, now = (double)one->diagnosis.measured;
    const double share = now / fmax(before + now, 1);
    all->diagnosis.chi2 += share * (one->diagnosis.chi2 - all->diagnosis.chi2);
    all->diagnosis.draws_chi2 += share * (one->diagnosis.draws_chi2 - all->diagnosis.draws_chi2);
    all->diagnosis.measured += one->diagnosis.measured;
    all->failed += one->failed;
    all->excluded += one->excluded;
    all->counts.denoise += one->counts.denoise;
    all->counts.vjp += one->counts.vjp;
    all->counts.forward += one->counts.forward;
    all->counts.adjoint += one->counts.adjoint;
    all->counts.solves += one->counts.solves;
    all->counts.unconverged += one->counts.unconverged;
    if (one->samples < all->samples) all->samples = one->samples;
    if (one->work_bytes > all->work_bytes) all->work_bytes = one->work_bytes;
}

static void tiles_flux(scry_restore_result *out, const scry_image *image)
{
    out->flux_in = out->flux_out = 0;
    for (size_t i = 0; i < scry_space_count(&image->space); i++) {
        if ((image->known && !image->known[i]) || !isfinite(image->pixels[i])) continue;
        out->flux_in += scry_noise_to_physical(&out->noise, (double)image->pixels[i]);
        out->flux_out += scry_noise_to_physical(&out->noise, (double)out->mean[i]);
    }
}

scry_status scryi_tiles_run(scry_restore_result *out, const struct scryi_tiles *t,
                            const scry_image *image, size_t maps, scryi_tile_run *run, void *ctx,
                            scry_error *err)
{
    const size_t n = scry_space_count(&image->space), count = scryi_tiles_count(t);
    const size_t start = tiles_brightest(t, image);
    struct tile tile;
    *out = (scry_restore_result){0};
    scry_status st = tile_alloc(&tile, t, image, err);
    out->mean = scry_alloc(n, sizeof *out->mean);
    if (maps) out->maps = scry_alloc(n * maps, sizeof *out->maps);
    if (st == SCRY_OK && (!out->mean || (maps && !out->maps)))
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%zu results of %zu pixels", 1 + maps, n);
    const size_t part = scry_space_count(&tile.image.space);
    for (size_t k = 0; k < count && st == SCRY_OK; k++) {
        const size_t number = (start + k) % count;
        scry_restore_result one = {0};
        tile_cut(&tile, t, image, number);
        st = run(ctx, &one, &tile.image, number, err);
        tile.image.number = image->number + 1; /* findings that hold for all were logged */
        if (st == SCRY_OK && one.predicted && !out->predicted &&
            !(out->predicted = scry_alloc(n, sizeof *out->predicted)))
            st = SCRY_FAIL(err, SCRY_ENOMEM, "a prediction of %zu pixels", n);
        if (st == SCRY_OK) tiles_merge(out, &one, k == 0);
        if (st == SCRY_OK) tile_add(out->mean, one.mean, &tile, t, number);
        for (size_t m = 0; m < maps && st == SCRY_OK; m++)
            tile_add(out->maps + m * n, one.maps + m * part, &tile, t, number);
        if (st == SCRY_OK && out->predicted)
            tile_add(out->predicted, one.predicted, &tile, t, number);
        scry_restore_result_free(&one);
    }
    if (st == SCRY_OK) tiles_flux(out, image);
    scry_free(tile.pixels);
    scry_free(tile.known);
    return st;
}

/* ---- a part for the whole ---- */

scry_status scryi_tile_sample_take(struct scryi_tile_sample *s, const scry_image *image,
                                   size_t pixels, scry_error *err)
{
    const scry_space *space = &image->space;
    const int r = space->rank;
    const size_t planes = r == 3 ? space->dims[0] : 1;
    const size_t side = (size_t)sqrt((double)pixels / (double)planes);
    *s = (struct scryi_tile_sample){.image = *image};
    if (scry_space_count(space) <= pixels) return SCRY_OK;
    const struct scryi_tiles t = {tile_axis(space->dims[r - 2], side < STEP ? STEP : side, 0),
                                  tile_axis(space->dims[r - 1], side < STEP ? STEP : side, 0)};
    struct tile tile;
    const scry_status st = tile_alloc(&tile, &t, image, err);
    if (st == SCRY_OK) tile_cut(&tile, &t, image, tiles_brightest(&t, image));
    *s = (struct scryi_tile_sample){tile.image, tile.pixels, tile.known};
    return st;
}

void scryi_tile_sample_free(struct scryi_tile_sample *s)
{
    scry_free(s->pixels);
    scry_free(s->known);
}
