#include "lib/stats/noise_impl.h"

#include "lib/cancel.h"
#include "lib/fft.h"
#include "lib/memory.h"

#include <math.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

/* Shares of a window that may be unknown (they are filled), or at the lowest value. */
static const double may_be_bad = .02, may_be_lowest = .02;
enum { ENOUGH = 8 }; /* windows without clipping, below which clipped ones are used as well */

void scryi_noise_windows_free(struct scryi_noise_windows *w)
{
    scry_free(w->power);
    scry_free(w->mean);
    *w = (struct scryi_noise_windows){0};
}

static double noise_windows_taper(size_t i, size_t side)
{
    const double c = cos(pi * ((double)i + .5 - (double)side / 2) / (double)side);
    return c * c * c * c;
}

/* Starts of windows along an axis: every side/2 pixels, and one at the end. */
static size_t noise_windows_starts(size_t n, size_t side)
{
    return n < side ? 0 : 1 + (n - side + side / 2 - 1) / (side / 2);
}

static size_t start_at(size_t k, size_t n, size_t side)
{
    const size_t at = k * (side / 2);
    return at + side > n ? n - side : at;
}

enum window_use { WINDOW_REFUSED, WINDOW_CLEAN, WINDOW_CLIPPED };

struct grid {
    size_t planes, ny, nx, side, across, down;
};

static size_t grid_corner(const struct grid *g, size_t k)
{
    const size_t each = g->across * g->down, p = k / each, r = k % each;
    return (p * g->ny + start_at(r / g->across, g->ny, g->side)) * g->nx +
           start_at(r % g->across, g->nx, g->side);
}

static enum window_use judge_window(const struct grid *g, const unsigned char *state, size_t corner)
{
    size_t bad = 0, lowest = 0;
    for (size_t i = 0; i < g->side; i++)
        for (size_t j = 0; j < g->side; j++) {
            const unsigned char s = state[corner + i * g->nx + j];
            bad += s == SCRYI_PIXEL_BAD;
            lowest += s == SCRYI_PIXEL_LOWEST;
        }
    const double n = (double)(g->side * g->side);
    if ((double)bad > may_be_bad * n) return WINDOW_REFUSED;
    return (double)lowest > may_be_lowest * n ? WINDOW_CLIPPED : WINDOW_CLEAN;
}

/* Unknown pixels take the mean of their known neighbours in the window, or its mean. */
static void fill_window(float *v, const unsigned char *bad, size_t side, double mean)
{
    for (size_t y = 0; y < side; y++)
        for (size_t x = 0; x < side; x++) {
            if (!bad[y * side + x]) continue;
            double sum = 0;
            size_t n = 0;
            for (size_t i = y ? y - 1 : 0; i <= y + 1 && i < side; i++)
                for (size_t j = x ? x - 1 : 0; j <= x + 1 && j < side; j++)
                    if (!bad[i * side + j]) {
                        sum += v[i * side + j];
                        n++;
                    }
            v[y * side + x] = (float)(n ? sum / (double)n : mean);
        }
}

static void load_window(float *v, float *mean, float *lowest, const struct grid *g,
                        const float *image, const unsigned char *state, size_t corner,
                        const double *t)
{
    unsigned char bad[SCRYI_WINDOW_MAX * SCRYI_WINDOW_MAX];
    const size_t side = g->side;
    double sum = 0, good = 0, piled = 0;
    for (size_t i = 0; i < side * side; i++) {
        const size_t at = corner + i / side * g->nx + i % side;
        bad[i] = state[at] == SCRYI_PIXEL_BAD;
        v[i] = bad[i] ? 0 : image[at];
        sum += v[i];
        good += !bad[i];
        piled += state[at] == SCRYI_PIXEL_LOWEST;
    }
    fill_window(v, bad, side, sum / good);
    double level = 0, weights = 0, brightness = 0, squares = 0;
    for (size_t i = 0; i < side * side; i++) {
        const double w = t[i / side] * t[i % side];
        level += w * v[i];
        weights += w;
        brightness += w * w * v[i];
        squares += w * w;
    }
    level /= weights;
    for (size_t i = 0; i < side * side; i++)
        v[i] = (float)((v[i] - level) * t[i / side] * t[i % side] / sqrt(squares));
    *mean = (float)(brightness / squares);
    *lowest = (float)(piled / (double)(side * side));
}

