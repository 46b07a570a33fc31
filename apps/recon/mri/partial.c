#include "apps/recon/mri/mri_impl.h"

#include "lib/memory.h"
#include "lib/numbers.h"
#include "operators/compose.h"
#include "operators/fourier.h"
#include "operators/real_part.h"

#include <math.h>
#include <string.h>

/* Partial Fourier: the samples of an axis reach farther to one side of k = 0 than to the other. An
 * image of smooth phase is real once that phase is in the coil maps, and the half that a real image
 * lacks on one side is the conjugate of the half on the other (Margosian, Schmitt & Purdy 1986;
 * Noll, Nishimura & Macovski 1991, IEEE TMI 10:154). The phase is that of a reconstruction from the
 * samples that do have their counterpart, faded out along the axis with a Hann window. Where that
 * phase is not all, an imaginary part remains: as much of it as there is in the outer half of those
 * samples is allowed for. Of a brain of 16 coils whose phase is rough a constraint that allowed
 * none made 23.7 dB of 26.5. */

/* One side is partial where it is shorter by so much of the axis, but not by a step of the pattern.
 */
static const double SHORTER = 1.0 / 12;
/* To either side of k = 0: without as many lines there is no phase to tell. */
enum {
    MIN_HALF = 4,
    SMOOTH_PART = 8
}; /* samples; of complete data, to either side of the centre */

/* How far the samples reach from the middle of an axis, to both sides. */
static void sides_of(size_t side[2], const struct scryi_plane *p, unsigned axis)
{
    const size_t n = axis == SCRY_FOURIER_Y ? p->ny : p->nx;
    side[0] = side[1] = 0;
    for (size_t i = 0; i < p->ny * p->nx; i++) {
        if (!p->mask[i]) continue;
        const size_t at = axis == SCRY_FOURIER_Y ? i / p->nx : i % p->nx;
        const size_t away = at < n / 2 ? n / 2 - at : at - n / 2;
        if (away > side[at > n / 2]) side[at > n / 2] = away;
    }
}

bool scryi_partial_find(struct scryi_partial *out, const struct scryi_plane *p,
                        scry_image_phase choice)
{
    static const unsigned axes[] = {SCRY_FOURIER_Y, SCRY_FOURIER_X};
    *out = (struct scryi_partial){0};
    if (choice == SCRY_PHASE_FREE || p->sets > 1 || (!p->maps && p->coils > 1)) return false;
    if (p->scattered) return false; /* no axis of the grid has a shorter side */
    for (size_t k = 0; k < 2; k++) {
        const size_t n = axes[k] == SCRY_FOURIER_Y ? p->ny : p->nx;
        size_t side[2];
        if (!(p->axes & axes[k])) continue;
        sides_of(side, p, axes[k]);
        const size_t half = side[0] < side[1] ? side[0] : side[1];
        const double missing = fabs((double)side[1] - (double)side[0]) / (double)n;
        if (half < MIN_HALF || missing <= SHORTER || missing <= out->missing) continue;
        *out = (struct scryi_partial){axes[k], half, missing};
    }
    if (out->axis || choice != SCRY_PHASE_SMOOTH) return out->axis != 0;
    out->axis = p->axes & SCRY_FOURIER_Y ? SCRY_FOURIER_Y : SCRY_FOURIER_X;
    out->half = (out->axis == SCRY_FOURIER_Y ? p->ny : p->nx) / SMOOTH_PART;
    return out->half >= MIN_HALF;
}

/* Multiplies the spectrum of u along the axis by a Hann window that ends at `half`, or keeps the
 * outer half of the samples inside of that. */
