/* Point-spread functions as images: statistics, the preparation of a measured one, another voxel
 * grid. */
#include "operators/psf.h"
#include "operators/psf_keys.h"

#include "lib/given.h"
#include "lib/memory.h"
#include "lib/numbers.h"
#include "lib/vector.h"
#include "operators/psf_impl.h"

#include <math.h>
#include <stdlib.h>

/* A PSF as (z, y, x), leading axes of length 1 added. */
struct box {
    size_t n[3];
    int lead; /* how many were added */
};

static scry_status as_box(struct box *b, const scry_space *s, scry_error *err)
{
    if (s->cplx || s->rank < 1 || s->rank > SCRY_PSF_MAX_RANK)
        return SCRY_FAIL(err, SCRY_ESHAPE, "a psf is real and has 1 to %d axes; this one has %d%s",
                         SCRY_PSF_MAX_RANK, s->rank, s->cplx ? ", complex" : "");
    scry_status st = scry_space_check(s, err);
    b->lead = 3 - s->rank;
    for (int a = 0; a < 3; a++)
        b->n[a] = a < b->lead ? 1 : s->dims[a - b->lead];
    return st;
}

static size_t psf_measured_at(const struct box *b, size_t z, size_t y, size_t x)
{
    return (z * b->n[1] + y) * b->n[2] + x;
}

static size_t psf_measured_count(const struct box *b)
{
    return b->n[0] * b->n[1] * b->n[2];
}

static scry_status psf_measured_check_finite(const float *h, const struct box *b, scry_error *err)
{
    for (size_t i = 0; i < psf_measured_count(b); i++)
        if (!isfinite(h[i]))
            return SCRY_FAIL(err, SCRY_ENUMERIC, "psf: value %g at z %zu, y %zu, x %zu",
                             (double)h[i], i / b->n[2] / b->n[1], i / b->n[2] % b->n[1],
                             i % b->n[2]);
    return SCRY_OK;
}

/* Steps between neighbours on each axis. */
static void psf_measured_strides(size_t *step, const struct box *b)
{
    step[2] = 1;
    step[1] = b->n[2];
    step[0] = b->n[1] * b->n[2];
}

static void psf_measured_split(size_t *c, size_t i, const struct box *b)
{
    c[2] = i % b->n[2];
    c[1] = i / b->n[2] % b->n[1];
    c[0] = i / b->n[2] / b->n[1];
}

/* Between voxels the logarithm is linear in the square of the distance, which is exact for a
 * Gaussian; interpolating the values themselves gives 1 % too much at sigma 2. */
void scryi_half_widths(double width[2], const float *line, size_t n, size_t step, size_t peak)
{
    const double half = line[peak * step] / 2.0;
    width[0] = width[1] = 0;
    for (int side = 0; side < 2; side++) {
        const ptrdiff_t dir = side ? 1 : -1;
        ptrdiff_t i = (ptrdiff_t)peak;
        while (i + dir >= 0 && i + dir < (ptrdiff_t)n && line[(size_t)(i + dir) * step] > half)
            i += dir;
        if (i + dir < 0 || i + dir >= (ptrdiff_t)n) continue;
        const double above = line[(size_t)i * step], below = line[(size_t)(i + dir) * step];
        const double part =
            below > 0 ? log(above / half) / log(above / below) : (above - half) / (above - below);
        const double r = fabs((double)(i - (ptrdiff_t)peak));
        width[side] = sqrt(r * r + (2 * r + 1) * part);
    }
}

/* The centroid of the voxels above half of the peak, in a window just wider than the core: far
 * voxels hold noise, and other beads. */
