/* A PSF from an image of beads. h: the field minus its background; a spot: a bright place in it.
 * All is (z, y, x), leading axes of length 1 added. */
#include "operators/psf_beads.h"

#include "lib/memory.h"
#include "lib/numbers.h"
#include "lib/vector.h"
#include "operators/psf_impl.h"

#include <gsl/gsl_math.h>
#include <stdlib.h>
#include <string.h>

static const double threshold = 8;   /* of the smoothed field's noise */
static const double faint = 0.2;     /* of the bright beads: no bead */
static const double CORE = 1.5;      /* widths: half of the light of a bead is nearer than that */
static const double neighbour = 0.1; /* of a bead: light that disturbs it */
/* Half sizes of a box, in widths, and how many beads have to be good for it to be taken: tails are
 * worth less than light. */
static const struct {
    double widths;
    size_t enough;
} boxes[] = {{4, 8}, {3, 5}, {2.5, 0}};
static const double cluster = 3;        /* times the median brightness */
static const double other_width = 0.25; /* relative difference */
static const double alike = 0.8;        /* correlation with the mean */

enum { MAX_SPOTS = 20000, FEW = 3, FIRST = 20, SMALLEST_FIELD = 8 };

enum fate { GOOD = 0, CLOSE, BORDER, SATURATED, UNLIKE };

struct spot {
    size_t at[3];
    double bright;    /* smoothed, above background */
    double centre[3]; /* of the spot, relative to `at` */
    double fwhm[3], level, light;
    enum fate fate;
};

struct bead_field {
    size_t n[3], count;
    int lead; /* axes that were added */
    float *h, *smooth;
    double background, noise, top; /* top: the largest value of h */
    struct spot *spots;
    size_t spot_count;
    double width[3]; /* FWHM of a bead */
    size_t half[3];  /* half sizes of the box around one */
    size_t box[3], box_count;
};

static void beads_free(struct bead_field *f)
{
    scry_free(f->h);
    scry_free(f->smooth);
    scry_free(f->spots);
}

static size_t psf_beads_place(const struct bead_field *f, size_t z, size_t y, size_t x)
{
    return (z * f->n[1] + y) * f->n[2] + x;
}

/* ---- where they are ---- */

/* The mean over three neighbours along one axis, its ends repeated. */
static void smooth_axis(float *out, const float *in, const struct bead_field *f, int axis)
{
    const size_t step = axis == 2 ? 1 : axis == 1 ? f->n[2] : f->n[1] * f->n[2];
    for (size_t i = 0; i < f->count; i++) {
        const size_t c = i / step % f->n[axis];
        const float before = in[c ? i - step : i], after = in[c + 1 < f->n[axis] ? i + step : i];
        out[i] = (before + in[i] + after) / 3;
    }
}

/* Median, and the sd from the median absolute deviation. */
static void psf_beads_level_of(double *level, double *noise, const float *v, size_t n,
                               float *scratch)
{
    *level = scry_quantile(v, n, 0.5, scratch);
    for (size_t i = 0; i < n; i++)
        scratch[i] = (float)fabs(v[i] - *level);
    *noise = SCRY_MAD_TO_SD * scry_quantile(scratch, n, 0.5, scratch);
}

static scry_status prepare_field(struct bead_field *f, const float *in, double *limit,
                                 scry_error *err)
{
    double level, noise;
    float *scratch = scry_alloc(f->count, sizeof *scratch);
    f->h = scry_copy(in, f->count * sizeof *f->h);
    f->smooth = scry_copy(in, f->count * sizeof *f->smooth);
    if (!scratch || !f->h || !f->smooth) {
        scry_free(scratch);
        return SCRY_FAIL(err, SCRY_ENOMEM, "an image of beads of %zu voxels", f->count);
    }
    psf_beads_level_of(&f->background, &f->noise, in, f->count, scratch);
    for (size_t i = 0; i < f->count; i++)
        f->h[i] = f->smooth[i] = (float)(in[i] - f->background);
    for (int a = 0; a < 3; a++)
        if (f->n[a] > 3) {
            smooth_axis(scratch, f->smooth, f, a);
            memcpy(f->smooth, scratch, f->count * sizeof *scratch);
        }
    psf_beads_level_of(&level, &noise, f->smooth, f->count, scratch);
    *limit = level + threshold * noise;
    f->top = f->h[0];
    for (size_t i = 1; i < f->count; i++)
        f->top = fmax(f->top, f->h[i]);
    scry_free(scratch);
    return SCRY_OK;
}

