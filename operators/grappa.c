#include "operators/grappa.h"
#include "operators/hermitian_impl.h"

#include "lib/cancel.h"
#include "lib/memory.h"
#include "lib/parallel.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { MAX_LINES = 16 };

void scry_grappa_opts_init(scry_grappa_opts *opts)
{
    *opts = (scry_grappa_opts){.lines = 4, .samples = 5, .ridge = 0.01};
}

/* The acquired lines that a missing one is made from, and the weights of their samples. */
struct pattern {
    ptrdiff_t offset[MAX_LINES];
    size_t count;
    float complex *weight; /* (coils, coils, count, samples); NULL: not calibrated yet */
};

struct grappa {
    const struct scry_grappa_grid *grid;
    scry_grappa_opts o;
    size_t lines, samples, line_step, sample_step;
    bool *acquired, *calibrating; /* of each line */
    size_t widest;                /* step between neighbouring acquired lines, at most */
    struct pattern *patterns;     /* as many as lines, at most */
    size_t count;
};

static const float complex *grappa_at(const struct grappa *g, const float complex *data, size_t c,
                                      size_t line)
{
    return data + c * g->grid->ny * g->grid->nx + line * g->line_step;
}

/* ---- lines ---- */

static scry_status grappa_lines(const struct grappa *g, bool *line, const unsigned char *mask,
                                const char *what, scry_error *err)
{
    for (size_t l = 0; l < g->lines; l++) {
        size_t held = 0;
        for (size_t s = 0; s < g->samples; s++)
            held += mask[l * g->line_step + s * g->sample_step] != 0;
        line[l] = held > 0;
        if (held && held < g->samples)
            return SCRY_FAIL(err, SCRY_EUNSUP,
                             "line %zu of the %s has %zu of %zu samples: GRAPPA fills whole lines, "
                             "expected each to be whole or missing",
                             l, what, held, g->samples);
    }
    return SCRY_OK;
}

/* The nearest acquired lines of a missing one; false: it is to be left out. */
static bool find_offsets(const struct grappa *g, size_t line, struct pattern *p)
{
    const size_t half = g->o.lines / 2;
    ptrdiff_t below[MAX_LINES];
    size_t before = 0, after = 0, nearest = SIZE_MAX;
    *p = (struct pattern){0};
    for (size_t d = 1; d <= line && before < half; d++)
        if (g->acquired[line - d]) {
            below[before++] = -(ptrdiff_t)d;
            if (d < nearest) nearest = d;
        }
    for (size_t k = before; k--;)
        p->offset[p->count++] = below[k];
    for (size_t d = 1; line + d < g->lines && after < half; d++)
        if (g->acquired[line + d]) {
            p->offset[p->count++] = (ptrdiff_t)d;
            after++;
            if (d < nearest) nearest = d;
        }
    return (before && after) || nearest < g->widest;
}

static struct pattern *grappa_pattern(struct grappa *g, const struct pattern *p)
{
    for (size_t i = 0; i < g->count; i++)
        if (g->patterns[i].count == p->count &&
            !memcmp(g->patterns[i].offset, p->offset, p->count * sizeof *p->offset))
            return &g->patterns[i];
    g->patterns[g->count] = *p;
    return &g->patterns[g->count++];
}

/* ---- weights ---- */

/* Does line l calibrate the pattern? */
static bool grappa_calibrates(const struct grappa *g, const struct pattern *p, size_t l)
{
    if (!g->calibrating[l]) return false;
    for (size_t k = 0; k < p->count; k++) {
        const ptrdiff_t at = (ptrdiff_t)l + p->offset[k];
        if (at < 0 || (size_t)at >= g->lines || !g->calibrating[at]) return false;
    }
    return true;
}

static size_t grappa_unknowns(const struct grappa *g, const struct pattern *p)
{
    return g->grid->coils * p->count * g->o.samples;
}

/* One equation a row: its sources (coil, line, sample), then its targets (coil); over `largest`. */
static void fill_equations(scryi_planes *E, const struct grappa *g, const struct pattern *p,
                           const float complex *calibration, float largest)
{
    const size_t coils = g->grid->coils, w = g->o.samples, half = w / 2;
    size_t row = 0;
    for (size_t l = 0; l < g->lines; l++) {
        if (!grappa_calibrates(g, p, l)) continue;
        for (size_t s = half; s + half < g->samples; s++, row++) {
            float *re = E->re + row * E->ld, *im = E->im + row * E->ld;
            for (size_t c = 0; c < coils; c++)
                for (size_t k = 0; k < p->count; k++)
                    for (size_t j = 0; j < w; j++) {
                        const size_t line = (size_t)((ptrdiff_t)l + p->offset[k]);
                        const float complex v =
                            grappa_at(g, calibration, c, line)[(s - half + j) * g->sample_step];
                        *re++ = crealf(v) / largest;
                        *im++ = cimagf(v) / largest;
                    }
            for (size_t c = 0; c < coils; c++) {
                const float complex v = grappa_at(g, calibration, c, l)[s * g->sample_step];
                *re++ = crealf(v) / largest;
                *im++ = cimagf(v) / largest;
            }
        }
    }
}