static void core_centroid(double *centroid, const float *h, const struct box *b, const size_t *peak)
{
    size_t step[3], low[3], high[3], start = 0;
    const size_t i = psf_measured_at(b, peak[0], peak[1], peak[2]);
    psf_measured_strides(step, b);
    for (int a = 0; a < 3; a++) {
        double width[2];
        start = i - peak[a] * step[a];
        scryi_half_widths(width, h + start, b->n[a], step[a], peak[a]);
        const size_t reach = (size_t)ceil(fmax(width[0], width[1])) + 2;
        low[a] = peak[a] > reach ? peak[a] - reach : 0;
        high[a] = peak[a] + reach < b->n[a] ? peak[a] + reach : b->n[a] - 1;
    }
    double weight = 0, sum[3] = {0};
    for (size_t z = low[0]; z <= high[0]; z++)
        for (size_t y = low[1]; y <= high[1]; y++)
            for (size_t x = low[2]; x <= high[2]; x++) {
                const double v = h[psf_measured_at(b, z, y, x)] - 0.5 * h[i];
                if (v <= 0) continue;
                weight += v;
                sum[0] += v * (double)z;
                sum[1] += v * (double)y;
                sum[2] += v * (double)x;
            }
    for (int a = 0; a < 3; a++)
        centroid[a] = weight > 0 ? sum[a] / weight : (double)peak[a];
}

/* |h - mirrored h|_1 / (2 |h|_1) along one axis about c; voxels whose mirror image is outside count
 * whole. */
static double psf_measured_asymmetry(const float *h, const struct box *b, int axis, size_t c)
{
    size_t step[3], where[3];
    double odd = 0, all = 0;
    psf_measured_strides(step, b);
    for (size_t i = 0; i < psf_measured_count(b); i++) {
        psf_measured_split(where, i, b);
        const size_t twice = 2 * c;
        const bool inside = where[axis] <= twice && twice - where[axis] < b->n[axis];
        const double image =
            inside ? h[i - where[axis] * step[axis] + (twice - where[axis]) * step[axis]] : 0;
        odd += inside ? fabs(h[i] - image) / 2 : fabs(h[i]);
        all += fabs(h[i]);
    }
    return all > 0 ? odd / all : 0;
}

static bool on_border(const struct box *b, size_t i)
{
    const size_t x = i % b->n[2], y = i / b->n[2] % b->n[1];
    return (b->n[2] > 1 && (x == 0 || x == b->n[2] - 1)) ||
           (b->n[1] > 1 && (y == 0 || y == b->n[1] - 1));
}

scry_status scry_psf_measure(scry_psf_stats *out, const float *psf, const scry_space *s,
                             scry_error *err)
{
    if (SCRY_MISSING(err, out, psf, s)) return SCRY_EINVAL;
    struct box b;
    scry_status st = as_box(&b, s, err);
    if (st == SCRY_OK) st = psf_measured_check_finite(psf, &b, err);
    if (st != SCRY_OK) return st;
    size_t best = 0, peak[3], step[3], edge = 0;
    double border = 0, centroid[3];
    *out = (scry_psf_stats){.min = psf[0], .sum = scry_sum(psf, psf_measured_count(&b))};
    for (size_t i = 0; i < psf_measured_count(&b); i++) {
        if (psf[i] > psf[best]) best = i;
        out->min = fmin(out->min, psf[i]);
        if (!on_border(&b, i)) continue;
        border += psf[i];
        edge++;
    }
    out->max = psf[best];
    if (edge && out->max > 0) out->border = border / (double)edge / out->max;
    psf_measured_split(peak, best, &b);
    psf_measured_strides(step, &b);
    core_centroid(centroid, psf, &b, peak);
    for (int a = 0; a < s->rank; a++) {
        double width[2];
        const int k = a + b.lead;
        scryi_half_widths(width, psf + (best - peak[k] * step[k]), b.n[k], step[k], peak[k]);
        out->peak[a] = peak[k];
        out->centroid[a] = centroid[k];
        out->fwhm[a] = width[0] > 0 && width[1] > 0 ? width[0] + width[1] : 0;
        out->asymmetry[a] = psf_measured_asymmetry(psf, &b, k, peak[k]);
    }
    return SCRY_OK;
}

const char *scry_psf_warning(unsigned bit)
{
    switch (bit) {
    case SCRY_PSF_WARN_OFF_CENTRE:
        return "the psf was far from the centre of its file and has been moved";
    case SCRY_PSF_WARN_CORNER:
        return "the psf had its origin in the corner (Fourier order) and has been rolled";
    case SCRY_PSF_WARN_ASYMMETRIC:
        return "the psf is laterally asymmetric: aberrations, two beads, or a cut?";
    case SCRY_PSF_WARN_BORDER:
        return "the psf has not decayed at its lateral border: part of the light is missing";
    case SCRY_PSF_WARN_CROPPED:
        return "the psf was cropped to the allowed size and lost light";
    case SCRY_PSF_WARN_NEGATIVE:
        return "much of the psf was below its background: is the background right?";
    }
    return "";
}