/* No neighbour is brighter; of equal ones the first counts. */
static bool is_peak(const struct bead_field *f, size_t i)
{
    const size_t c[3] = {i / f->n[2] / f->n[1], i / f->n[2] % f->n[1], i % f->n[2]};
    for (size_t z = c[0] ? c[0] - 1 : 0; z <= c[0] + 1 && z < f->n[0]; z++)
        for (size_t y = c[1] ? c[1] - 1 : 0; y <= c[1] + 1 && y < f->n[1]; y++)
            for (size_t x = c[2] ? c[2] - 1 : 0; x <= c[2] + 1 && x < f->n[2]; x++) {
                const size_t j = psf_beads_place(f, z, y, x);
                if (f->smooth[j] > f->smooth[i] || (f->smooth[j] >= f->smooth[i] && j < i))
                    return false;
            }
    return true;
}

static int by_brightness(const void *a, const void *b)
{
    const struct spot *p = a, *q = b;
    return p->bright < q->bright ? 1 : p->bright > q->bright ? -1 : 0;
}

static scry_status list_peaks(struct bead_field *f, double limit, scry_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < f->count; i++)
        n += f->smooth[i] > limit && is_peak(f, i);
    if (n > MAX_SPOTS)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%zu bright places, more than beads that lie apart can be", n);
    if (!n)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "no bead: nothing exceeds the background %g by %g times its noise",
                         f->background, threshold);
    f->spots = scry_alloc(n, sizeof *f->spots);
    if (!f->spots) return SCRY_FAIL(err, SCRY_ENOMEM, "%zu bright places", n);
    for (size_t i = 0; i < f->count; i++)
        if (f->smooth[i] > limit && is_peak(f, i))
            f->spots[f->spot_count++] =
                (struct spot){.at = {i / f->n[2] / f->n[1], i / f->n[2] % f->n[1], i % f->n[2]},
                              .bright = (double)f->smooth[i]};
    qsort(f->spots, f->spot_count, sizeof *f->spots, by_brightness);
    return SCRY_OK;
}

/* FWHM along an axis through a voxel of h; 0: it does not fall to half within the field. */
static double fwhm_at(const struct bead_field *f, const size_t *at, int axis)
{
    const size_t step = axis == 2 ? 1 : axis == 1 ? f->n[2] : f->n[1] * f->n[2];
    const size_t i = psf_beads_place(f, at[0], at[1], at[2]);
    double half[2];
    scryi_half_widths(half, f->h + (i - at[axis] * step), f->n[axis], step, at[axis]);
    return half[0] > 0 && half[1] > 0 ? half[0] + half[1] : 0;
}

/* The median width of the brightest. */
static void first_widths(struct bead_field *f)
{
    for (int a = 0; a < 3; a++) {
        float values[FIRST];
        size_t n = 0;
        for (size_t k = 0; k < f->spot_count && n < FIRST; k++) {
            const double w = fwhm_at(f, f->spots[k].at, a);
            if (w > 0) values[n++] = (float)w;
        }
        f->width[a] = n ? scry_quantile(values, n, 0.5, values) : (double)f->n[a];
        if (f->n[a] == 1) f->width[a] = 1;
    }
}

/* Spots nearer to a brighter one than a width belong to it; the faint ones are debris. */
static void merge_spots(struct bead_field *f)
{
    size_t kept = 0;
    for (size_t k = 0; k < f->spot_count; k++) {
        bool own = true;
        for (size_t j = 0; j < kept && own; j++) {
            double d2 = 0;
            for (int a = 0; a < 3; a++)
                d2 += gsl_pow_2(((double)f->spots[k].at[a] - (double)f->spots[j].at[a]) /
                                f->width[a]);
            own = d2 > 1;
        }
        if (own) f->spots[kept++] = f->spots[k];
    }
    f->spot_count = kept;
}

static size_t bright_ones(const struct bead_field *f)
{
    const double min = faint * f->spots[f->spot_count / 3].bright;
    size_t n = 0;
    while (n < f->spot_count && f->spots[n].bright >= min)
        n++;
    return n;
}

/* ---- which of them ---- */

static bool psf_beads_disturbed(const struct bead_field *f, size_t k)
{
    const struct spot *s = &f->spots[k];
    for (size_t j = 0; j < f->spot_count && f->spots[j].bright > neighbour * s->bright; j++) {
        bool near = j != k;
        for (int a = 0; a < 3 && near; a++)
            near = fabs((double)f->spots[j].at[a] - (double)s->at[a]) <=
                   (double)f->half[a] + CORE * f->width[a];
        if (near) return true;
    }
    return false;
}

