#include "apps/cli/cli.h"

#include "apps/cli/compare_volume.h"
#include "apps/cli/expression.h"
#include "apps/cli/image.h"
#include "lib/io/json.h"
#include "lib/memory.h"
#include "lib/stats/metrics.h"

#include <gsl/gsl_cdf.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct settings {
    const char *map, *hole, *row, *sd, *datasets[2];
    double range, tolerance;
    int64_t samples;
    bool json, uniform;
};

struct scores {
    scry_fidelity fidelity;
    double ssim, frc_pixels;
    double coverage; /* of 90 % intervals, NaN without --sd */
    bool frc_bound;
    volume_scores volume; /* planes 0: images were compared */
};

static scry_status same_shape(const image *a, const char *a_path, const image *b,
                              const char *b_path, bool one_plane, scry_error *err)
{
    const scry_tiff_info *i = &a->info, *j = &b->info;
    const bool stack = i->c == j->c && i->t == j->t && i->z == j->z;
    const bool single = one_plane && i->c * i->t * i->z == 1;
    if (i->y == j->y && i->x == j->x && (stack || single)) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ESHAPE,
                     "%s is %zu x %zu (c %zu, z %zu, t %zu), expected %zu x %zu (c %zu, z "
                     "%zu, t %zu) as %s",
                     a_path, i->y, i->x, i->c, i->z, i->t, j->y, j->x, j->c, j->z, j->t, b_path);
}

/* Inside the hole: the mask's zeros. One plane of mask serves all planes. */
static scry_status load_hole(float **hole, const char *path, const image *truth,
                             const char *truth_path, scry_error *err)
{
    image mask;
    scry_status st = image_load(&mask, path, err);
    if (st != SCRY_OK) return st;
    st = same_shape(&mask, path, truth, truth_path, true, err);
    if (st == SCRY_OK && !(*hole = scry_alloc(truth->count, sizeof **hole)))
        st = SCRY_FAIL(err, SCRY_ENOMEM, "mask of %zu pixels", truth->count);
    for (size_t i = 0; st == SCRY_OK && i < truth->count; i++)
        (*hole)[i] = mask.pixels[i % mask.count] == 0;
    image_free(&mask);
    return st;
}

/* Half the width of a central 90 % interval, in sd, for a normal distribution: with samples > 0 for
 * one more draw from it when mean and sd are those of so many, by Student's t, which is wider. */
static double compare_interval(int64_t samples)
{
    static const double normal_quantile = 1.645; /* 95 % of N(0, 1) */
    if (samples == 0) return normal_quantile;
    const double n = (double)samples;
    return gsl_cdf_tdist_Pinv(0.95, n - 1) * sqrt(1 + 1 / n);
}

/* The share of pixels whose truth is within `reach` sd of the estimate. */
static scry_status compare_cover(double *coverage, double reach, const char *path, const image *est,
                                 const char *est_path, const image *truth, const float *hole,
                                 double unit, scry_error *err)
{
    image sd;
    size_t inside = 0, count = 0;
    scry_status st = image_load(&sd, path, err);
    if (st != SCRY_OK) return st;
    st = same_shape(&sd, path, est, est_path, false, err);
    for (size_t i = 0; st == SCRY_OK && i < est->count; i++) {
        if (hole && hole[i] == 0) continue;
        const double off = fabs((double)est->pixels[i] - (double)truth->pixels[i]);
        inside += off <= reach * unit * (double)sd.pixels[i];
        count++;
    }
    *coverage = (double)inside / (double)count;
    image_free(&sd);
    return st;
}

static scry_status measure_volumes(struct scores *out, const struct settings *s,
                                   const char *const *paths, scry_error *err)
{
    double a = 1, b = 0;
    scry_status st = SCRY_OK;
    if (s->hole || s->sd)
        return SCRY_FAIL(err, SCRY_EINVAL, "--%s is for TIFF images, not for MR volumes",
                         s->hole ? "hole" : "sd");
    if (s->map && (st = affine_parse(s->map, &a, &b, err)) != SCRY_OK) return st;
    st = volume_compare(&out->volume, paths, s->datasets, a, b, s->range, err);
    out->fidelity = out->volume.fidelity;
    out->ssim = out->volume.ssim;
    out->frc_pixels = out->coverage = NAN;
    return st;
}

