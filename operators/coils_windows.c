#include "operators/coils.h"
#include "operators/coils_cancel_impl.h"
#include "operators/hermitian_impl.h"

#include "lib/memory.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Noise from combinations of samples in which signal cancels (coils_cancel.c): of several shapes of
 * windows that one is taken which bounds the noise best, and the coils are whitened by what it
 * says, and asked again, until it says the same: combinations of coils whose noise is not alike
 * choose the quiet ones. */

enum {
    ENTRIES = 64, /* of a window, all coils, to aim at */
    MAX_SPACING = 8,
    ROUNDS = 6, /* at most */
};
/* Power of one answer over that of another which is not so by chance. */
static const double MUCH_LESS = 0.82;
/* The same of windows of one or two samples, which hardly tell what noise the coils share. */
static const double MUCH_LESS_OF_PAIRS = 0.6;

/* Eigenvalues of the noise of coils whitened by what was thought to be the noise: those less than
 * the power of the combinations by more than this are raised to it. The combinations do not tell
 * them, and the next round does. */
static const double LOWEST = 0.25;
/* Power of the combinations, and mean variance of the coils, that are 1 in a round which changes
 * nothing: the sum of their logarithms at which rounds end, and beyond which they are not used. */
static const double SETTLED = 0.01, UNSETTLED = 0.2;

static void find_reach(struct windows *w)
{
    w->reach_y = w->reach_x = 1;
    for (size_t i = 0; i < w->ny * w->nx; i++) {
        if (!w->mask[i]) continue;
        w->reach_y = fmax(w->reach_y, scryi_off_middle(i / w->nx, w->ny, 1));
        w->reach_x = fmax(w->reach_x, scryi_off_middle(i % w->nx, w->nx, 1));
    }
}

/* Tries a shape: in place of *best where its bound is less. */
static scry_status try_shape(struct window_result *best, struct windows w, struct window_shape s,
                             scry_error *err)
{
    double complex *psi = scry_alloc(w.coils * w.coils, sizeof *psi), *other = best->psi;
    struct window_result r = {.bound = INFINITY, .psi = psi};
    size_t counts[4];
    if (!psi) return SCRY_FAIL(err, SCRY_ENOMEM, "covariance of %zu coils", w.coils);
    w.s = s;
    scryi_windows_count(counts, &w);
    const scry_status st = scryi_windows_tell(&r, w, counts, err);
    if (st == SCRY_OK && r.bound < best->bound)
        *best = r;
    else
        other = psi;
    scry_free(other);
    return st;
}