static bool leaves_field(const struct bead_field *f, const struct spot *s)
{
    for (int a = 1; a < 3; a++)
        if (s->at[a] < f->half[a] || s->at[a] + f->half[a] >= f->n[a]) return true;
    return f->n[0] > 3 && (s->at[0] == 0 || s->at[0] + 1 == f->n[0]);
}

/* More voxels at the top of the field than a bead between voxels has: the camera was full. */
static bool is_saturated(const struct bead_field *f, const struct spot *s)
{
    size_t full = 0;
    for (size_t z = s->at[0] ? s->at[0] - 1 : 0; z <= s->at[0] + 1 && z < f->n[0]; z++)
        for (size_t y = s->at[1] - 1; y <= s->at[1] + 1; y++)
            for (size_t x = s->at[2] - 1; x <= s->at[2] + 1; x++)
                full += (double)f->h[psf_beads_place(f, z, y, x)] >= f->top;
    return full > (f->n[0] > 1 ? 8 : 4);
}

/* Judges the first n spots for boxes of `widths` widths; returns how many are good. */
static size_t psf_beads_judge(struct bead_field *f, size_t n, double widths)
{
    size_t good = 0;
    f->box_count = 1;
    for (int a = 0; a < 3; a++) {
        f->half[a] = f->n[a] == 1 ? 0 : (size_t)ceil(widths * f->width[a]);
        if (a == 0 && f->half[0] >= f->n[0]) f->half[0] = f->n[0] - 1;
        f->box[a] = 2 * f->half[a] + 1;
        f->box_count *= f->box[a];
    }
    for (size_t k = 0; k < n; k++) {
        struct spot *s = &f->spots[k];
        s->fate = leaves_field(f, s)          ? BORDER
                  : is_saturated(f, s)        ? SATURATED
                  : psf_beads_disturbed(f, k) ? CLOSE
                                              : GOOD;
        good += s->fate == GOOD;
    }
    return good;
}

/* ---- their sum ---- */

/* The box around a spot, its border's median subtracted; planes beyond the stack are 0. */
static void take_box(float *out, const struct bead_field *f, struct spot *s, float *scratch)
{
    size_t edge = 0;
    for (size_t i = 0; i < f->box_count; i++) {
        const size_t y = i / f->box[2] % f->box[1], x = i % f->box[2];
        const size_t z = s->at[0] + i / f->box[2] / f->box[1] - f->half[0]; /* wraps below 0 */
        out[i] =
            z < f->n[0]
                ? f->h[psf_beads_place(f, z, s->at[1] + y - f->half[1], s->at[2] + x - f->half[2])]
                : NAN;
        if (z < f->n[0] && (!y || y + 1 == f->box[1] || !x || x + 1 == f->box[2]))
            scratch[edge++] = out[i];
    }
    s->level = edge ? scry_quantile(scratch, edge, 0.5, scratch) : 0;
    for (size_t i = 0; i < f->box_count; i++)
        out[i] = isnan(out[i]) ? 0 : (float)(out[i] - s->level);
}

/* The centre at which first moments vanish under a Gaussian window of the bead's own width. Such a
 * window halves the distance of a Gaussian in each step, hence the factor 2. */
static void find_spot_centre(struct spot *s, const struct bead_field *f, const float *box)
{
    for (int a = 0; a < 3; a++)
        s->centre[a] = 0;
    for (int pass = 0; pass < 8; pass++) {
        double sum = 0, moment[3] = {0};
        for (size_t i = 0; i < f->box_count; i++) {
            const size_t at[3] = {i / f->box[2] / f->box[1], i / f->box[2] % f->box[1],
                                  i % f->box[2]};
            double d[3], r2 = 0;
            for (int a = 0; a < 3; a++) {
                d[a] = (double)at[a] - (double)f->half[a] - s->centre[a];
                if (f->n[a] > 1) r2 += gsl_pow_2(d[a] / f->width[a]);
            }
            const double w = exp(-4 * M_LN2 * r2) * box[i];
            sum += w;
            for (int a = 0; a < 3; a++)
                moment[a] += w * d[a];
        }
        s->light = sum;
        for (int a = 0; a < 3 && sum > 0; a++)
            if (f->n[a] > 1) s->centre[a] = fmin(fmax(s->centre[a] + 2 * moment[a] / sum, -1), 1);
    }
}