static scry_status measure_images(struct scores *out, const struct settings *s,
                                  const char *const *paths, scry_error *err)
{
    image est = {0}, truth = {0};
    float *hole = NULL;
    double a = 1, b = 0;
    scry_status st = s->map ? affine_parse(s->map, &a, &b, err) : SCRY_OK;
    if (st != SCRY_OK) return st;
    if ((st = image_load(&est, paths[0], err)) != SCRY_OK) goto done;
    if ((st = image_load(&truth, paths[1], err)) != SCRY_OK) goto done;
    if ((st = same_shape(&est, paths[0], &truth, paths[1], false, err)) != SCRY_OK) goto done;
    if (s->hole && (st = load_hole(&hole, s->hole, &truth, paths[1], err)) != SCRY_OK) goto done;
    for (size_t i = 0; i < est.count; i++)
        est.pixels[i] = (float)(a * est.pixels[i] + b);
    st = scry_fidelity_measure(&out->fidelity, est.pixels, truth.pixels, hole, est.count, s->range,
                               err);
    if (st != SCRY_OK) goto done;
    out->coverage = NAN;
    if (s->sd && (st = compare_cover(&out->coverage, compare_interval(s->samples), s->sd, &est,
                                     paths[0], &truth, hole, fabs(a), err)) != SCRY_OK)
        goto done;
    const scry_tiff_info *i = &truth.info;
    const scry_space planes = SCRY_SPACE(i->c * i->t * i->z, i->y, i->x);
    const size_t window = s->uniform ? 7 : 11;
    out->ssim = NAN;
    if (i->y >= window && i->x >= window &&
        (st = scry_ssim(&out->ssim, est.pixels, truth.pixels, hole, &planes, out->fidelity.range,
                        s->uniform ? SCRY_SSIM_UNIFORM : SCRY_SSIM_GAUSSIAN, err)) != SCRY_OK)
        goto done;
    out->frc_pixels = NAN;
    if (i->y >= 8 && i->x >= 8) { /* of the first plane; a constant one has no rings */
        scry_frc frc = {0};
        if (scry_frc_two(&frc, est.pixels, truth.pixels, i->y, i->x, NULL) == SCRY_OK) {
            out->frc_pixels = frc.resolution;
            out->frc_bound = !frc.crossed;
        }
        scry_frc_clear(&frc);
    }
done:
    scry_free(hole);
    image_free(&truth);
    image_free(&est);
    return st;
}

static scry_status compare_measure(struct scores *out, const struct settings *s,
                                   const char *const *paths, scry_error *err)
{
    const bool volumes[2] = {volume_named(paths[0]), volume_named(paths[1])};
    if (volumes[0] != volumes[1])
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s is an MR volume by its name and %s is not: expected "
                         "two volumes (.h5, .cfl, .nii) or two TIFF images",
                         paths[volumes[1]], paths[volumes[0]]);
    return volumes[0] ? measure_volumes(out, s, paths, err) : measure_images(out, s, paths, err);
}

static scry_status print_json(const struct scores *s, scry_error *err)
{
    scry_json *doc = NULL;
    char *text = NULL;
    scry_status st = scry_json_create(&doc, err);
    if (st != SCRY_OK) return st;
    scry_json_node *root = scry_json_root(doc);
    const scry_fidelity *f = &s->fidelity;
    scry_json_put_number(doc, root, "psnr", f->psnr);
    scry_json_put_number(doc, root, "ssim", s->ssim);
    scry_json_put_number(doc, root, "nmse", f->nmse);
    scry_json_put_number(doc, root, "nrmse", f->nrmse);
    scry_json_put_number(doc, root, "mae", f->mae);
    scry_json_put_number(doc, root, "range_invariant_psnr", f->ri_psnr);
    scry_json_put_number(doc, root, "range", f->range);
    if (s->volume.planes)
        scry_json_put_unsigned(doc, root, "planes", s->volume.planes);
    else
        scry_json_put_number(doc, root, "frc_resolution_pixels", s->frc_pixels);
    if (!isnan(s->coverage)) scry_json_put_number(doc, root, "coverage_90", s->coverage);
    scry_json_put_unsigned(doc, root, "pixels", f->count);
    st = scry_json_text(doc, &text, err);
    if (st == SCRY_OK) printf("%s", text);
    scry_free(text);
    scry_json_free(doc);
    return st;
}