void scry_psf_prepare_opts_init(scry_psf_prepare_opts *o)
{
    *o = (scry_psf_prepare_opts){.background = NAN, .energy = 0.999};
}

/* The pedestal and its noise, from the lateral border: in 3-D the end planes hold real light. */
static scry_status find_background(double *level, double *noise, const float *h,
                                   const struct box *b, scry_error *err)
{
    size_t n = 0;
    float *edge = scry_alloc(psf_measured_count(b), sizeof *edge);
    if (!edge) return SCRY_FAIL(err, SCRY_ENOMEM, "border of the psf");
    for (size_t i = 0; i < psf_measured_count(b); i++)
        if (on_border(b, i)) edge[n++] = h[i];
    if (n) {
        *level = scry_quantile(edge, n, 0.5, edge);
        for (size_t i = 0; i < n; i++)
            edge[i] = (float)fabs(edge[i] - *level);
        *noise = SCRY_MAD_TO_SD *
                 scry_quantile(edge, n, 0.5, edge); /* median absolute deviation -> sd */
    }
    scry_free(edge);
    return SCRY_OK;
}

/* Of a thousand voxels of noise one exceeds three times its sd, and few of those touch: a voxel
 * that stands alone or in pairs is noise, and would make the box larger. */
static scry_status drop_specks(float *h, const struct box *b, double below, scry_error *err)
{
    float *copy = scry_copy(h, psf_measured_count(b) * sizeof *h);
    if (!copy) return SCRY_FAIL(err, SCRY_ENOMEM, "a copy of the psf");
    for (size_t i = 0; i < psf_measured_count(b); i++) {
        size_t c[3], others = 0;
        if (!(copy[i] > 0) || copy[i] > below) continue;
        psf_measured_split(c, i, b);
        for (size_t z = c[0] ? c[0] - 1 : 0; z <= c[0] + 1 && z < b->n[0]; z++)
            for (size_t y = c[1] ? c[1] - 1 : 0; y <= c[1] + 1 && y < b->n[1]; y++)
                for (size_t x = c[2] ? c[2] - 1 : 0; x <= c[2] + 1 && x < b->n[2]; x++)
                    others += copy[psf_measured_at(b, z, y, x)] > 0;
        if (others < 3) h[i] = 0; /* itself is one of them */
    }
    scry_free(copy);
    return SCRY_OK;
}

/* h minus background, without voxels that are negative or drowned in the noise: a thousand voxels
 * of rectified noise would weigh as much as the PSF. */
static scry_status psf_measured_subtract(float *h, const struct box *b,
                                         const scry_psf_prepare_opts *o, scry_psf_report *r,
                                         scry_error *err)
{
    double sum = 0, low = h[0], high = h[0], light = 0, negative = 0;
    scry_status st = SCRY_OK;
    for (size_t i = 0; i < psf_measured_count(b); i++) {
        sum += h[i];
        low = fmin(low, h[i]);
        high = fmax(high, h[i]);
    }
    if (low == high && psf_measured_count(b) > 1)
        return SCRY_FAIL(err, SCRY_EINVAL, "psf: all %zu values equal %g", psf_measured_count(b),
                         low);
    const bool prepared = fabs(sum - 1) < 1e-3 && low > -1e-3 * high;
    if (!isnan(o->background))
        r->background = o->background;
    else if (!prepared)
        st = find_background(&r->background, &r->noise, h, b, err);
    if (st != SCRY_OK) return st;
    for (size_t i = 0; i < psf_measured_count(b); i++) {
        const double v = h[i] - r->background;
        if (v > 0)
            light += v;
        else if (-v > 3 * r->noise)
            negative -= v;
        h[i] = v > 3 * r->noise ? (float)v : 0;
    }
    if (!(high - r->background > 3 * r->noise))
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "psf: maximum %g does not exceed the background %g by three times the "
                         "noise %g",
                         high, r->background, r->noise);
    r->negative = negative / light;
    if (r->negative > 0.05) r->warnings |= SCRY_PSF_WARN_NEGATIVE;
    return r->noise > 0 ? drop_specks(h, b, 10 * r->noise, err) : SCRY_OK;
}