/* out[i] = line(i + by), periodic and band-limited: n is odd. */
static void shift_line(double *out, const float *line, size_t n, size_t step, double by)
{
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t j = 0; j < n; j++) {
            const double t = SCRY_PI * ((double)i - (double)j + by), s = sin(t / (double)n);
            const double kernel = fabs(s) < 1e-9 ? 1 : sin(t) / ((double)n * s);
            sum += kernel * line[j * step];
        }
        out[i] = sum;
    }
}

static void shift_axis(float *box, const struct bead_field *f, int axis, double by, double *line)
{
    const size_t n = f->box[axis], step = axis == 2 ? 1 : f->box[2];
    for (size_t i = 0; i < f->box_count; i++) {
        if (i / step % n) continue;
        shift_line(line, box + i, n, step, by);
        for (size_t k = 0; k < n; k++)
            box[i + k * step] = (float)line[k];
    }
}

/* Keys' cubic kernel, 1981, IEEE TASSP 29:1153. */
static double psf_beads_keys(double t)
{
    t = fabs(t);
    return t < 1 ? (1.5 * t - 2.5) * t * t + 1 : t < 2 ? ((-0.5 * t + 2.5) * t - 4) * t + 2 : 0;
}

struct bead_sum {
    double *value, *light; /* of the box; of the beads that each plane has */
};

/* Adds a box that is centred laterally, moved along z by its centre; planes beyond the stack hold
 * nothing. */
static void add_box(struct bead_sum *sum, const struct bead_field *f, const struct spot *s,
                    const float *box)
{
    const size_t plane = f->box[1] * f->box[2];
    for (size_t z = 0; z < f->box[0]; z++) {
        const double at = (double)z + s->centre[0], stack = at + (double)s->at[0];
        if (stack < (double)f->half[0] || stack > (double)(f->half[0] + f->n[0] - 1)) continue;
        sum->light[z] += s->light;
        for (size_t k = 0; k < f->box[0]; k++) {
            const double w = psf_beads_keys(at - (double)k);
            for (size_t i = 0; w != 0 && i < plane; i++)
                sum->value[z * plane + i] += w * box[k * plane + i];
        }
    }
}

struct bead_work {
    float *box, *scratch;
    double *line;
    struct bead_sum sum;
};

static void work_free(struct bead_work *w)
{
    scry_free(w->box);
    scry_free(w->scratch);
    scry_free(w->line);
    scry_free(w->sum.value);
    scry_free(w->sum.light);
}

static scry_status work_create(struct bead_work *w, const struct bead_field *f, scry_error *err)
{
    const size_t longest = f->box[1] > f->box[2] ? f->box[1] : f->box[2];
    w->box = scry_alloc(f->box_count, sizeof *w->box);
    w->scratch =
        scry_alloc(f->box_count > f->spot_count ? f->box_count : f->spot_count, sizeof *w->scratch);
    w->line = scry_alloc(longest, sizeof *w->line);
    w->sum.value = scry_alloc(f->box_count, sizeof *w->sum.value);
    w->sum.light = scry_alloc(f->box[0], sizeof *w->sum.light);
    if (w->box && w->scratch && w->line && w->sum.value && w->sum.light) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENOMEM, "a box of %zu x %zu x %zu around a bead", f->box[0],
                     f->box[1], f->box[2]);
}

/* The box of a spot moved to its centre; in z only by add_box. */
static void centred_box(struct bead_work *w, const struct bead_field *f, struct spot *s)
{
    take_box(w->box, f, s, w->scratch);
    for (int a = 1; a < 3; a++)
        if (f->n[a] > 1) shift_axis(w->box, f, a, s->centre[a], w->line);
}

static void sum_good(struct bead_work *w, const struct bead_field *f, size_t n)
{
    memset(w->sum.value, 0, f->box_count * sizeof *w->sum.value);
    memset(w->sum.light, 0, f->box[0] * sizeof *w->sum.light);
    for (size_t k = 0; k < n; k++) {
        if (f->spots[k].fate != GOOD) continue;
        centred_box(w, f, &f->spots[k]);
        add_box(&w->sum, f, &f->spots[k], w->box);
    }
}

