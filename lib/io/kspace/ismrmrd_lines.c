/* Where each ISMRMRD acquisition belongs. Everything that heads can get wrong is found here, when
 * the file is opened and before anything is written. */

#include "lib/io/kspace/ismrmrd_impl.h"

#include "lib/memory.h"
#include "lib/space.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NO_PLACE = UINT16_MAX };

/* Counters whose values in the file are numbered anew without gaps: slices, then the counters of
 * frames, slowest first. Limits in headers do not give their number reliably (the generator of
 * ismrmrd-tools states one repetition too many). */
enum { SLICE, REPETITION, CONTRAST, PHASE, SET, COUNTERS };

typedef struct places {
    uint16_t *of[COUNTERS]; /* of each value below values; NO_PLACE where it does not occur */
    size_t values[COUNTERS], count[COUNTERS];
} places;

scryi_mrd_kind scryi_mrd_kind_of(const scryi_mrd_head *head)
{
    const uint64_t other =
        SCRYI_MRD_FLAG(SCRYI_MRD_NAVIGATION) | SCRYI_MRD_FLAG(SCRYI_MRD_PHASE_CORRECTION) |
        SCRYI_MRD_FLAG(SCRYI_MRD_HP_FEEDBACK) | SCRYI_MRD_FLAG(SCRYI_MRD_DUMMY) |
        SCRYI_MRD_FLAG(SCRYI_MRD_RT_FEEDBACK) | SCRYI_MRD_FLAG(SCRYI_MRD_SURFACE_COIL_CORRECTION);
    if (head->flags & SCRYI_MRD_FLAG(SCRYI_MRD_NOISE)) return SCRYI_MRD_NOISY;
    if (head->flags & other) return SCRYI_MRD_SKIPPED;
    if (head->flags & SCRYI_MRD_FLAG(SCRYI_MRD_CALIBRATION_AND_IMAGING)) return SCRYI_MRD_IMAGING;
    return head->flags & SCRYI_MRD_FLAG(SCRYI_MRD_CALIBRATION) ? SCRYI_MRD_CALIBRATING
                                                               : SCRYI_MRD_IMAGING;
}

static uint16_t mrd_lines_counter(const scryi_mrd_head *h, int which)
{
    switch (which) {
    case SLICE:
        return h->idx.slice;
    case REPETITION:
        return h->idx.repetition;
    case CONTRAST:
        return h->idx.contrast;
    case PHASE:
        return h->idx.phase;
    default:
        return h->idx.set;
    }
}

/* Of the image's encoding; noise scans have none. */
static bool in_image(const scryi_mrd_state *s, const scryi_mrd_head *h, scryi_mrd_kind kind)
{
    return scryi_mrd_kind_of(h) == kind && h->encoding_space_ref == s->encoding;
}

static scry_status make_places(places *k, const scry_kspace_reader *r, const scryi_mrd_head *heads,
                               size_t count, scry_error *err)
{
    for (int c = 0; c < COUNTERS; c++) {
        for (size_t i = 0; i < count; i++)
            if (in_image(r->state, &heads[i], SCRYI_MRD_IMAGING) &&
                mrd_lines_counter(&heads[i], c) >= k->values[c])
                k->values[c] = (size_t)mrd_lines_counter(&heads[i], c) + 1;
        if (!(k->of[c] = scry_alloc(k->values[c], sizeof *k->of[c])))
            return SCRY_FAIL(err, SCRY_ENOMEM, "%s: counters", r->path);
        for (size_t i = 0; i < count; i++)
            if (in_image(r->state, &heads[i], SCRYI_MRD_IMAGING))
                k->of[c][mrd_lines_counter(&heads[i], c)] = 1;
        for (size_t v = 0; v < k->values[c]; v++)
            k->of[c][v] = k->of[c][v] ? (uint16_t)k->count[c]++ : NO_PLACE;
    }
    return SCRY_OK;
}

