/* All frames of a slice as one problem, for methods whose penalty joins them. */

#include "apps/recon/mri/mri_impl.h"

#include "lib/memory.h"
#include "lib/progress.h"
#include "operators/series.h"

#include <math.h>
#include <string.h>

bool scry_reconstructor_joins_frames(const scry_reconstructor *r)
{
    return (r->options.method->needs & SCRY_NEEDS_SERIES) != 0;
}

struct mri_series {
    const scry_reconstructor *r;
    size_t frames;
    struct scryi_plane *plane; /* of each frame */
    scry_op **frame_op;        /* until the series owns them */
    scry_op *A;
    float complex *y;
    scry_likelihood *L;
    scry_recon_problem problem;
};

static void series_free(struct mri_series *s)
{
    for (size_t f = 0; f < s->frames; f++) {
        if (s->plane) scryi_plane_free(&s->plane[f]);
        if (s->frame_op && !s->A) scry_op_free(s->frame_op[f]);
    }
    scry_likelihood_free(s->L);
    scry_op_free(s->A);
    scry_free(s->plane);
    scry_free(s->frame_op);
    scry_free(s->y);
}

/* The samples of all frames, one after another. */
static scry_status series_samples(struct mri_series *s, scry_error *err)
{
    const size_t all = scry_space_count(scry_op_cod(s->A));
    scry_status st = SCRY_OK;
    size_t at = 0;
    s->y = scry_alloc(all, sizeof *s->y);
    if (!s->y) return SCRY_FAIL(err, SCRY_ENOMEM, "%zu samples of %zu frames", all, s->frames);
    for (size_t f = 0; f < s->frames && st == SCRY_OK; f++) {
        scry_op *A = NULL;
        float complex *y = NULL;
        st = scryi_mri_operator(&A, &s->plane[f], s->plane[f].mask, NULL, err);
        if (st == SCRY_OK) st = scryi_mri_samples(&y, A, &s->plane[f], s->plane[f].mask, err);
        if (st == SCRY_OK) {
            const size_t m = scry_space_count(scry_op_cod(A));
            memcpy(s->y + at, y, m * sizeof *y);
            at += m;
        }
        scry_free(y);
        scry_op_free(A);
    }
    return st;
}

static scry_status series_operator(struct mri_series *s, scry_error *err)
{
    scry_status st = SCRY_OK;
    for (size_t f = 0; f < s->frames && st == SCRY_OK; f++)
        st = scryi_mri_operator(&s->frame_op[f], &s->plane[f], s->plane[f].mask, NULL, err);
    if (st == SCRY_OK) st = scry_series_create(&s->A, s->frame_op, s->frames, err);
    return st;
}

static scry_status series_pose(struct mri_series *s, const scry_mri_slice *slices,
                               const float complex *maps, scry_error *err)
{
    const scry_reconstructor *r = s->r;
    scry_status st = SCRY_OK;
    s->plane = scry_alloc(s->frames, sizeof *s->plane);
    s->frame_op = scry_alloc(s->frames, sizeof *s->frame_op);
    if (!s->plane || !s->frame_op)
        return SCRY_FAIL(err, SCRY_ENOMEM, "planes of %zu frames", s->frames);
    for (size_t f = 0; f < s->frames && st == SCRY_OK; f++)
        st = scryi_plane_make(&s->plane[f], r, &slices[f], 0, maps, err);
    if (st == SCRY_OK && s->plane[0].sets > 1)
        st = SCRY_FAIL(err, SCRY_EUNSUP, "%s works on one set of maps, there are %zu",
                       r->options.method->name, s->plane[0].sets);
    if (st == SCRY_OK) st = series_operator(s, err);
    if (st == SCRY_OK) st = series_samples(s, err);
    if (st != SCRY_OK) return st;
    const scry_affine map = {r->unit, 0};
    const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN,
                              .sigma = scryi_mri_sigma(r, &s->plane[0])};
    st = scry_likelihood_create(&s->L, s->A, (const float *)s->y, &noise, &map, err);
    s->problem = (scry_recon_problem){.problem = {.L = s->L}, .map = map, .guessed_noise = !r->psi};
    return st;
}

/* One frame of the series in u. */
static scry_status series_collect(scry_mri_result *out, const struct mri_series *s, size_t frame,
                                  const scry_recon_result *run, scry_error *err)
{
    const struct scryi_plane *p = &s->plane[frame];
    const size_t n = p->ny * p->nx;
    const float complex *u = (const float complex *)run->chains.mean + frame * n;
    unsigned char *seen = NULL;
    const scry_status st = scryi_plane_seen(&seen, p, 0, err);
    out->image = scry_alloc(n, sizeof *out->image);
    if (st == SCRY_OK && !out->image) {
        scry_free(seen);
        return SCRY_FAIL(err, SCRY_ENOMEM, "image of %zu pixels", n);
    }
    for (size_t i = 0; st == SCRY_OK && i < n; i++)
        out->image[i] = seen[i] ? (float)s->problem.map.scale * u[i] : 0;
    scry_free(seen);
    out->ny = p->ny;
    out->nx = p->nx;
    out->axis[0] = p->axis[0];
    out->axis[1] = p->axis[1];
    out->samples = run->chains.done;
    out->counts = run->chains.counts;
    out->diagnosis = run->diagnosis;
    out->coils = p->coils;
    out->scale = s->problem.map.scale;
    out->holdout = out->holdout_chi2 = NAN;
    return st;
}

scry_status scry_reconstructor_run_series(scry_mri_result *out, const scry_reconstructor *r,
                                          const scry_mri_slice *slices, size_t frames,
                                          const float complex *maps, uint64_t seed, size_t threads,
                                          scry_chains_monitor *monitor, void *ctx, scry_error *err)
{
    const double began = scry_clock();
    struct mri_series s = {.r = r, .frames = frames};
    const scry_recon_request request = {
        .options = &r->options, .chains = 1, .seed = seed, .threads = threads};
    scry_recon_result run = {0};
    memset(out, 0, frames * sizeof *out);
    scry_status st = series_pose(&s, slices, maps, err);
    if (st == SCRY_OK) st = scry_recon_run(&run, &s.problem, &request, monitor, ctx, err);
    for (size_t f = 0; f < frames && st == SCRY_OK; f++)
        st = series_collect(&out[f], &s, f, &run, err);
    for (size_t f = 0; f < frames; f++) {
        out[f].seconds = (scry_clock() - began) / (double)frames;
        if (st != SCRY_OK) scry_mri_result_free(&out[f]);
    }
    scry_recon_result_free(&run);
    series_free(&s);
    return st;
}
