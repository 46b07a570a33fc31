#include "apps/recon/mri/mri_impl.h"

#include "lib/memory.h"
#include "operators/fourier.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Coils that hold nothing but noise, or nothing: broken ones, ones that are not plugged in, and
 * those of a long array that are far from this slice. The samples of an image have most of their
 * power around k = 0, those of noise are alike everywhere. Such a coil says nothing of the image,
 * but ESPIRiT's kernels take it for a signal: a loud one of eight cost 9 dB. */

/* Mean power of the middle over that of the outside below which a coil is silent. */
static const double NO_SIGNAL = 1.5;
/* Shares of the samples that are the middle and the outside; at least so many are the middle. */
static const double MIDDLE = 1.0 / 32, OUTSIDE = 0.25;
enum { MIN_MIDDLE = 64 };

/* Rings around k = 0: of each place (n), and where the middle ends and the outside begins. */
enum { RINGS = 512 };
struct silent_rings {
    unsigned short *of;
    size_t middle, outside;
};

/* Distances are shares of the field, at most sqrt(1/2). */
static void silent_divide(struct silent_rings *w, const struct scryi_plane *p,
                          const unsigned char *mask)
{
    size_t in[RINGS] = {0}, count = 0, sum = 0;
    for (size_t i = 0; i < p->ny * p->nx; i++) {
        const double y = (double)(i / p->nx) - (double)(p->ny / 2);
        const double x = (double)(i % p->nx) - (double)(p->nx / 2);
        const double fy = p->axes & SCRY_FOURIER_Y ? y / (double)p->ny : 0;
        const double fx = p->axes & SCRY_FOURIER_X ? x / (double)p->nx : 0;
        w->of[i] = (unsigned short)(sqrt(2 * (fy * fy + fx * fx)) * (RINGS - 1));
        in[w->of[i]] += mask[i] != 0;
        count += mask[i] != 0;
    }
    const double middle = fmax(MIDDLE * (double)count, MIN_MIDDLE);
    w->middle = 0;
    while (w->middle < RINGS && (double)sum < middle)
        sum += in[w->middle++];
    w->outside = RINGS;
    for (sum = 0; w->outside > w->middle && (double)sum < OUTSIDE * (double)count;)
        sum += in[--w->outside];
    if ((double)sum < 0.5 * OUTSIDE * (double)count) w->outside = w->middle = 0; /* too few */
}

static bool is_silent(const struct silent_rings *w, const float complex *x,
                      const unsigned char *mask, size_t n)
{
    double power[2] = {0}, count[2] = {0};
    for (size_t i = 0; i < n; i++) {
        const bool outside = w->of[i] >= w->outside;
        if (!mask[i] || (!outside && w->of[i] >= w->middle)) continue;
        power[outside] += (double)crealf(x[i]) * crealf(x[i]) + (double)cimagf(x[i]) * cimagf(x[i]);
        count[outside]++;
    }
    return !(power[0] * count[1] > NO_SIGNAL * power[1] * count[0]);
}

scry_status scryi_coils_silent(unsigned char *silent, const struct scryi_plane *p,
                               const float complex *data, const unsigned char *mask, size_t coils,
                               scry_error *err)
{
    const size_t n = p->ny * p->nx;
    memset(silent, 0, coils);
    if (coils < 2 || !p->axes) return SCRY_OK;
    struct silent_rings w = {.of = scry_alloc(n, sizeof *w.of)};
    if (!w.of) return SCRY_FAIL(err, SCRY_ENOMEM, "%zu samples", n);
    silent_divide(&w, p, mask);
    size_t left = coils;
    for (size_t c = 0; c < coils && w.middle; c++) {
        silent[c] = is_silent(&w, data + c * n, mask, n);
        left -= silent[c];
    }
    if (!left) memset(silent, 0, coils); /* the scan is of noise: that is not the coils' fault */
    scry_free(w.of);
    return SCRY_OK;
}

void scryi_coils_blank(float complex *x, const unsigned char *silent, size_t coils, size_t n)
{
    for (size_t c = 0; c < coils; c++)
        if (silent[c]) memset(x + c * n, 0, n * sizeof *x);
}