/* false: of a slice or frame without imaging lines */
static bool ismrmrd_lines_find_place(const places *k, const scryi_mrd_head *h, scryi_mrd_line *line)
{
    uint16_t at[COUNTERS];
    for (int c = 0; c < COUNTERS; c++) {
        const uint16_t value = mrd_lines_counter(h, c);
        at[c] = value < k->values[c] ? k->of[c][value] : NO_PLACE;
        if (at[c] == NO_PLACE) return false;
    }
    line->slice = at[SLICE];
    line->frame = 0;
    for (int c = REPETITION; c < COUNTERS; c++)
        line->frame = line->frame * k->count[c] + at[c];
    return true;
}

/* Slices are numbered in the order of acquisition, which is interleaved as a rule. Their ranks
 * become those of their positions along the normal, unless these rise or fall already, or coincide.
 */
static scry_status order_slices(places *k, scry_kspace_reader *r, const scryi_mrd_head *heads,
                                size_t count, scry_error *err)
{
    const size_t n = k->count[SLICE];
    size_t rising = 0, falling = 0, apart = 0;
    double *at = scry_alloc(2 * n, sizeof *at);
    const scryi_mrd_head *first = NULL;
    if (!at) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: positions of %zu slices", r->path, n);
    for (size_t i = 0; i < count && !first; i++)
        if (in_image(r->state, &heads[i], SCRYI_MRD_IMAGING)) first = &heads[i];
    for (size_t i = 0; i < count; i++) {
        const scryi_mrd_head *h = &heads[i];
        if (!in_image(r->state, h, SCRYI_MRD_IMAGING)) continue;
        double *to = &at[k->of[SLICE][h->idx.slice]];
        *to = 0;
        for (int a = 0; a < 3; a++)
            *to += (double)h->position[a] * (double)first->slice_dir[a];
    }
    for (size_t s = 0; s < n; s++) {
        double *place = at + n + s;
        for (size_t o = 0; o < n; o++)
            *place += at[o] < at[s];
        rising += s && at[s] > at[s - 1];
        falling += s && at[s] < at[s - 1];
        bool alone = true;
        for (size_t o = 0; o < n; o++)
            alone = alone && (o == s || fabs(at[o] - at[s]) > 1e-3);
        apart += alone;
    }
    if (n > 2 && apart == n && rising != n - 1 && falling != n - 1) {
        for (size_t v = 0; v < k->values[SLICE]; v++)
            if (k->of[SLICE][v] != NO_PLACE) k->of[SLICE][v] = (uint16_t)at[n + k->of[SLICE][v]];
        scryi_kspace_warn(r,
                          "%zu slices are numbered in another order than they lie: they are "
                          "sorted by position",
                          n);
    }
    scry_free(at);
    return SCRY_OK;
}

static scry_status count_frames(scry_kspace_reader *r, const places *k, size_t lines,
                                scry_error *err)
{
    size_t all = r->info.slices = k->count[SLICE];
    bool fits = true;
    r->info.frames = 1;
    for (int c = REPETITION; c < COUNTERS && fits; c++) {
        r->info.frames *= k->count[c];
        fits = scry_mul(&all, all, k->count[c]);
    }
    /* Every slice has dozens of lines; some frames may be incomplete, most may not. */
    if (fits && all / 4 <= lines) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EFORMAT,
                     "%s: %s: %zu slices x %zu repetitions x %zu contrasts x %zu phases x %zu "
                     "sets, but only %zu imaging acquisitions",
                     r->path, r->dataset, k->count[SLICE], k->count[REPETITION], k->count[CONTRAST],
                     k->count[PHASE], k->count[SET], lines);
}

/* ---- embedded calibration ---- */

static size_t kept_samples(const scryi_mrd_head *h)
{
    const size_t dropped = (size_t)h->discard_pre + h->discard_post;
    return h->number_of_samples > dropped ? h->number_of_samples - dropped : 0;
}

static bool like_image(const scryi_mrd_head *h, const scryi_mrd_head *image)
{
    return kept_samples(h) == kept_samples(image) && h->active_channels == image->active_channels &&
           h->center_sample - h->discard_pre == image->center_sample - image->discard_pre;
}

/* Whether calibration lines fill the gaps of the image's: some lines are flagged as both, and none
 * that is calibration alone repeats a line of the image. A separate scan repeats those of the
 * middle, and flags none as both. */