/* x = (L L^H)^-1 b, in place. */
static void grappa_solve(double complex *x, const double complex *L, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++)
            x[i] -= L[i * n + k] * x[k];
        x[i] /= creal(L[i * n + i]);
    }
    for (size_t i = n; i--;) {
        for (size_t k = i + 1; k < n; k++)
            x[i] -= conj(L[k * n + i]) * x[k];
        x[i] /= creal(L[i * n + i]);
    }
}

/* The weights from the Gram matrix of the equations: sources are its first n columns. */
static scry_status solve_weights(struct pattern *p, const struct grappa *g, const scryi_planes *G,
                                 size_t n, scry_error *err)
{
    const size_t coils = g->grid->coils;
    double complex *L = scry_alloc(n * n, sizeof *L), *x = scry_alloc(n, sizeof *x);
    double trace = 0;
    scry_status st = SCRY_OK;
    p->weight = scry_alloc(coils * n, sizeof *p->weight);
    if (!L || !x || !p->weight) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "weights of %zu unknowns", n);
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        trace += (double)G->re[i * G->ld + i];
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++)
            L[i * n + k] = (double)G->re[i * G->ld + k] + (double)G->im[i * G->ld + k] * I;
        L[i * (n + 1)] += g->o.ridge * trace / (double)n;
    }
    if (scryi_cholesky(L, L, n) < n) {
        st = SCRY_FAIL(err, SCRY_ENUMERIC,
                       "the calibration lines do not determine %zu weights: a larger ridge than "
                       "%g is needed",
                       n, g->o.ridge);
        goto done;
    }
    for (size_t c = 0; c < coils; c++) {
        for (size_t i = 0; i < n; i++)
            x[i] = (double)G->re[i * G->ld + n + c] + (double)G->im[i * G->ld + n + c] * I;
        grappa_solve(x, L, n);
        for (size_t i = 0; i < n; i++)
            p->weight[c * n + i] = (float complex)x[i];
    }
done:
    scry_free(L);
    scry_free(x);
    return st;
}

static scry_status grappa_calibrate(struct pattern *p, const struct grappa *g,
                                    const float complex *calibration, float largest,
                                    scry_error *err)
{
    const size_t n = grappa_unknowns(g, p), coils = g->grid->coils;
    size_t rows = 0;
    for (size_t l = 0; l < g->lines; l++)
        rows += grappa_calibrates(g, p, l);
    rows *= g->samples - g->o.samples + 1;
    if (!rows)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "no calibration line has calibration lines at all of the %zu offsets %td "
                         "to %td: GRAPPA needs more of them",
                         p->count, p->offset[0], p->offset[p->count - 1]);
    scryi_planes E = scryi_planes_alloc(rows, n + coils), G = {0};
    if (E.re) G = scryi_planes_alloc(n + coils, n + coils);
    scry_status st =
        G.re ? SCRY_OK : SCRY_FAIL(err, SCRY_ENOMEM, "%zu equations of %zu unknowns", rows, n);
    if (st == SCRY_OK) {
        fill_equations(&E, g, p, calibration, largest);
        scryi_gram(&G, &E, scry_threads());
        st = solve_weights(p, g, &G, n, err);
    }
    scryi_planes_free(&E);
    scryi_planes_free(&G);
    return st;
}

/* ---- lines from lines ---- */

static void grappa_fill_line(const struct grappa *g, float complex *data, size_t line,
                             const struct pattern *p, float complex *source)
{
    const size_t coils = g->grid->coils, w = g->o.samples, half = w / 2, n = grappa_unknowns(g, p);
    for (size_t s = 0; s < g->samples; s++) {
        size_t i = 0;
        for (size_t c = 0; c < coils; c++)
            for (size_t k = 0; k < p->count; k++) {
                const size_t from = (size_t)((ptrdiff_t)line + p->offset[k]);
                const float complex *y = grappa_at(g, data, c, from);
                for (size_t j = 0; j < w; j++, i++) {
                    const bool inside = s + j >= half && s + j - half < g->samples;
                    source[i] = inside ? y[(s + j - half) * g->sample_step] : 0;
                }
            }
        for (size_t c = 0; c < coils; c++) {
            const float *a = (const float *)(p->weight + c * n), *b = (const float *)source;
            float re = 0, im = 0;
            for (size_t k = 0; k < n; k++) {
                re += a[2 * k] * b[2 * k] - a[2 * k + 1] * b[2 * k + 1];
                im += a[2 * k] * b[2 * k + 1] + a[2 * k + 1] * b[2 * k];
            }
            data[c * g->grid->ny * g->grid->nx + line * g->line_step + s * g->sample_step] =
                re + im * I;
        }
    }
}