void scryi_coils_silent_log(const scry_reconstructor *r, const struct scryi_plane *p)
{
    char list[64] = "";
    size_t count = 0, at = 0;
    for (size_t c = 0; p->silent && c < r->scan->coils; c++) {
        if (!p->silent[c]) continue;
        count++;
        if (at + 8 < sizeof list)
            at += (size_t)snprintf(list + at, sizeof list - at, "%s%zu", at ? ", " : "", c);
    }
    if (count)
        scry_log_warn(&r->request->log,
                      "%zu of %zu coils (%s%s; the first is 0) hold%s no signal: left out", count,
                      r->scan->coils, list, at + 8 < sizeof list ? "" : ", ...",
                      count == 1 ? "s" : "");
}

/* ---- their noise ---- */

/* Marks silent coils of a slice; of a volume only those that are 0. */
static scry_status slice_silent(unsigned char *silent, const scry_mri_slice *s, scry_error *err)
{
    const size_t n = s->dims[0] * s->dims[1] * s->dims[2];
    const struct scryi_plane p = {.ny = s->dims[1],
                                  .nx = s->dims[2],
                                  .axes = (s->image_axis[1] ? 0u : SCRY_FOURIER_Y) |
                                          (s->image_axis[2] ? 0u : SCRY_FOURIER_X)};
    if (s->dims[0] == 1) return scryi_coils_silent(silent, &p, s->data, s->mask, s->coils, err);
    for (size_t c = 0; c < s->coils; c++) {
        silent[c] = 1;
        for (size_t i = 0; i < n && silent[c]; i++)
            silent[c] = crealf(s->data[c * n + i]) == 0 && cimagf(s->data[c * n + i]) == 0;
    }
    return SCRY_OK;
}

/* Mean power of the samples of a coil. */
static double silent_variance(const float complex *x, const unsigned char *mask, size_t n)
{
    double sum = 0, count = 0;
    for (size_t i = 0; i < n; i++) {
        if (!mask[i]) continue;
        sum += (double)crealf(x[i]) * crealf(x[i]) + (double)cimagf(x[i]) * cimagf(x[i]);
        count++;
    }
    return count > 0 ? sum / count : 0;
}

scry_status scryi_noise_of_heard(double complex *psi, struct scryi_noise_source *source,
                                 const scry_mri_slice *s, const scry_scan *scan, scry_error *err)
{
    const size_t n = s->dims[0] * s->dims[1] * s->dims[2], C = s->coils;
    unsigned char *silent = scry_alloc(C, 1);
    float complex *data = scry_alloc(C * n, sizeof *data);
    double complex *part = scry_alloc(C * C, sizeof *part);
    scry_mri_slice heard = *s;
    scry_status st = SCRY_OK;
    if (!silent || !data || !part) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "noise of %zu coils", C);
        goto done;
    }
    if ((st = slice_silent(silent, s, err)) != SCRY_OK) goto done;
    heard.coils = 0;
    heard.data = data;
    for (size_t c = 0; c < C; c++)
        if (!silent[c]) memcpy(data + heard.coils++ * n, s->data + c * n, n * sizeof *data);
    if ((st = scryi_noise_from_slice(part, source, &heard, scan, err)) != SCRY_OK) goto done;
    memset(psi, 0, C * C * sizeof *psi);
    for (size_t a = 0, i = 0; a < C; a++) {
        if (silent[a]) psi[a * (C + 1)] = silent_variance(s->data + a * n, s->mask, n);
        for (size_t b = 0; b < C && !silent[a]; b++)
            if (!silent[b]) psi[a * C + b] = part[i++];
    }
done:
    scry_free(silent);
    scry_free(data);
    scry_free(part);
    return st;
}

void scryi_noise_fill(double complex *psi, size_t coils)
{
    double sum = 0;
    size_t heard = 0;
    for (size_t c = 0; c < coils; c++)
        if (creal(psi[c * (coils + 1)]) > 0) {
            sum += creal(psi[c * (coils + 1)]);
            heard++;
        }
    for (size_t c = 0; heard && c < coils; c++)
        if (!(creal(psi[c * (coils + 1)]) > 0)) psi[c * (coils + 1)] = sum / (double)heard;
}