static scry_status fills_gaps(bool *fills, const scry_kspace_reader *r, const scryi_mrd_head *heads,
                              size_t count, scry_error *err)
{
    size_t ny = 0, nz = 0;
    for (size_t i = 0; i < count; i++) {
        if (heads[i].idx.step_1 >= ny) ny = (size_t)heads[i].idx.step_1 + 1;
        if (heads[i].idx.step_2 >= nz) nz = (size_t)heads[i].idx.step_2 + 1;
    }
    bool both = false, repeats = false;
    *fills = false;
    if (!count || ny * nz / 256 > count) return SCRY_OK; /* counters that are no lines */
    unsigned char *imaged = scry_alloc(ny * nz, 1);
    if (!imaged) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu x %zu lines", r->path, nz, ny);
    for (size_t i = 0; i < count; i++) {
        if (!in_image(r->state, &heads[i], SCRYI_MRD_IMAGING)) continue;
        both |= (heads[i].flags & SCRYI_MRD_FLAG(SCRYI_MRD_CALIBRATION_AND_IMAGING)) != 0;
        imaged[heads[i].idx.step_2 * ny + heads[i].idx.step_1] = 1;
    }
    for (size_t i = 0; i < count; i++)
        if (in_image(r->state, &heads[i], SCRYI_MRD_CALIBRATING))
            repeats |= imaged[heads[i].idx.step_2 * ny + heads[i].idx.step_1] != 0;
    scry_free(imaged);
    *fills = both && !repeats;
    return SCRY_OK;
}

scry_status scryi_mrd_embed(scry_kspace_reader *r, scryi_mrd_head *heads, size_t count,
                            scry_error *err)
{
    const scryi_mrd_state *s = r->state;
    const char *mode = s->header.encoding[s->encoding].calibration;
    bool embedded = !strcmp(mode, "embedded");
    const scryi_mrd_head *image = NULL;
    size_t joined = 0, apart = 0;
    const scry_status st = mode[0] ? SCRY_OK : fills_gaps(&embedded, r, heads, count, err);
    if (st != SCRY_OK) return st;
    for (size_t i = 0; i < count && !image; i++)
        if (in_image(s, &heads[i], SCRYI_MRD_IMAGING)) image = &heads[i];
    for (size_t i = 0; i < count && image; i++) {
        scryi_mrd_head *h = &heads[i];
        if (!in_image(s, h, SCRYI_MRD_CALIBRATING)) continue;
        if (embedded && like_image(h, image)) {
            h->flags |= SCRYI_MRD_FLAG(SCRYI_MRD_CALIBRATION_AND_IMAGING);
            joined++;
        } else {
            apart++;
        }
    }
    if (joined)
        scryi_kspace_warn(r, "%zu calibration lines %s: they belong to the image too", joined,
                          mode[0] ? "are embedded" : "fill its gaps (mode not stated)");
    if (apart && embedded)
        scryi_kspace_warn(r,
                          "%zu embedded calibration lines differ from the image's in samples, "
                          "centre or channels: they are for coil maps only",
                          apart);
    else if (apart)
        scryi_kspace_warn(r, "%zu calibration lines (mode %s): they are for coil maps only", apart,
                          mode[0] ? mode : "not stated");
    return SCRY_OK;
}

/* ---- one line ---- */

/* kspace_encode_step_1 or _2 of an acquisition as an index into an axis of n. */
static scry_status place_step(const scry_kspace_reader *r, size_t acquisition, int which,
                              size_t step, size_t n, size_t *at, scry_error *err)
{
    const scryi_mrd_state *s = r->state;
    const scryi_mrd_limit *l = &s->header.encoding[s->encoding].limits[which];
    const size_t center = l->stated && n > 1 ? l->center : n / 2;
    *at = step + n / 2 - center; /* wraps to a huge number below 0 */
    if (*at < n) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EFORMAT,
                     "%s: acquisition %zu: kspace_encode_step_%d is %zu, expected %zu to %zu (%s "
                     "of %zu, centre of the limits %zu)",
                     r->path, acquisition, which == SCRYI_MRD_STEP_1 ? 1 : 2, step,
                     center > n / 2 ? center - n / 2 : 0, center + n - 1 - n / 2,
                     which == SCRYI_MRD_STEP_1 ? "encodedSpace.y" : "encodedSpace.z", n, center);
}