/* The voxel whose 3^d neighbourhood is brightest: a hot pixel does not win against a bead. The
 * neighbourhood goes on at the opposite border, so that every voxel has as many neighbours and a
 * pedestal does not count. */
static size_t smooth_peak(const float *h, const struct box *b)
{
    size_t best = 0, c[3], reach[3];
    double brightest = -INFINITY;
    for (int a = 0; a < 3; a++)
        reach[a] = b->n[a] > 2 ? 1 : 0;
    for (size_t i = 0; i < psf_measured_count(b); i++) {
        double sum = 0;
        psf_measured_split(c, i, b);
        for (size_t z = 0; z <= 2 * reach[0]; z++)
            for (size_t y = 0; y <= 2 * reach[1]; y++)
                for (size_t x = 0; x <= 2 * reach[2]; x++)
                    sum += h[psf_measured_at(b, (c[0] + b->n[0] + z - reach[0]) % b->n[0],
                                             (c[1] + b->n[1] + y - reach[1]) % b->n[1],
                                             (c[2] + b->n[2] + x - reach[2]) % b->n[2])];
        if (sum <= brightest) continue;
        brightest = sum;
        best = i;
    }
    return best;
}

/* Undoes Fourier order: voxel 0 goes to n/2. */
static scry_status roll_from_corner(float *h, const struct box *b, scry_error *err)
{
    float *copy = scry_copy(h, psf_measured_count(b) * sizeof *h);
    if (!copy) return SCRY_FAIL(err, SCRY_ENOMEM, "a copy of the psf");
    for (size_t i = 0; i < psf_measured_count(b); i++) {
        size_t c[3];
        psf_measured_split(c, i, b);
        for (int a = 0; a < 3; a++)
            c[a] = (c[a] + b->n[a] / 2) % b->n[a];
        h[psf_measured_at(b, c[0], c[1], c[2])] = copy[i];
    }
    scry_free(copy);
    return SCRY_OK;
}

/* A PSF in Fourier order has its peak in the corner; its border is not its background, so that it
 * is rolled before that is measured. */
static scry_status psf_measured_unroll(float *h, const struct box *b, scry_psf_report *r,
                                       scry_error *err)
{
    size_t peak[3];
    psf_measured_split(peak, smooth_peak(h, b), b);
    for (int a = 0; a < 3; a++)
        if (b->n[a] > 3 && peak[a] > 1 && peak[a] + 1 < b->n[a]) return SCRY_OK;
    if (psf_measured_count(b) <= 9) return SCRY_OK;
    r->warnings |= SCRY_PSF_WARN_CORNER;
    return roll_from_corner(h, b, err);
}

/* The voxel that becomes the centre. */
static void find_centre(size_t *centre, const float *h, const struct box *b, scry_psf_report *r)
{
    size_t peak[3];
    double centroid[3];
    psf_measured_split(peak, smooth_peak(h, b), b);
    core_centroid(centroid, h, b, peak);
    for (int a = 0; a < 3; a++) {
        centre[a] = (size_t)lround(centroid[a]);
        if (a < b->lead) continue;
        const ptrdiff_t shift = (ptrdiff_t)(b->n[a] / 2) - (ptrdiff_t)centre[a];
        r->shift[a - b->lead] = shift;
        r->residual[a - b->lead] = centroid[a] - (double)centre[a];
        if (8 * (shift < 0 ? -shift : shift) > (ptrdiff_t)b->n[a] && labs((long)shift) > 1)
            r->warnings |= SCRY_PSF_WARN_OFF_CENTRE;
    }
}

/* The smallest half size on an axis outside of which at most `lost` of the light is. */
static scry_status half_size(size_t *half, const float *h, const struct box *b, int axis, size_t c,
                             double lost, scry_error *err)
{
    double *ring = scry_alloc(b->n[axis], sizeof *ring); /* light at each distance */
    if (!ring) return SCRY_FAIL(err, SCRY_ENOMEM, "profile of the psf");
    double total = 0, outside = 0;
    for (size_t i = 0; i < psf_measured_count(b); i++) {
        size_t where[3];
        psf_measured_split(where, i, b);
        ring[where[axis] > c ? where[axis] - c : c - where[axis]] += h[i];
        total += h[i];
    }
    size_t k = b->n[axis] - 1;
    while (k > 0 && outside + ring[k] <= lost * total)
        outside += ring[k--];
    *half = k;
    scry_free(ring);
    return SCRY_OK;
}