static scry_status grappa_fill(struct grappa *g, float complex *data,
                               const float complex *calibration, scry_error *err)
{
    const size_t all = g->grid->coils * g->grid->ny * g->grid->nx;
    float largest = 0;
    scry_status st = SCRY_OK;
    float complex *source = scry_alloc(g->grid->coils * g->o.lines * g->o.samples, sizeof *source);
    if (!source) return SCRY_FAIL(err, SCRY_ENOMEM, "sources of %zu coils", g->grid->coils);
    for (size_t i = 0; i < all; i++)
        largest = fmaxf(largest, cabsf(calibration[i]));
    if (!(largest > 0)) st = SCRY_FAIL(err, SCRY_ENUMERIC, "calibration data are all zero");
    for (size_t l = 0; l < g->lines && st == SCRY_OK; l++) {
        struct pattern found;
        if (g->acquired[l] || !find_offsets(g, l, &found)) continue;
        struct pattern *p = grappa_pattern(g, &found);
        if (!p->weight) st = grappa_calibrate(p, g, calibration, largest, err);
        if (st == SCRY_OK) grappa_fill_line(g, data, l, p, source);
        if (st == SCRY_OK) st = scry_cancel_check(err);
    }
    scry_free(source);
    return st;
}

static scry_status grappa_check(const struct scry_grappa_grid *grid, const scry_grappa_opts *o,
                                scry_error *err)
{
    if (o->lines < 2 || o->lines > MAX_LINES || o->lines % 2)
        return SCRY_FAIL(err, SCRY_EINVAL, "%zu lines of a kernel, expected an even number to %d",
                         o->lines, MAX_LINES);
    if (o->samples % 2 == 0 || o->samples > 31)
        return SCRY_FAIL(err, SCRY_EINVAL, "%zu samples of a kernel, expected an odd number to 31",
                         o->samples);
    if (!(o->ridge >= 0) || o->ridge > 1e6)
        return SCRY_FAIL(err, SCRY_EINVAL, "ridge %g, expected 0 or more", o->ridge);
    const size_t samples = grid->readout == 2 ? grid->nx : grid->ny;
    if (!grid->coils || (grid->readout != 1 && grid->readout != 2) || samples < o->samples)
        return SCRY_FAIL(err, SCRY_ESHAPE,
                         "%zu coils of %zu x %zu samples with the readout along axis %d, expected "
                         "lines of %zu samples at least",
                         grid->coils, grid->ny, grid->nx, grid->readout, o->samples);
    return SCRY_OK;
}

/* Steps between neighbouring acquired lines. */
static void grappa_widest(struct grappa *g)
{
    size_t last = SIZE_MAX;
    for (size_t l = 0; l < g->lines; l++) {
        if (!g->acquired[l]) continue;
        if (last != SIZE_MAX && l - last > g->widest) g->widest = l - last;
        last = l;
    }
}

scry_status scry_grappa(float complex *data, const unsigned char *mask,
                        const float complex *calibration, const unsigned char *calibration_mask,
                        const struct scry_grappa_grid *grid, const scry_grappa_opts *opts,
                        scry_error *err)
{
    const bool along_x = grid->readout == 2;
    struct grappa g = {.grid = grid,
                       .lines = along_x ? grid->ny : grid->nx,
                       .samples = along_x ? grid->nx : grid->ny,
                       .line_step = along_x ? grid->nx : 1,
                       .sample_step = along_x ? 1 : grid->nx};
    if (opts)
        g.o = *opts;
    else
        scry_grappa_opts_init(&g.o);
    scry_status st = grappa_check(grid, &g.o, err);
    if (st != SCRY_OK) return st;
    g.acquired = scry_alloc(g.lines, sizeof *g.acquired);
    g.calibrating = scry_alloc(g.lines, sizeof *g.calibrating);
    g.patterns = scry_alloc(g.lines, sizeof *g.patterns);
    if (!g.acquired || !g.calibrating || !g.patterns)
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%zu lines", g.lines);
    if (st == SCRY_OK) st = grappa_lines(&g, g.acquired, mask, "samples", err);
    if (st == SCRY_OK) st = grappa_lines(&g, g.calibrating, calibration_mask, "calibration", err);
    if (st == SCRY_OK) {
        grappa_widest(&g);
        st = grappa_fill(&g, data, calibration, err);
    }
    for (size_t i = 0; i < g.count; i++)
        scry_free(g.patterns[i].weight);
    scry_free(g.acquired);
    scry_free(g.calibrating);
    scry_free(g.patterns);
    return st;
}