/* Samples that are kept, and where they lie along x. A whole line fills the axis: its centre is
 * that of the matrix, if need be up to a linear phase of the image. */
static scry_status place_samples(scry_kspace_reader *r, size_t acquisition, const scryi_mrd_head *h,
                                 scryi_mrd_line *line, scry_error *err)
{
    const size_t nx = r->info.nx, dropped = (size_t)h->discard_pre + h->discard_post;
    line->samples = h->number_of_samples;
    line->skipped = h->discard_pre;
    line->reversed = (h->flags & SCRYI_MRD_FLAG(SCRYI_MRD_REVERSE)) != 0;
    if (dropped >= line->samples || line->samples - dropped > nx)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: acquisition %zu: %zu samples (%u discarded in front, %u behind), "
                         "expected 1 to %zu to be left (encodedSpace.x)",
                         r->path, acquisition, line->samples, h->discard_pre, h->discard_post, nx);
    line->count = line->samples - dropped;
    ptrdiff_t center = (ptrdiff_t)h->center_sample - h->discard_pre;
    if (line->reversed) center = (ptrdiff_t)line->count - 1 - center;
    line->x = (size_t)((ptrdiff_t)(nx / 2) - center);
    if (line->count == nx) {
        /* Of an even number of reversed samples, writers count N/2 from either end. */
        const size_t tolerated = line->reversed && nx % 2 == 0;
        if (line->x && line->x != tolerated && h->center_sample)
            scryi_kspace_warn(r,
                              "whole lines whose center_sample is not %zu (%u in acquisition "
                              "%zu) are not shifted",
                              nx / 2, h->center_sample, acquisition);
        line->x = 0;
    }
    if (line->x <= nx - line->count) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EFORMAT,
                     "%s: acquisition %zu: %zu samples with center_sample %u (%u discarded in "
                     "front) do not fit in %zu with their centre at %zu",
                     r->path, acquisition, line->count, h->center_sample, h->discard_pre, nx,
                     nx / 2);
}

static scry_status place_line(scry_kspace_reader *r, size_t acquisition, const scryi_mrd_head *h,
                              scryi_mrd_line *line, scry_error *err)
{
    const scryi_mrd_state *s = r->state;
    scry_status st = s->scattered ? scryi_mrd_scatter_line(r, acquisition, h, line, err)
                                  : place_samples(r, acquisition, h, line, err);
    if (st != SCRY_OK) return st;
    if (h->active_channels != r->info.coils)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: acquisition %zu: %u active channels, expected %zu as in the first "
                         "imaging acquisition",
                         r->path, acquisition, h->active_channels, r->info.coils);
    line->average = h->idx.average;
    if (s->scattered)
        return place_step(r, acquisition, SCRYI_MRD_STEP_2, h->idx.step_2, s->partitions, &line->z,
                          err);
    st = place_step(r, acquisition, SCRYI_MRD_STEP_1, h->idx.step_1, r->info.ny, &line->y, err);
    if (st != SCRY_OK) return st;
    return place_step(r, acquisition, SCRYI_MRD_STEP_2, h->idx.step_2, r->info.nz, &line->z, err);
}

/* ---- noise ---- */

/* Noise scans with another receiver set-up than the image's cannot whiten it. */
static void take_noise(scry_kspace_reader *r, const scryi_mrd_head *h, const scryi_mrd_head *image,
                       const scryi_mrd_head **first, scryi_mrd_line *line)
{
    const size_t dropped = (size_t)h->discard_pre + h->discard_post;
    line->samples = h->number_of_samples;
    line->skipped = h->discard_pre;
    line->kind = SCRYI_MRD_SKIPPED;
    if (h->active_channels != image->active_channels || dropped >= line->samples) {
        scryi_kspace_warn(r,
                          "noise scans of %u channels and %u samples are left out: the image "
                          "has %u channels",
                          h->active_channels, h->number_of_samples, image->active_channels);
    } else if (*first && h->sample_time_us != (*first)->sample_time_us) {
        scryi_kspace_warn(r, "noise scans of %g us a sample are left out: the first has %g us",
                          (double)h->sample_time_us, (double)(*first)->sample_time_us);
    } else {
        if (!*first) *first = h;
        line->kind = SCRYI_MRD_NOISY;
        line->count = line->samples - dropped;
        r->info.noise_samples += line->count;
    }
}

