#include "apps/cli/kspace_sampling.h"

#include "lib/memory.h"
#include "operators/fourier.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void kspace_pattern_init(kspace_pattern *p)
{
    *p = (kspace_pattern){.accel = 4, .centre = .08};
}

void kspace_pattern_options(cli_option table[KSPACE_PATTERN_OPTIONS], kspace_pattern *p)
{
    static char words[160]; /* help outlives the call; all tables say the same */
    const char *const *names = scry_pattern_names();
    size_t used = 0;
    for (size_t i = 0; names[i] && used < sizeof words; i++)
        used += (size_t)snprintf(words + used, sizeof words - used, "%s%s", i ? "|" : "", names[i]);
    table[0] = (cli_option){
        "pattern", CLI_TEXT, &p->name, words,
        "lines: random, equispaced, equispaced-fraction (fastMRI's, bit for bit), regular (every "
        "R-th line from 0 and the centre), gaussian; points: poisson (disc), radial (golden "
        "angle)"};
    table[1] = (cli_option){"accel", CLI_REAL, &p->accel, "R",
                            "acceleration that is wanted; the resulting one is printed [4]"};
    table[2] = (cli_option){"centre", CLI_REAL, &p->centre, "C",
                            "share of the lines in the fully sampled centre [0.08]"};
    table[3] = (cli_option){"center", CLI_REAL, &p->centre, "C", "the same as --centre"};
}

/* The name is one of them: the table of options lists no others. */
static scry_pattern kspace_sampling_pattern(const char *name)
{
    const char *const *names = scry_pattern_names();
    size_t i = 0;
    while (names[i + 1] && strcmp(name, names[i]) != 0)
        i++;
    return (scry_pattern)i;
}

static size_t count_set(const unsigned char *mask, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += mask[i] != 0;
    return count;
}

scry_status kspace_pattern_mask(unsigned char *mask, size_t *taken, size_t *places,
                                const kspace_pattern *p, const scry_kspace_info *info,
                                uint64_t seed, const char *seed_name, scry_error *err)
{
    const size_t dims[3] = {info->nz, info->ny, info->nx};
    const size_t n = info->nz * info->ny * info->nx;
    const int phase = info->readout == 1 ? 2 : 1;
    const scry_sampling s = {.pattern = kspace_sampling_pattern(p->name),
                             .accel = p->accel,
                             .centre = p->centre,
                             .seed = seed,
                             .seed_name = seed_name};
    const bool lines = scry_pattern_of_lines(s.pattern);
    /* axes that the pattern varies along: slow of length 1 for lines */
    const int fast = lines || info->nz > 1 ? phase : 2, slow = info->nz > 1 ? 0 : 1;
    const size_t n_fast = dims[fast], n_slow = lines ? 1 : dims[slow];
    const int in_image = info->image_axis[fast]             ? fast
                         : !lines && info->image_axis[slow] ? slow
                                                            : -1;
    if (in_image >= 0)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "axis %c is in the image domain already, expected "
                         "k-space where pattern %s is to choose samples",
                         "zyx"[in_image], p -> name);
    unsigned char *chosen = scry_alloc(n_slow * n_fast, 1);
    if (!chosen) return SCRY_FAIL(err, SCRY_ENOMEM, "mask of %zu samples", n_slow * n_fast);
    const scry_status st = lines ? scry_sampling_lines(chosen, n_fast, &s, err)
                                 : scry_sampling_mask(chosen, n_slow, n_fast, 1, &s, err);
    for (size_t i = 0; st == SCRY_OK && i < n; i++) {
        const size_t at[3] = {i / (info->ny * info->nx), i / info->nx % info->ny, i % info->nx};
        mask[i] = chosen[(lines ? 0 : at[slow] * n_fast) + at[fast]];
    }
    *places = n_slow * n_fast;
    *taken = count_set(chosen, *places);
    scry_free(chosen);
    return st;
}

void kspace_pattern_log(const kspace_pattern *p, size_t taken, size_t places)
{
    const bool lines = scry_pattern_of_lines(kspace_sampling_pattern(p->name));
    printf("acceleration %.4g (%s, %zu of %zu %s)\n", (double)places / (double)taken, p->name,
           taken, places, lines ? "lines" : "points");
}

scry_status kspace_target(float *target, float complex *images, const scry_kspace_info *info,
                          scry_error *err)
{
    const size_t ny = info->ny, nx = info->nx, h = info->recon[1], w = info->recon[2];
    const size_t y0 = (ny - h) / 2, x0 = (nx - w) / 2;
    const unsigned axes =
        (info->image_axis[1] ? 0u : SCRY_FOURIER_Y) | (info->image_axis[2] ? 0u : SCRY_FOURIER_X);
    scry_status st = SCRY_OK;
    if (axes) st = scry_fourier_transform(images, info->coils, ny, nx, axes, true, err);
    for (size_t i = 0; st == SCRY_OK && i < h * w; i++) {
        const size_t at = (y0 + i / w) * nx + x0 + i % w;
        double sum = 0;
        for (size_t c = 0; c < info->coils; c++) {
            const float complex v = images[c * ny * nx + at];
            sum += (double)crealf(v) * crealf(v) + (double)cimagf(v) * cimagf(v);
        }
        target[i] = (float)sqrt(sum);
    }
    return st;
}
