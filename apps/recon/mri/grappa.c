/* GRAPPA in place of a likelihood: the missing lines of a plane are filled, and the coils combined
 * by their maps, or by the root sum of squares. */

#include "apps/recon/mri/mri_impl.h"

#include "lib/memory.h"
#include "operators/coils.h"
#include "operators/fourier.h"
#include "operators/grappa.h"

#include <math.h>
#include <string.h>

bool scryi_grappa_chosen(const scry_reconstructor *r)
{
    return (r->options.method->needs & SCRY_NEEDS_LINES) != 0;
}

static scry_status grappa_options(scry_grappa_opts *o, const scry_reconstructor *r, scry_error *err)
{
    double lines = 0, samples = 0;
    scry_status st = scry_options_get(&r->options, "lines", &lines, err);
    if (st == SCRY_OK) st = scry_options_get(&r->options, "kernel", &samples, err);
    if (st == SCRY_OK) st = scry_options_get(&r->options, "ridge", &o->ridge, err);
    o->lines = (size_t)lines;
    o->samples = (size_t)samples;
    return st;
}

scry_status scryi_plane_fill(struct scryi_plane *p, const scry_mri_slice *s,
                             const scry_reconstructor *r, size_t index, scry_error *err)
{
    const unsigned back = SCRY_FOURIER_YX & ~p->axes; /* axes that are in the image by now */
    const size_t n = p->ny * p->nx;
    const struct scry_grappa_grid grid = {p->coils, p->ny, p->nx, r->scan->readout};
    scry_grappa_opts o;
    if (s->dims[0] > 1)
        return SCRY_FAIL(
            err, SCRY_EUNSUP,
            "grappa fills lines of slices, not volumes of %zu x %zu x %zu samples that "
            "are encoded along z; expected cg-sense or wavelet for them",
            s->dims[0], s->dims[1], s->dims[2]);
    scry_status st = grappa_options(&o, r, err);
    if (st != SCRY_OK) return st;
    float complex *calibration = scry_alloc(s->coils * n, sizeof *calibration);
    unsigned char *mask = scry_alloc(n, 1);
    if (!calibration || !mask) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "calibration of %zu coils", s->coils);
        goto done;
    }
    scryi_plane_take(calibration, p, s->calibration, s, index);
    scryi_plane_take_mask(mask, p, s->calibration_mask, s, index);
    if ((st = scryi_plane_whiten(&calibration, n, r, err)) != SCRY_OK) goto done;
    if (back) {
        st = scry_fourier_transform(calibration, p->coils, p->ny, p->nx, back, false, err);
        if (st == SCRY_OK)
            st = scry_fourier_transform(p->data, p->coils, p->ny, p->nx, back, false, err);
    }
    if (st == SCRY_OK) st = scry_grappa(p->data, p->mask, calibration, mask, &grid, &o, err);
    if (st == SCRY_OK && back)
        st = scry_fourier_transform(p->data, p->coils, p->ny, p->nx, back, true, err);
done:
    scry_free(calibration);
    scry_free(mask);
    return st;
}

/* sum conj(S) x over sum |S|^2 (Roemer et al. 1990). */
static void combine_by_maps(float complex *image, const struct scryi_plane *p,
                            const float complex *coil)
{
    const size_t n = p->ny * p->nx;
    for (size_t i = 0; i < n; i++) {
        double complex sum = 0;
        double energy = 0;
        for (size_t c = 0; c < p->coils; c++) {
            const double complex s = p->maps[c * n + i];
            sum += conj(s) * (double complex)coil[c * n + i];
            energy += creal(s) * creal(s) + cimag(s) * cimag(s);
        }
        image[i] = energy > 0 ? (float complex)(sum / energy) : 0;
    }
}

scry_status scryi_solve_coil_images(scry_mri_result *r, const struct scryi_plane *plane,
                                    scry_error *err)
{
    const size_t n = plane->ny * plane->nx;
    scry_status st = SCRY_OK;
    if (plane->sets > 1)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "coil images are combined by one set of maps, there are %zu", plane->sets);
    float complex *images = scry_alloc(plane->coils * n, sizeof *images);
    float *rss = scry_alloc(n, sizeof *rss);
    r->image = scry_alloc(n, sizeof *r->image);
    if (!images || !rss || !r->image) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%zu coil images", plane->coils);
        goto done;
    }
    if (plane->scattered)
        st = scryi_mri_grid(images, NULL, plane->data, plane->coils, plane->scattered, plane->ny,
                            plane->nx, err);
    else
        memcpy(images, plane->data, plane->coils * n * sizeof *images);
    if (st == SCRY_OK)
        st = scry_fourier_transform(images, plane->coils, plane->ny, plane->nx, plane->axes, true,
                                    err);
    if (st != SCRY_OK) goto done;
    if (plane->maps) {
        combine_by_maps(r->image, plane, images);
    } else {
        scry_rss(rss, images, plane->coils, n);
        for (size_t i = 0; i < n; i++)
            r->image[i] = rss[i];
    }
    r->samples = 1;
    r->coils = plane->coils;
    r->holdout = r->holdout_chi2 = NAN;
    r->diagnosis = (scry_diagnosis){
        .draws = 1, .chi2 = NAN, .draws_chi2 = NAN, .worst_rhat = NAN, .min_ess = NAN};
    r->scale = 1;
    for (size_t i = 0; i < plane->places; i++)
        r->diagnosis.measured += plane->mask[i] * plane->coils;
done:
    scry_free(images);
    scry_free(rss);
    return st;
}