/* White noise has a variance in proportion to its bandwidth, which is 1 / dwell time; that of a
 * noise scan is further reduced by the receiver, which the header states. */
static void set_noise_ratio(scry_kspace_reader *r, const scryi_mrd_head *image,
                            const scryi_mrd_head *noise)
{
    const scryi_mrd_state *s = r->state;
    const double relative = s->header.noise_bandwidth > 0 ? s->header.noise_bandwidth : 1;
    r->info.noise_ratio = 1;
    r->info.sample_time = (double)image->sample_time_us;
    if (!noise) return;
    r->info.noise_ratio /= relative;
    if (image->sample_time_us > 0 && noise->sample_time_us > 0)
        r->info.noise_ratio *= (double)noise->sample_time_us / (double)image->sample_time_us;
    else
        scryi_kspace_warn(r,
                          "sample times are not stated (image %g us, noise %g us): noise is "
                          "taken to have the bandwidth of the image",
                          (double)image->sample_time_us, (double)noise->sample_time_us);
}

/* ---- all lines ---- */

static int by_place(const void *a, const void *b)
{
    const scryi_mrd_line *p = a, *q = b;
    if (p->kind != q->kind) return p->kind < q->kind ? -1 : 1;
    if (p->frame != q->frame) return p->frame < q->frame ? -1 : 1;
    if (p->slice != q->slice) return p->slice < q->slice ? -1 : 1;
    return (p->acquisition > q->acquisition) - (p->acquisition < q->acquisition);
}

size_t scryi_mrd_find(const scryi_mrd_state *s, scryi_mrd_kind kind, size_t frame, size_t slice,
                      size_t *from)
{
    size_t bound[2];
    for (int end = 0; end < 2; end++) {
        size_t low = s->first[kind], high = low + s->n[kind];
        while (low < high) {
            const size_t mid = low + (high - low) / 2;
            const scryi_mrd_line *l = &s->lines[mid];
            const bool below = l->frame < frame ||
                               (l->frame == frame && (end ? l->slice <= slice : l->slice < slice));
            if (below)
                low = mid + 1;
            else
                high = mid;
        }
        bound[end] = low;
    }
    *from = bound[0];
    return bound[1] - bound[0];
}

static int by_repeat(const void *a, const void *b)
{
    const scryi_mrd_line *p = *(const scryi_mrd_line *const *)a;
    const scryi_mrd_line *q = *(const scryi_mrd_line *const *)b;
    if (p->frame != q->frame) return p->frame < q->frame ? -1 : 1;
    if (p->slice != q->slice) return p->slice < q->slice ? -1 : 1;
    if (p->z != q->z) return p->z < q->z ? -1 : 1;
    if (p->y != q->y) return p->y < q->y ? -1 : 1;
    return (p->average > q->average) - (p->average < q->average);
}

/* How many times samples were acquired, at most. Repeats are numbered by idx.average; those that
 * are not are averaged too, but may be something else that this reader does not know. */
static scry_status count_averages(scry_kspace_reader *r, scry_error *err)
{
    const scryi_mrd_state *s = r->state;
    const size_t n = s->n[SCRYI_MRD_IMAGING];
    size_t repeats = 0, times = 0;
    const scryi_mrd_line **lines = scry_alloc(n, sizeof *lines);
    if (!lines) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu lines", r->path, n);
    for (size_t i = 0; i < n; i++)
        lines[i] = &s->lines[s->first[SCRYI_MRD_IMAGING] + i];
    qsort(lines, n, sizeof *lines, by_repeat);
    for (size_t i = 0; i < n; i++) {
        const scryi_mrd_line *p = lines[i ? i - 1 : 0], *q = lines[i];
        const bool again =
            i && p->frame == q->frame && p->slice == q->slice && p->z == q->z && p->y == q->y;
        times = again ? times + 1 : 1;
        repeats += again && p->average == q->average;
        if (times > r->info.averages) r->info.averages = times;
    }
    if (repeats)
        scryi_kspace_warn(r,
                          "%zu lines repeat an earlier one with the same counters: their mean "
                          "is taken",
                          repeats);
    scry_free(lines);
    return SCRY_OK;
}