static void print_scores(const struct scores *s)
{
    const scry_fidelity *f = &s->fidelity;
    printf("PSNR                   %.4f dB (range %g)\n", f->psnr, f->range);
    printf("range-invariant PSNR   %.4f dB (after %.6g x + %.6g)\n", f->ri_psnr, f->a, f->b);
    printf("SSIM                   %.4f\n", s->ssim);
    printf("NMSE                   %.6g\n", f->nmse);
    printf("NRMSE                  %.6g\n", f->nrmse);
    printf("MAE                    %.6g\n", f->mae);
    if (!s->volume.planes)
        printf("FRC (1/7)              %s%.3f pixels\n", s->frc_bound ? "below " : "",
               s->frc_pixels);
    if (!isnan(s->coverage)) printf("coverage of 90 %%       %.4f\n", s->coverage);
    const volume_scores *v = &s->volume;
    if (v->planes)
        printf("planes                 %zu of %zu x %zu%s\n", v->planes, v->y, v->x,
               v->cropped ? ", the centre of the larger" : "");
    printf("pixels                 %zu\n", f->count);
}

static int compare_run(const cli_command *self, int argc, char **argv)
{
    struct settings s = {.tolerance = NAN};
    struct scores scores = {0};
    const cli_option options[] = {
        {"json", CLI_FLAG, &s.json, NULL, "print JSON"},
        {"table", CLI_TEXT, &s.row, "NAME", "print one row: name, PSNR, SSIM"},
        {"map", CLI_TEXT, &s.map, "EXPR",
         "function applied to the estimate before comparing: an expression a*x+b such as "
         "'((x-100)*0.5-2)/20'"},
        {"hole", CLI_TEXT, &s.hole, "FILE", "compare only where this mask is 0"},
        {"sd", CLI_TEXT, &s.sd, "FILE",
         "standard deviation of the estimate (its unit): also prints how often the truth is within "
         "1.645 of it, 0.9 for honest error bars"},
        {"samples", CLI_INTEGER, &s.samples, "K",
         "chains that mean and sd were taken over: few of them know neither well, and 90 % "
         "intervals are wider by Student's t [many]"},
        {"range", CLI_REAL, &s.range, "R",
         "span of values that PSNR and SSIM refer to [max - min of truth; volumes: max]"},
        {"uniform", CLI_FLAG, &s.uniform, NULL,
         "SSIM with a uniform 7 x 7 window, as fastMRI [Gaussian, sigma 1.5; volumes: always]"},
        {"dataset", CLI_TEXT, &s.datasets[0], "NAME",
         "of the estimate's HDF5 [reconstruction, reconstruction_rss or reconstruction_esc]"},
        {"truth-dataset", CLI_TEXT, &s.datasets[1], "NAME", "of the truth's HDF5 [likewise]"},
        {"tol", CLI_REAL, &s.tolerance, "T", "exit with 1 unless NRMSE <= T"},
        {0},
    };
    cli_parse p;
    scry_error err = {0};
    int status = cli_begin(&p, self, argc, argv, options, NULL, 0);
    if (status != CLI_OK) return status < 0 ? CLI_OK : status;
    if (p.count != 2) {
        status = cli_usage(self, "%d files named, expected an estimate and a truth", p.count);
    } else if (s.samples < 0 || s.samples == 1) {
        status = cli_usage(self,
                           "--samples %" PRId64 ", expected two chains or more, which have "
                           "an sd",
                           s.samples);
    } else if (compare_measure(&scores, &s, p.args, &err) != SCRY_OK) {
        status = cli_failed(self, &err) + (err.code == SCRY_EINVAL ? 1 : 0);
    } else {
        if (s.json && print_json(&scores, &err) != SCRY_OK)
            status = cli_failed(self, &err);
        else if (s.row)
            printf("%-26s %10.2f %8.3f\n", s.row, scores.fidelity.psnr, scores.ssim);
        else if (!s.json)
            print_scores(&scores);
        if (scores.fidelity.nrmse > s.tolerance) {
            fprintf(stderr, "scry compare: NRMSE %g, expected at most %g\n", scores.fidelity.nrmse,
                    s.tolerance);
            status = CLI_FAILED;
        }
    }
    cli_end(&p);
    return status;
}

static const char details[] =
    "MR volumes (.h5, .hdf5, .cfl, .nii, .nii.gz) are compared as fastMRI's challenge does: "
    "magnitudes, the centre of the larger cropped to the smaller, NMSE and PSNR over the whole "
    "volume, SSIM with a uniform 7 x 7 window averaged over slices, both with the maximum of the "
    "truth as range. The scale is not fitted: only range-invariant PSNR forgives it.";

const cli_command cli_compare = {"compare", "[options] estimate truth",
                                 "measure how far an image or MR volume is from a reference",
                                 details, compare_run};