/* Cuts a box of 2 half + 1 around the centre, zeros where it leaves the file; sum 1. Moving the
 * content inside the box, and not around its borders, keeps a tail on its own side. */
static void psf_measured_cut(float *out, const struct box *ob, const float *h, const struct box *b,
                             const size_t *centre, double *energy)
{
    double inside = 0;
    const double all = scry_sum(h, psf_measured_count(b));
    for (size_t i = 0; i < psf_measured_count(ob); i++) {
        size_t c[3];
        bool ok = true;
        psf_measured_split(c, i, ob);
        for (int a = 0; a < 3; a++) {
            c[a] = c[a] + centre[a] - ob->n[a] / 2; /* wraps to huge below zero */
            ok = ok && c[a] < b->n[a];
        }
        out[i] = ok ? h[psf_measured_at(b, c[0], c[1], c[2])] : 0;
        inside += out[i];
    }
    scry_scale(out, 1 / inside, psf_measured_count(ob));
    *energy = inside / all;
}

scry_status scry_psf_prepare(float **psf, scry_space *s, const float *in, const scry_space *is,
                             const scry_psf_prepare_opts *opts, scry_psf_report *report,
                             scry_error *err)
{
    if (SCRY_MISSING_OUT(err, psf, s, in, is)) return SCRY_EINVAL;
    scry_psf_prepare_opts o;
    scry_psf_report r = {0};
    struct box b, ob = {.n = {1, 1, 1}};
    size_t centre[3];
    float *h = NULL;
    if (opts)
        o = *opts;
    else
        scry_psf_prepare_opts_init(&o);
    scry_status st = as_box(&b, is, err);
    if (st == SCRY_OK && is->rank < 2)
        st = SCRY_FAIL(err, SCRY_ESHAPE, "a measured psf has 2 or 3 axes, not %d", is->rank);
    if (st == SCRY_OK && !(o.energy > 0 && o.energy <= 1))
        st = SCRY_FAIL(err, SCRY_EINVAL, "psf: energy to keep %g, expected 0 to 1", o.energy);
    if (st == SCRY_OK) st = psf_measured_check_finite(in, &b, err);
    if (st != SCRY_OK) goto done;
    h = scry_copy(in, psf_measured_count(&b) * sizeof *h);
    if (!h) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "a copy of the psf");
        goto done;
    }
    if ((st = psf_measured_unroll(h, &b, &r, err)) != SCRY_OK) goto done;
    if ((st = psf_measured_subtract(h, &b, &o, &r, err)) != SCRY_OK) goto done;
    find_centre(centre, h, &b, &r);
    *s = (scry_space){.rank = is->rank};
    for (int a = b.lead; a < 3; a++) {
        size_t half = 0;
        const size_t limit = o.limit[a - b.lead];
        st = half_size(&half, h, &b, a, centre[a], (1 - o.energy) / is->rank, err);
        if (st != SCRY_OK) goto done;
        if (limit && half > (limit - 1) / 2) half = (limit - 1) / 2;
        ob.n[a] = s->dims[a - b.lead] = 2 * half + 1;
    }
    *psf = scry_alloc(psf_measured_count(&ob), sizeof **psf);
    if (!*psf) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "the prepared psf");
        goto done;
    }
    psf_measured_cut(*psf, &ob, h, &b, centre, &r.energy);
    if ((st = scry_psf_measure(&r.stats, h, is, err)) != SCRY_OK) goto done;
    if (r.stats.border > 0.05) r.warnings |= SCRY_PSF_WARN_BORDER;
    if ((st = scry_psf_measure(&r.stats, *psf, s, err)) != SCRY_OK) goto done;
    if (r.energy < o.energy - 1e-3) r.warnings |= SCRY_PSF_WARN_CROPPED;
    for (int a = s->rank - 2; a < s->rank; a++)
        if (r.stats.asymmetry[a] > 0.3) r.warnings |= SCRY_PSF_WARN_ASYMMETRIC;
    if (report) *report = r;
done:
    scry_free(h);
    if (st != SCRY_OK) {
        scry_free(*psf);
        *psf = NULL;
    }
    return st;
}