static scry_status fill_lines(scry_kspace_reader *r, const places *k, const scryi_mrd_head *heads,
                              size_t count, const scryi_mrd_head *image, scry_error *err)
{
    scryi_mrd_state *s = r->state;
    const scryi_mrd_head *noise = NULL;
    size_t stray = 0, elsewhere = 0;
    for (size_t i = 0; i < count; i++) {
        const scryi_mrd_head *h = &heads[i];
        scryi_mrd_line *line = &s->lines[i];
        *line = (scryi_mrd_line){.kind = scryi_mrd_kind_of(h), .acquisition = i};
        if (line->kind == SCRYI_MRD_NOISY) take_noise(r, h, image, &noise, line);
        if (line->kind >= SCRYI_MRD_NOISY) continue;
        if (s->scattered && line->kind == SCRYI_MRD_CALIBRATING) {
            scryi_kspace_warn(r, "calibration readouts of a scan off the grid are left out");
            line->kind = SCRYI_MRD_SKIPPED;
            continue;
        }
        const bool here = h->encoding_space_ref == s->encoding,
                   ranked = ismrmrd_lines_find_place(k, h, line);
        elsewhere += !here;
        stray += here && !ranked;
        if (here && ranked) {
            scry_error misfit = {0};
            const scry_status st = place_line(r, i, h, line, &misfit);
            if (st != SCRY_OK && line->kind == SCRYI_MRD_IMAGING)
                return SCRY_FAIL(err, st, "%s", misfit.text);
            if (st != SCRY_OK) {
                scryi_kspace_warn(r, "calibration lines that do not fit are left out: %.180s",
                                  misfit.text);
                line->kind = SCRYI_MRD_SKIPPED;
            }
        } else {
            line->kind = SCRYI_MRD_SKIPPED;
        }
    }
    if (elsewhere)
        scryi_kspace_warn(r, "%zu acquisitions of other encodings than number %zu are left out",
                          elsewhere, s->encoding);
    if (stray)
        scryi_kspace_warn(r,
                          "%zu calibration acquisitions of slices or frames without imaging "
                          "acquisitions are left out",
                          stray);
    set_noise_ratio(r, image, noise);
    return SCRY_OK;
}

/* ---- geometry ---- */

static double mrd_lines_dot(const double *a, const double *b)
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* Directions to unit length; false unless they are orthogonal. */
static bool mrd_lines_orthonormal(double v[3][3])
{
    for (int i = 0; i < 3; i++) {
        const double length = sqrt(mrd_lines_dot(v[i], v[i]));
        if (!(length > 0.5 && length < 2)) return false;
        for (int k = 0; k < 3; k++)
            v[i][k] /= length;
    }
    return fabs(mrd_lines_dot(v[0], v[1])) < 1e-3 && fabs(mrd_lines_dot(v[0], v[2])) < 1e-3 &&
           fabs(mrd_lines_dot(v[1], v[2])) < 1e-3;
}

/* Siemens states directions for images that come from k-space by a forward transform, everybody
 * else, and this reader, for the inverse one: along an axis that is transformed, a direction of a
 * file that was converted from Siemens data points to falling indices. siemens_to_ismrmrd copies
 * samples and directions as they are (main.cpp); MRpro conjugates the samples of these files (pull
 * request 833, which compares with the scanner's images), which turns the image instead. */
static void turn_directions(scry_geometry *g, const scry_kspace_reader *r)
{
    const scryi_mrd_state *s = r->state;
    if (strcasecmp(s->header.vendor, "siemens") != 0) return;
    for (int a = 0; a < (r->info.nz > 1 ? 3 : 2); a++)
        for (int k = 0; k < 3; k++)
            g->along[a][k] = -g->along[a][k];
}