/* Correlation of a box with the sum where the sum's light is: within one and a half widths. */
static double psf_beads_likeness(const struct bead_work *w, const struct bead_field *f)
{
    double ab = 0, aa = 0, bb = 0, a1 = 0, b1 = 0, n = 0;
    for (size_t i = 0; i < f->box_count; i++) {
        const size_t at[3] = {i / f->box[2] / f->box[1], i / f->box[2] % f->box[1], i % f->box[2]};
        double r2 = 0;
        for (int a = 0; a < 3; a++)
            r2 += gsl_pow_2(((double)at[a] - (double)f->half[a]) / f->width[a]);
        if (r2 > CORE * CORE) continue;
        const double a = w->box[i], b = w->sum.value[i];
        ab += a * b;
        aa += a * a;
        bb += b * b;
        a1 += a;
        b1 += b;
        n++;
    }
    const double va = aa - a1 * a1 / n, vb = bb - b1 * b1 / n;
    return va > 0 && vb > 0 ? (ab - a1 * b1 / n) / sqrt(va * vb) : 0;
}

/* The median and robust sd of one number of the good spots. */
static void spots_middle(double *middle, double *spread, const struct bead_field *f, size_t n,
                         int axis, float *scratch)
{
    float *values = scratch;
    size_t m = 0;
    for (size_t k = 0; k < n; k++) {
        const struct spot *s = &f->spots[k];
        if (s->fate == GOOD) values[m++] = (float)(axis < 0 ? s->light : s->fwhm[axis]);
    }
    *middle = *spread = 0;
    if (!m) return;
    *middle = scry_quantile(values, m, 0.5, values);
    for (size_t k = 0; k < m; k++)
        values[k] = (float)fabs(values[k] - *middle);
    *spread = SCRY_MAD_TO_SD * scry_quantile(values, m, 0.5, values);
}

/* Leaves out clusters, blurs and debris: their width or their light is not that of the others. */
static void drop_outliers(struct bead_field *f, size_t n, float *scratch)
{
    double light, spread, middle[3], sd[3];
    spots_middle(&light, &spread, f, n, -1, scratch);
    for (int a = 0; a < 3; a++)
        spots_middle(&middle[a], &sd[a], f, n, a, scratch);
    for (size_t k = 0; k < n; k++) {
        struct spot *s = &f->spots[k];
        if (s->fate != GOOD) continue;
        bool odd = s->light > cluster * light;
        for (int a = 0; a < 3; a++)
            odd |= f->n[a] > 1 &&
                   fabs(s->fwhm[a] - middle[a]) > fmax(other_width * middle[a], 3 * sd[a]);
        if (odd) s->fate = UNLIKE;
    }
}

static scry_status psf_beads_average(struct bead_work *w, struct bead_field *f, size_t n,
                                     scry_error *err)
{
    const scry_status st = work_create(w, f, err);
    if (st != SCRY_OK) return st;
    for (size_t k = 0; k < n; k++) {
        struct spot *s = &f->spots[k];
        if (s->fate != GOOD) continue;
        take_box(w->box, f, s, w->scratch);
        find_spot_centre(s, f, w->box);
        for (int a = 0; a < 3; a++)
            s->fwhm[a] = f->n[a] > 1 ? fwhm_at(f, s->at, a) : 0;
    }
    drop_outliers(f, n, w->scratch);
    sum_good(w, f, n);
    for (size_t k = 0; k < n; k++) {
        if (f->spots[k].fate != GOOD) continue;
        centred_box(w, f, &f->spots[k]);
        if (psf_beads_likeness(w, f) < alike) f->spots[k].fate = UNLIKE;
    }
    sum_good(w, f, n);
    return SCRY_OK;
}

/* ---- the whole ---- */

static void count_fates(scry_psf_beads *b, const struct bead_field *f, size_t n, float *scratch)
{
    double signal, spread;
    *b = (scry_psf_beads){.found = n, .background = f->background, .noise = f->noise};
    for (size_t k = 0; k < n; k++) {
        const enum fate fate = f->spots[k].fate;
        b->used += fate == GOOD;
        b->close += fate == CLOSE;
        b->border += fate == BORDER;
        b->saturated += fate == SATURATED;
        b->unlike += fate == UNLIKE;
    }
    for (int a = f->lead; a < 3; a++)
        spots_middle(&b->fwhm[a - f->lead], &b->spread[a - f->lead], f, n, a, scratch);
    for (size_t k = 0; k < n; k++)
        f->spots[k].light =
            (double)
                f->h[psf_beads_place(f, f->spots[k].at[0], f->spots[k].at[1], f->spots[k].at[2])];
    spots_middle(&signal, &spread, f, n, -1, scratch);
    b->signal = f->noise > 0 ? signal / f->noise : INFINITY;
}