/* The windows to use, at most SCRYI_WINDOWS_MAX spread evenly over all that may be. */
static size_t choose_windows(size_t *corners, const struct grid *g, const unsigned char *state,
                             bool clipped)
{
    const size_t total = g->planes * g->across * g->down;
    size_t fit = 0, taken = 0, seen = 0;
    for (size_t k = 0; k < total; k++) {
        const enum window_use u = judge_window(g, state, grid_corner(g, k));
        fit += u == WINDOW_CLEAN || (clipped && u == WINDOW_CLIPPED);
    }
    const size_t want = fit < SCRYI_WINDOWS_MAX ? fit : SCRYI_WINDOWS_MAX;
    for (size_t k = 0; k < total && taken < want; k++) {
        const size_t corner = grid_corner(g, k);
        const enum window_use u = judge_window(g, state, corner);
        if (u != WINDOW_CLEAN && !(clipped && u == WINDOW_CLIPPED)) continue;
        if (seen++ * want / fit >= taken) corners[taken++] = corner;
    }
    return taken;
}

scry_status scryi_noise_windows_create(struct scryi_noise_windows *w, const float *image,
                                       const struct scryi_noise_mask *m, size_t side,
                                       scry_error *err)
{
    const struct grid g = {m->planes,
                           m->ny,
                           m->nx,
                           side,
                           noise_windows_starts(m->nx, side),
                           noise_windows_starts(m->ny, side)};
    const size_t dims[2] = {side, side}, half = side / 2 + 1;
    double t[SCRYI_WINDOW_MAX];
    float *v = NULL;
    float complex *V = NULL;
    void *work = NULL;
    size_t *corners = NULL;
    scry_fft *fft = NULL;
    *w = (struct scryi_noise_windows){.side = side, .bins = side * half};
    if (!g.across || !g.down) return SCRY_OK;
    scry_status st = scry_fft_create_real(&fft, 2, dims, err);
    if (st != SCRY_OK) return st;
    corners = scry_alloc(SCRYI_WINDOWS_MAX, sizeof *corners);
    v = scry_alloc(side * side, sizeof *v);
    V = scry_alloc(w->bins, sizeof *V);
    work = scry_alloc(1, scry_fft_work_bytes(fft));
    if (!corners || !v || !V || !work) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "windows of %zu pixels", side);
        goto done;
    }
    w->count = choose_windows(corners, &g, m->state, false);
    if (w->count < ENOUGH) {
        const size_t clean = w->count;
        w->count = choose_windows(corners, &g, m->state, true);
        w->censored = w->count - clean;
    }
    w->power = scry_alloc(w->count * w->bins, sizeof *w->power);
    w->mean = scry_alloc(2 * w->count, sizeof *w->mean);
    if (!w->power || !w->mean) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "spectra of %zu windows", w->count);
        goto done;
    }
    w->lowest = w->mean + w->count;
    for (size_t i = 0; i < side; i++)
        t[i] = noise_windows_taper(i, side);
    for (size_t k = 0; k < w->count; k++) {
        if ((st = scry_cancel_check(err)) != SCRY_OK) goto done;
        load_window(v, &w->mean[k], &w->lowest[k], &g, image, m->state, corners[k], t);
        scry_fft_forward_real(fft, V, v, work);
        for (size_t i = 0; i < w->bins; i++)
            w->power[k * w->bins + i] = crealf(V[i]) * crealf(V[i]) + cimagf(V[i]) * cimagf(V[i]);
    }
done:
    if (st != SCRY_OK) scryi_noise_windows_free(w);
    scry_fft_free(fft);
    scry_free(corners);
    scry_free(v);
    scry_free(V);
    scry_free(work);
    return st;
}

/* |transform|^2 of the taper: 36, 16, 1 at distances 0, 1, 2, of sum 70. */
static const float kernel[5] = {1 / 70.f, 16 / 70.f, 36 / 70.f, 16 / 70.f, 1 / 70.f};

void scryi_noise_smear(float *S, float *scratch, size_t side)
{
    const size_t half = side / 2 + 1;
    for (size_t i = 0; i < side; i++)
        for (size_t j = 0; j < half; j++) {
            float sum = 0;
            for (size_t k = 0; k < 5; k++)
                sum += kernel[k] * S[(i + side + k - 2) % side * half + j];
            scratch[i * half + j] = sum;
        }
    for (size_t i = 0; i < side; i++)
        for (size_t j = 0; j < half; j++) {
            float sum = 0;
            for (size_t k = 0; k < 5; k++) { /* column -j of row i is column j of row -i */
                const size_t c = (j + side + k - 2) % side;
                sum += kernel[k] * (c < half ? scratch[i * half + c]
                                             : scratch[(side - i) % side * half + side - c]);
            }
            S[i * half + j] = sum;
        }
}