/* first: the first imaging acquisition of each slice */
static void set_geometry(scry_kspace_reader *r, const scryi_mrd_head *heads, const size_t *first)
{
    scry_geometry *g = &r->info.geometry;
    const size_t last = r->info.slices - 1;
    const scryi_mrd_head *h = &heads[first[0]], *end = &heads[first[last]];
    for (int k = 0; k < 3; k++) {
        g->fov[k] = r->info.recon_fov[2 - k];
        g->position[k] = (double)h->position[k];
        g->along[0][k] = (double)h->read_dir[k];
        g->along[1][k] = (double)h->phase_dir[k];
        g->along[2][k] = (double)h->slice_dir[k];
        if (last)
            g->slice_gap[k] = ((double)end->position[k] - (double)h->position[k]) / (double)last;
    }
    g->known = mrd_lines_orthonormal(g->along) && g->fov[0] > 0 && g->fov[1] > 0 && g->fov[2] > 0 &&
               isfinite(mrd_lines_dot(g->position, g->position));
    /* Numbered in the order of acquisition, or of several stacks: no single affine map holds. */
    for (size_t i = 1; i < last && g->known; i++)
        for (int k = 0; k < 3; k++) {
            const double expected = g->position[k] + (double)i * g->slice_gap[k];
            if (fabs((double)heads[first[i]].position[k] - expected) < 0.1) continue;
            scryi_kspace_warn(r,
                              "slice %zu lies at %.2f mm along axis %d, expected %.2f for equal "
                              "gaps: orientation is not used",
                              i, (double)heads[first[i]].position[k], k, expected);
            g->known = false;
            g->uneven = true;
            break;
        }
    turn_directions(g, r);
    const size_t total = r->info.slices;
    if (g->known && total > 1 && !(fabs(mrd_lines_dot(g->slice_gap, g->along[2])) > 1e-3)) {
        scryi_kspace_warn(r, "%zu slices at the same place: orientation is not used", total);
        g->known = false;
    }
}

static scry_status mrd_lines_locate(scry_kspace_reader *r, const scryi_mrd_head *heads,
                                    scry_error *err)
{
    const scryi_mrd_state *s = r->state;
    size_t *first = scry_alloc(r->info.slices, sizeof *first);
    if (!first) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu slices", r->path, r->info.slices);
    for (size_t i = 0; i < r->info.slices; i++)
        first[i] = SIZE_MAX;
    for (size_t i = 0; i < s->n[SCRYI_MRD_IMAGING]; i++) {
        const scryi_mrd_line *l = &s->lines[i];
        if (l->acquisition < first[l->slice]) first[l->slice] = l->acquisition;
    }
    set_geometry(r, heads, first);
    scry_free(first);
    return SCRY_OK;
}

scry_status scryi_mrd_sort(scry_kspace_reader *r, const scryi_mrd_head *heads, size_t count,
                           scry_error *err)
{
    scry_status st = SCRY_OK;
    scryi_mrd_state *s = r->state;
    const scryi_mrd_head *image = NULL;
    places k = {0};
    size_t lines = 0;
    for (size_t i = 0; i < count; i++)
        if (in_image(s, &heads[i], SCRYI_MRD_IMAGING) && !lines++) image = &heads[i];
    r->info.coils = image->active_channels;
    if (!r->info.coils)
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: acquisition %zu: no active channels", r->path,
                         (size_t)(image - heads));
    if ((st = make_places(&k, r, heads, count, err)) != SCRY_OK) goto done;
    if ((st = order_slices(&k, r, heads, count, err)) != SCRY_OK) goto done;
    if ((st = count_frames(r, &k, lines, err)) != SCRY_OK) goto done;
    if (!(s->lines = scry_alloc(count, sizeof *s->lines))) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu acquisitions", r->path, count);
        goto done;
    }
    if ((st = fill_lines(r, &k, heads, count, image, err)) != SCRY_OK) goto done;
    qsort(s->lines, count, sizeof *s->lines, by_place);
    for (size_t i = 0; i < count; i++)
        if (s->lines[i].kind < SCRYI_MRD_SKIPPED && !s->n[s->lines[i].kind]++)
            s->first[s->lines[i].kind] = i;
    if (s->scattered && (st = scryi_mrd_scatter_number(r, err)) != SCRY_OK) goto done;
    r->info.has_calibration = s->n[SCRYI_MRD_CALIBRATING] > 0;
    if ((st = count_averages(r, err)) != SCRY_OK) goto done;
    st = mrd_lines_locate(r, heads, err);
done:
    for (int c = 0; c < COUNTERS; c++)
        scry_free(k.of[c]);
    return st;
}