static scry_status find_spots(struct bead_field *f, const float *in, const scry_space *is,
                              scry_error *err)
{
    double limit = 0;
    if (is->cplx || is->rank < 2 || is->rank > 3)
        return SCRY_FAIL(err, SCRY_ESHAPE, "an image of beads has 2 or 3 axes, not %d%s", is->rank,
                         is->cplx ? ", complex" : "");
    scry_status st = scry_space_check(is, err);
    if (st != SCRY_OK) return st;
    f->count = scry_space_count(is);
    f->lead = 3 - is->rank;
    for (int a = 0; a < 3; a++)
        f->n[a] = a < f->lead ? 1 : is->dims[a - f->lead];
    if (f->n[1] < SMALLEST_FIELD || f->n[2] < SMALLEST_FIELD)
        return SCRY_FAIL(err, SCRY_EFORMAT, "no bead in a field of %zu x %zu pixels", f->n[1],
                         f->n[2]);
    if (!scry_finite(in, f->count))
        return SCRY_FAIL(err, SCRY_ENUMERIC, "an image of beads with NaN or infinite voxels");
    if ((st = prepare_field(f, in, &limit, err)) != SCRY_OK) return st;
    if ((st = list_peaks(f, limit, err)) != SCRY_OK) return st;
    first_widths(f);
    merge_spots(f);
    return SCRY_OK;
}

scry_status scry_psf_distil(float **psf, scry_space *s, const float *in, const scry_space *is,
                            const scry_psf_prepare_opts *opts, scry_psf_beads *beads,
                            scry_psf_report *report, scry_error *err)
{
    struct bead_field f = {0};
    struct bead_work w = {0};
    scry_psf_beads b;
    *psf = NULL;
    scry_status st = find_spots(&f, in, is, err);
    if (st != SCRY_OK) goto done;
    const size_t n = bright_ones(&f);
    for (size_t k = 0; k < sizeof boxes / sizeof *boxes; k++)
        if (psf_beads_judge(&f, n, boxes[k].widths) >= boxes[k].enough) break;
    if ((st = psf_beads_average(&w, &f, n, err)) != SCRY_OK) goto done;
    count_fates(&b, &f, n, w.scratch);
    if (beads) *beads = b;
    if (!b.used) {
        st = SCRY_FAIL(err, SCRY_EFORMAT,
                       "%zu beads, of which none can be used: %zu too close to another, %zu at the "
                       "border, %zu saturated, %zu unlike the others",
                       b.found, b.close, b.border, b.saturated, b.unlike);
        goto done;
    }
    const size_t plane = f.box[1] * f.box[2];
    for (size_t i = 0; i < f.box_count; i++)
        w.box[i] =
            w.sum.light[i / plane] > 0 ? (float)(w.sum.value[i] / w.sum.light[i / plane]) : 0;
    const scry_space box =
        is->rank == 3 ? SCRY_SPACE(f.box[0], f.box[1], f.box[2]) : SCRY_SPACE(f.box[1], f.box[2]);
    st = scry_psf_prepare(psf, s, w.box, &box, opts, report, err);
done:
    work_free(&w);
    beads_free(&f);
    return st;
}

/* Three that lie apart laterally by two widths, the third not much darker than the first. */
scry_status scry_psf_is_beads(bool *out, const float *in, const scry_space *is, scry_error *err)
{
    struct bead_field f = {0};
    scry_error none = {0};
    size_t apart = 0;
    scry_status st = find_spots(&f, in, is, &none);
    for (size_t k = 0; st == SCRY_OK && k < f.spot_count && apart < FEW; k++) {
        if (f.spots[k].bright < 0.25 * f.spots[0].bright) break;
        bool own = true;
        for (size_t j = 0; j < k && own; j++)
            own = hypot(((double)f.spots[k].at[1] - (double)f.spots[j].at[1]) / f.width[1],
                        ((double)f.spots[k].at[2] - (double)f.spots[j].at[2]) / f.width[2]) > 2;
        apart += own;
    }
    *out = apart >= FEW;
    beads_free(&f);
    if (st == SCRY_EFORMAT) return SCRY_OK; /* nothing bright, or too much of it */
    if (st != SCRY_OK && err) *err = none;
    return st;
}
