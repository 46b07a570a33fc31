#include "apps/recon/mri/mri_impl.h"

#include "lib/memory.h"
#include "solvers/roles.h"

#include <stdio.h>
#include <string.h>

/* Maps from the middle of k-space are wrong by more than the noise, most so in a few directions of
 * the coils: those of signal from outside their support, and of coils that see little. An image
 * that must explain such samples as well as all others is worse for it. The residual of an image of
 * wavelets has the covariance of noise and of what the maps leave unexplained; whitened by that,
 * such directions count for less. Held-out samples, each counted by the noise alone, say whether
 * this is better, since a residual is also where wavelets err: scans of few coils and little noise
 * lose up to .75 dB by it (tests/bench/RESULTS.md). */

/* Residuals of at most this over the noise in every direction of the coils are the noise. */
static const double NOTHING = 1.1;

static bool unexplained_counts(const scry_reconstructor *r, const struct scryi_plane *plane)
{
    return r->request->judge_noise && r->psi && plane->maps && plane->coils > 1 &&
           plane->sets == 1 && !scryi_grappa_chosen(r) &&
           r->options.method != scry_role_method(SCRY_ROLE_ADJOINT);
}

/* matrix (coils, coils) of the plane's coils, by the residual of a quick image. */
static scry_status unexplained_whitening(float complex *matrix, double *largest,
                                         const scry_reconstructor *r,
                                         const struct scryi_plane *plane, size_t threads,
                                         scry_error *err)
{
    scry_mri_result image = {0};
    float complex *residual = NULL;
    size_t count = 0;
    double size;
    scry_status st = scryi_mri_quick_image(&image, r, plane, r->weight, threads, err);
    if (st == SCRY_OK)
        st = scryi_mri_misfit(&residual, &count, &size, plane, plane->mask, NULL, image.image, err);
    for (size_t i = 0; st == SCRY_OK && i < count; i++)
        residual[i] *= (float)plane->scale; /* in the unit of the noise */
    if (st == SCRY_OK)
        st = scry_whitening_of_residual(matrix, largest, residual, plane->coils,
                                        count / plane->coils, err);
    scry_free(residual);
    scry_mri_result_free(&image);
    return st;
}

/* *other: r with coils that are whitened by `matrix`, too; its `virtual` is the caller's. */
static scry_status unexplained_compose(scry_reconstructor *other, const scry_reconstructor *r,
                                       const float complex *matrix, scry_error *err)
{
    const size_t keep = r->coils, coils = r->scan->coils;
    *other = *r;
    other->virtual = r->virtual ? scry_alloc(keep * coils, sizeof *matrix)
                                : scry_copy(matrix, keep * coils * sizeof *matrix);
    if (!other->virtual) return SCRY_FAIL(err, SCRY_ENOMEM, "whitening of %zu coils", keep);
    if (r->virtual) scry_compress(other->virtual, matrix, keep, r->virtual, keep, coils);
    return SCRY_OK;
}

/* r becomes `other`, whose arrays it takes. */
static void unexplained_adopt(scry_reconstructor *r, scry_reconstructor *other, double largest)
{
    char words[sizeof r->noise_words];
    snprintf(words, sizeof words,
             "%.140s; and from what the coil maps leave unexplained, up to %.2g times as much",
             r->noise_from, largest);
    scry_free(r->virtual);
    r->virtual = other->virtual;
    r->unit = other->unit;
    memcpy(r->noise_words, words, sizeof words);
    r->noise_from = r->noise_words;
    other->virtual = NULL;
    scry_log_note(&r->request->log,
                  "coils: whitened by what their maps leave unexplained, too, up to %.2g times the "
                  "noise, which predicts samples that are held out better (--noise scan or kspace: "
                  "by the noise alone)",
                  largest);
}

/* What is compared with coils whitened by the noise alone; its arrays are owned. */
struct unexplained {
    scry_reconstructor r; /* of which `virtual` is owned */
    struct scryi_plane plane;
    double largest; /* of the whitening */
    bool better;
};

/* The slice that calibrates, as scryi_plane_make takes it. */
struct unexplained_slice {
    const scry_mri_slice *slice;
    size_t index;
    const float complex *maps;
};

static scry_status unexplained_judge(struct unexplained *u, scry_reconstructor *r,
                                     const struct scryi_plane *plane,
                                     const struct unexplained_slice *s, size_t threads,
                                     scry_error *err)
{
    struct scryi_mri_weighed alone, whitened;
    float complex *matrix = scry_alloc(plane->coils * plane->coils, sizeof *matrix);
    if (!matrix) return SCRY_FAIL(err, SCRY_ENOMEM, "whitening of %zu coils", plane->coils);
    scry_status st = scryi_mri_weight(&alone, r, plane, NULL, 0, threads, err);
    if (st != SCRY_OK) goto done;
    r->weight = alone.weight;
    if ((st = unexplained_whitening(matrix, &u->largest, r, plane, threads, err)) != SCRY_OK ||
        u->largest < NOTHING)
        goto done;
    if ((st = unexplained_compose(&u->r, r, matrix, err)) != SCRY_OK) goto done;
    st = scryi_plane_make(&u->plane, &u->r, s->slice, s->index, s->maps, err);
    if (st == SCRY_OK) st = scryi_mri_unit(&u->r, &u->plane, err);
    if (st == SCRY_OK)
        st = scryi_mri_weight(&whitened, &u->r, &u->plane, plane, alone.weight, threads, err);
    if (st != SCRY_OK) goto done;
    u->better = whitened.chi2 < alone.chi2;
    if (u->better) r->weight = whitened.weight;
done:
    scry_free(matrix);
    return st;
}

scry_status scryi_whiten_unexplained(scry_reconstructor *r, struct scryi_plane *plane,
                                     const scry_mri_slice *slice, size_t index,
                                     const float complex *maps, size_t threads, scry_error *err)
{
    const struct unexplained_slice s = {slice, index, maps};
    struct unexplained u = {.better = false};
    scry_error why = {0};
    if (!unexplained_counts(r, plane)) return SCRY_OK;
    const scry_status st = unexplained_judge(&u, r, plane, &s, threads, &why);
    if (st == SCRY_OK && u.better) {
        const struct scryi_plane before = *plane;
        *plane = u.plane;
        u.plane = before;
        unexplained_adopt(r, &u.r, u.largest);
    }
    scry_free(u.r.virtual);
    scryi_plane_free(&u.plane);
    if (st == SCRY_ENOMEM || st == SCRY_ESTOP) return scry_fail(err, st, why.where, "%s", why.text);
    return SCRY_OK; /* too few samples to judge by: the noise alone */
}