static scry_status partial_filter(float complex *u, const struct scryi_plane *p,
                                  const struct scryi_partial *partial, bool outer, scry_error *err)
{
    const bool along_y = partial->axis == SCRY_FOURIER_Y;
    scry_status st = scry_fourier_transform(u, 1, p->ny, p->nx, partial->axis, false, err);
    for (size_t i = 0; st == SCRY_OK && i < p->ny * p->nx; i++) {
        const size_t at = along_y ? i / p->nx : i % p->nx, middle = (along_y ? p->ny : p->nx) / 2;
        const double away = fabs((double)at - (double)middle) / ((double)partial->half + 1);
        const double hann = away < 1 ? 0.5 + 0.5 * cos(SCRY_PI * away) : 0;
        u[i] *= (float)(outer ? away > 0.5 && away < 1 : hann);
    }
    if (st != SCRY_OK) return st;
    return scry_fourier_transform(u, 1, p->ny, p->nx, partial->axis, true, err);
}

/* phase from the estimate u, which is overwritten; *beside: rms of the imaginary part over that of
 * the real one in the outer half of the middle. */
static scry_status partial_read(float complex *phase, double *beside, float complex *u,
                                const struct scryi_plane *p, const struct scryi_partial *partial,
                                scry_error *err)
{
    const size_t n = p->ny * p->nx;
    double real = 0, imaginary = 0;
    memcpy(phase, u, n * sizeof *u);
    scry_status st = partial_filter(phase, p, partial, false, err);
    for (size_t i = 0; st == SCRY_OK && i < n; i++) {
        const float a = cabsf(phase[i]);
        phase[i] = a > 0 ? phase[i] / a : 1;
        u[i] *= conjf(phase[i]);
    }
    if (st == SCRY_OK) st = partial_filter(u, p, partial, true, err);
    for (size_t i = 0; st == SCRY_OK && i < n; i++) {
        real += (double)crealf(u[i]) * crealf(u[i]);
        imaginary += (double)cimagf(u[i]) * cimagf(u[i]);
    }
    *beside = imaginary < real ? sqrt(imaginary / real) : 1;
    return st;
}

scry_status scryi_partial_phase(float complex *phase, double *beside,
                                const struct scryi_mri_posterior *p,
                                const struct scryi_partial *partial, scry_error *err)
{
    const struct scryi_plane *plane = p->plane;
    const size_t n = plane->ny * plane->nx;
    const bool along_y = partial->axis == SCRY_FOURIER_Y;
    struct scryi_mri_posterior middle = {.r = p->r, .plane = plane, .sigma = p->sigma};
    float complex *u = scry_alloc(n, sizeof *u);
    scry_status st = SCRY_OK;
    if (!u || !(middle.mask = scry_copy(p->mask, n)))
        st = SCRY_FAIL(err, SCRY_ENOMEM, "phase of %zu pixels", n);
    for (size_t i = 0; st == SCRY_OK && i < n; i++) {
        const size_t at = along_y ? i / plane->nx : i % plane->nx;
        const size_t k = (along_y ? plane->ny : plane->nx) / 2;
        if ((at < k ? k - at : at - k) > partial->half) middle.mask[i] = 0;
    }
    if (st == SCRY_OK) st = scryi_mri_operator(&middle.A, plane, middle.mask, NULL, err);
    if (st == SCRY_OK) st = scryi_mri_samples(&middle.y, middle.A, plane, middle.mask, err);
    if (st == SCRY_OK) st = scryi_mri_likelihood(&middle, p->problem.map, err);
    if (st == SCRY_OK) st = scryi_mri_first_estimate(u, &middle, err);
    if (st == SCRY_OK) st = partial_read(phase, beside, u, plane, partial, err);
    scryi_mri_posterior_free(&middle);
    scry_free(u);
    return st;
}

scry_status scryi_partial_constrain(scry_op **A, double beside, scry_error *err)
{
    scry_op *real = NULL, *all = *A;
    scry_status st = scry_real_part_create(&real, scry_op_dom(all), beside, err);
    if (st == SCRY_OK) st = scry_chain_create(A, all, real, err);
    if (st != SCRY_OK) {
        scry_op_free(real);
        *A = all;
    }
    return st;
}
