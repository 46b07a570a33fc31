/* What calibrates the coils of a series: a mean over frames. Coils do not move, and what moves in
 * the object is nearly the same in all of them. */

#include "lib/io/kspace/kspace_impl.h"

#include "lib/memory.h"

#include <string.h>

/* Samples on either side of k = 0 from which maps are made at least, and the share of any frame's
 * samples there that a frame must have to calibrate by itself: a lost sample is no matter. */
enum { MIDDLE_HALF = 12, SHARE = 98 };

struct series {
    scry_kspace_reader *r;
    size_t slice, n, all; /* samples of one coil, of all */
    float complex *one;   /* a frame */
    unsigned char *mask;  /* its samples */
    unsigned *times;      /* of each sample: frames that have it */
    size_t *middle;       /* of each frame: samples of the middle; 0: bad */
};

static bool series_in_middle(const scry_kspace_info *info, size_t i)
{
    const size_t at[3] = {i / (info->ny * info->nx), i / info->nx % info->ny, i % info->nx};
    const size_t n[3] = {info->nz, info->ny, info->nx};
    for (int a = 0; a < 3; a++) {
        const size_t c = n[a] / 2, far = at[a] > c ? at[a] - c : c - at[a];
        if (far > MIDDLE_HALF) return false;
    }
    return true;
}

/* Adds a frame to sum. A frame that is bad adds nothing; the reason for its refusal is said when it
 * is reconstructed. */
static scry_status series_add(struct series *s, size_t frame, float complex *sum, scry_error *err)
{
    scry_error bad = {0};
    s->middle[frame] = 0;
    const scry_status st = scry_kspace_read(s->r, frame, s->slice, s->one, s->mask, &bad);
    if (st == SCRY_ENUMERIC) return SCRY_OK;
    if (st != SCRY_OK) return SCRY_FAIL(err, st, "%s", bad.text);
    for (size_t i = 0; i < s->all; i++)
        sum[i] += s->one[i];
    for (size_t i = 0; i < s->n; i++) {
        s->times[i] += s->mask[i];
        s->middle[frame] += s->mask[i] && series_in_middle(&s->r->info, i);
    }
    return SCRY_OK;
}

/* The sum of the frames that calibrate by themselves, in place of that of all; false in *some:
 * there are none, or all do. */
static scry_status series_choose(struct series *s, float complex *sum, scry_error *err)
{
    const size_t frames = s->r->info.frames;
    size_t in_any = 0, chosen = 0, first = 0, good = 0;
    scry_status st = SCRY_OK;
    for (size_t i = 0; i < s->n; i++)
        in_any += s->times[i] && series_in_middle(&s->r->info, i);
    for (size_t f = frames; f--;) {
        good += s->middle[f] > 0;
        if (!s->middle[f] || s->middle[f] * 100 < in_any * SHARE) continue;
        chosen++;
        first = f;
    }
    s->r->info.calibration_frames = chosen ? chosen : good;
    s->r->info.calibration_first = first;
    if (!chosen || chosen == good) return SCRY_OK;
    memset(sum, 0, s->all * sizeof *sum);
    memset(s->times, 0, s->n * sizeof *s->times);
    for (size_t f = 0; f < frames && st == SCRY_OK; f++)
        if (s->middle[f] && s->middle[f] * 100 >= in_any * SHARE) st = series_add(s, f, sum, err);
    return st;
}

static scry_status series_sum(struct series *s, float complex *sum, scry_error *err)
{
    scry_status st = SCRY_OK;
    memset(sum, 0, s->all * sizeof *sum);
    for (size_t f = 0; f < s->r->info.frames && st == SCRY_OK; f++)
        st = series_add(s, f, sum, err);
    if (st == SCRY_OK) st = series_choose(s, sum, err);
    if (st == SCRY_OK && !s->r->info.calibration_frames)
        st = SCRY_FAIL(err, SCRY_ENUMERIC,
                       "%s: %s, slice %zu: none of the %zu frames can calibrate the coils: their "
                       "samples are 0, NaN or infinite",
                       s->r->path, s->r->info.dataset, s->slice, s->r->info.frames);
    return st;
}

scry_status scryi_kspace_series_mean(scry_kspace_reader *r, size_t slice, float complex *data,
                                     unsigned char *mask, scry_error *err)
{
    const scry_kspace_info *info = &r->info;
    struct series s = {.r = r, .slice = slice, .n = info->nz * info->ny * info->nx};
    s.all = info->coils * s.n;
    s.one = scry_alloc(s.all, sizeof *s.one);
    s.mask = scry_alloc(s.n, 1);
    s.times = scry_alloc(s.n, sizeof *s.times);
    s.middle = scry_alloc(info->frames, sizeof *s.middle);
    scry_status st = SCRY_OK;
    if (!s.one || !s.mask || !s.times || !s.middle)
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%s: mean of %zu frames", r->path, info->frames);
    if (st == SCRY_OK) st = series_sum(&s, data, err);
    for (size_t i = 0; st == SCRY_OK && i < s.n; i++) {
        mask[i] = s.times[i] > 0;
        for (size_t c = 0; s.times[i] > 1 && c < info->coils; c++)
            data[c * s.n + i] /= (float)s.times[i];
    }
    scry_free(s.one);
    scry_free(s.mask);
    scry_free(s.times);
    scry_free(s.middle);
    return st;
}