static size_t windows_clamp(size_t value, size_t low, size_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* The spacing of two lines (along y, else along x) of which there are most pairs. */
static size_t line_spacing(const struct windows *w, bool along_y)
{
    size_t best = 0, most = 0;
    for (size_t s = 2; s <= MAX_SPACING; s++) {
        size_t counts[4];
        struct windows pair = *w;
        pair.s = along_y ? (struct window_shape){2, 1, s, 1} : (struct window_shape){1, 2, 1, s};
        scryi_windows_count(counts, &pair);
        const size_t all = counts[PLACE_MIDDLE] + counts[PLACE_NEAR] + counts[PLACE_FAR];
        if (all > most) {
            most = all;
            best = s;
        }
    }
    return best;
}

static scry_status try_shapes(struct window_result *best, const struct windows *w, scry_error *err)
{
    const size_t C = w->coils;
    const size_t side = windows_clamp((size_t)round(sqrt((double)ENTRIES / (double)C)), 2, 8);
    const size_t one = windows_clamp(ENTRIES / C, 2, 32),
                 two = windows_clamp(ENTRIES / 2 / C, 2, 16);
    const size_t three = windows_clamp(ENTRIES * 2 / 5 / C, 2, 12);
    size_t counts[4];
    struct windows square = *w;
    square.s = (struct window_shape){side, side, 1, 1};
    scryi_windows_count(counts, &square);
    scry_status st = try_shape(best, *w, square.s, err);
    if (4 * (counts[PLACE_MIDDLE] + counts[PLACE_NEAR] + counts[PLACE_FAR]) > w->ny * w->nx)
        return st;
    for (int turn = 0; turn < 2 && st == SCRY_OK; turn++) {
        const size_t spacing = line_spacing(w, !turn);
        const struct window_shape shapes[] = {{1, one, 1, 1},     {2, two, spacing, 1},
                                              {2, two, 1, 1},     {3, three, 1, 1},
                                              {2, 1, spacing, 1}, {1, 1, 1, 1}};
        for (size_t k = 0; k < sizeof shapes / sizeof *shapes && st == SCRY_OK; k++) {
            const struct window_shape *s = &shapes[k];
            if (!s->sy || (s->w == 1 && isfinite(best->bound))) continue; /* no pair; no need */
            st = try_shape(best, *w, turn ? (struct window_shape){s->w, s->h, s->sx, s->sy} : *s,
                           err);
        }
    }
    return st;
}

/* psi = L P L^H */
static void windows_unwhiten(double complex *psi, const double complex *L, const double complex *P,
                             double complex *half, size_t C)
{
    for (size_t a = 0; a < C; a++)
        for (size_t b = 0; b < C; b++) {
            double complex s = 0;
            for (size_t k = 0; k <= a; k++)
                s += L[a * C + k] * P[k * C + b];
            half[a * C + b] = s;
        }
    for (size_t a = 0; a < C; a++)
        for (size_t b = 0; b < C; b++) {
            double complex s = 0;
            for (size_t k = 0; k <= b; k++)
                s += half[a * C + k] * conj(L[b * C + k]);
            psi[a * C + b] = s;
        }
}

/* Psi with eigenvalues of at least `least`. */
static scry_status raise_eigenvalues(double complex *psi, double least, size_t C, scry_error *err)
{
    double complex *V = scry_alloc(C * C, sizeof *V);
    double *values = scry_alloc(C, sizeof *values);
    scry_status st = SCRY_OK;
    if (!V || !values) st = SCRY_FAIL(err, SCRY_ENOMEM, "covariance of %zu coils", C);
    if (st == SCRY_OK) st = scryi_hermitian_eigen(values, V, psi, C, err);
    for (size_t a = 0; st == SCRY_OK && a < C; a++)
        for (size_t b = 0; b < C; b++) {
            double complex sum = 0;
            for (size_t k = 0; k < C; k++)
                sum += fmax(values[k], least) * V[k * C + a] * conj(V[k * C + b]);
            psi[a * C + b] = sum;
        }
    scry_free(V);
    scry_free(values);
    return st;
}

static double trace_of(const double complex *psi, size_t C)
{
    double sum = 0;
    for (size_t c = 0; c < C; c++)
        sum += creal(psi[c * (C + 1)]);
    return sum;
}

/* Whitens by psi, and puts the noise that windows tell in its place: of the shape that was best
 * before, or of all. */
static scry_status windows_round(double complex *psi, struct window_result *best,
                                 const struct windows *of, const float complex *kspace,
                                 scry_error *err)
{
    const size_t C = of->coils, n = of->ny * of->nx;
    struct windows w = *of;
    double complex *L = scry_alloc(2 * C * C, sizeof *L), *half = L + C * C;
    float complex *white = scry_copy(kspace, C * n * sizeof *kspace);
    scry_status st = SCRY_OK;
    if (!L || !white) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "noise of %zu coils", C);
        goto done;
    }
    if ((st = scry_whiten(white, psi, C, n, err)) != SCRY_OK) goto done;
    w.x = white;
    best->bound = INFINITY;
    st = best->shape.h ? try_shape(best, w, best->shape, err) : try_shapes(best, &w, err);
    if (st != SCRY_OK) goto done;
    if (!isfinite(best->bound)) {
        st = SCRY_FAIL(err, SCRY_EINVAL,
                       "no windows of neighbouring samples of %zu coils to tell noise from", C);
        goto done;
    }
    scryi_cholesky(L, psi, C);
    best->variance = trace_of(best->psi, C) / (double)C;
    st = raise_eigenvalues(best->psi, LOWEST * best->power, C, err);
    if (st == SCRY_OK) windows_unwhiten(psi, L, best->psi, half, C);
done:
    scry_free(L);
    scry_free(white);
    return st;
}

static void windows_take(double complex *psi, scry_noise_certainty *how, const double complex *from,
                         double factor, const struct window_result *best, size_t C)
{
    for (size_t i = 0; i < C * C; i++)
        psi[i] = factor * from[i];
    /* bound is two sd of the power above it; an sd has half of its power's relative error */
    *how = (scry_noise_certainty){best->reach, (best->bound / best->power - 1) / 4};
}

/* Rounds from psi, which is replaced by the noise of the one that changes least, or where all
 * change much by a multiple of itself; w->s: the shape that was taken. */
static scry_status windows_settle(double complex *psi, scry_noise_certainty *how, struct windows *w,
                                  const float complex *kspace, scry_error *err)
{
    const size_t C = w->coils;
    struct window_result best = {.psi = scry_alloc(C * C, sizeof *best.psi)};
    double complex *now = scry_copy(psi, C * C * sizeof *now);
    double least = UNSETTLED;
    scry_status st = SCRY_OK;
    if (!best.psi || !now) st = SCRY_FAIL(err, SCRY_ENOMEM, "noise of %zu coils", C);
    for (int round = 0; round < ROUNDS && st == SCRY_OK && least > SETTLED; round++) {
        st = windows_round(now, &best, w, kspace, err);
        if (round && st != SCRY_OK && st != SCRY_ENOMEM && st != SCRY_ESTOP) { /* what was found */
            st = SCRY_OK;
            break;
        }
        if (st != SCRY_OK) break;
        const double change = fabs(log(best.power)) + fabs(log(best.variance));
        if (!round) windows_take(psi, how, psi, best.power, &best, C);
        if (!round || !(change < least)) continue;
        least = change;
        windows_take(psi, how, now, 1, &best, C);
    }
    w->s = best.shape;
    scry_free(best.psi);
    scry_free(now);
    return st;
}

/* From psi, which knows the noise that coils share, and from its variances alone, which do not hold
 * the signal that coils share: that is right where it finds much less. */
scry_status scry_noise_from_windows(double complex *psi, scry_noise_certainty *how,
                                    const float complex *kspace, const unsigned char *mask,
                                    size_t coils, size_t ny, size_t nx, scry_error *err)
{
    const size_t C = coils;
    double complex *whole = scry_copy(psi, C * C * sizeof *whole);
    double complex *alone = scry_alloc(C * C, sizeof *alone);
    struct windows w = {.mask = mask, .coils = C, .ny = ny, .nx = nx};
    scry_noise_certainty other = {0};
    scry_status st = SCRY_OK;
    if (!whole || !alone) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "noise of %zu coils", C);
        goto done;
    }
    find_reach(&w);
    for (size_t i = 0; i < C * C; i++)
        alone[i] = i % (C + 1) ? 0 : psi[i];
    if ((st = windows_settle(whole, how, &w, kspace, err)) != SCRY_OK) goto done;
    if (C > 1 && (st = windows_settle(alone, &other, &w, kspace, err)) != SCRY_OK) goto done;
    const double bound = w.s.h * w.s.w > 2 ? MUCH_LESS : MUCH_LESS_OF_PAIRS;
    const bool less = C > 1 && trace_of(alone, C) < bound * trace_of(whole, C);
    memcpy(psi, less ? alone : whole, C * C * sizeof *psi);
    if (less) *how = other;
done:
    scry_free(whole);
    scry_free(alone);
    return st;
}
