#include "priors/tv.h"

#include "priors/prior_impl.h"

#include "lib/given.h"
#include "lib/memory.h"

#include <math.h>
#include <string.h>

struct tv {
    scry_prior base;
    scry_tv_opts opts;
    double lambda;
    size_t dims[3]; /* z, y, x of one copy; 1 where not used */
    float weight[3];
    bool used[3]; /* axes longer than 1 */
    size_t n, rows, copies;
    double lipschitz; /* of D D^T: 4 sum of weight^2 */
};

/* The dual fields of one copy, NULL along axes that are not used; u = v - tau D^T q; partial sums.
 * */
struct fields {
    float *p[3], *q[3], *u;
    double *partial; /* 2 a row */
};

static struct fields fields_carve(const struct tv *tv, void *work)
{
    struct fields f = {{0}, {0}, NULL, NULL};
    const size_t step = scry_align_up(tv->n * sizeof(float));
    char *at = work;
    f.u = (float *)at;
    at += step;
    for (int a = 0; a < 3; a++) {
        if (!tv->used[a]) continue;
        f.p[a] = (float *)at;
        f.q[a] = (float *)(at + step);
        at += 2 * step;
    }
    f.partial = (double *)at;
    return f;
}

static size_t fields_bytes(const struct tv *tv)
{
    size_t arrays = 1;
    for (int a = 0; a < 3; a++)
        arrays += tv->used[a] ? 2 : 0;
    return arrays * scry_align_up(tv->n * sizeof(float)) + 2 * tv->rows * sizeof(double);
}

/* Row r of u = v - tau D^T q. q vanishes at the far border, so only the near one needs a case. */
static void primal_row(const struct tv *tv, float *restrict u, const float *v, float *const q[3],
                       float tau, size_t r)
{
    const size_t nx = tv->dims[2], at = r * nx, y = r % tv->dims[1], z = r / tv->dims[1];
    const size_t back[2] = {nx * tv->dims[1], nx};
    const bool inside[2] = {z > 0, y > 0};
    memcpy(u + at, v + at, nx * sizeof *u);
    for (int a = 0; a < 2; a++) {
        const float c = tau * tv->weight[a];
        const float *here = q[a] ? q[a] + at : NULL;
        if (!here) continue;
        if (inside[a])
            for (size_t x = 0; x < nx; x++)
                u[at + x] += c * (here[x] - (here - back[a])[x]);
        else
            for (size_t x = 0; x < nx; x++)
                u[at + x] += c * here[x];
    }
    if (!q[2]) return;
    const float c = tau * tv->weight[2];
    const float *here = q[2] + at;
    u[at] += c * here[0];
    for (size_t x = 1; x < nx; x++)
        u[at + x] += c * (here[x] - here[x - 1]);
}

/* The rows that Du of row r needs; at a far border a pixel is its own neighbour, and Du is 0. */
struct neighbours {
    const float *here, *next[2];
    float weight[3];
};

static struct neighbours neighbours_of(const struct tv *tv, const float *u, size_t r)
{
    const size_t nx = tv->dims[2], y = r % tv->dims[1], z = r / tv->dims[1];
    struct neighbours nb = {.here = u + r * nx,
                            .weight = {tv->weight[0], tv->weight[1], tv->weight[2]}};
    nb.next[0] = z + 1 < tv->dims[0] ? nb.here + nx * tv->dims[1] : nb.here;
    nb.next[1] = y + 1 < tv->dims[1] ? nb.here + nx : nb.here;
    return nb;
}

/* (Du) at x; `right` is x + 1, or x at the far border. */
static inline void tv_gradient(const struct neighbours *nb, size_t x, size_t right, float g[3])
{
    g[0] = nb->weight[0] * (nb->next[0][x] - nb->here[x]);
    g[1] = nb->weight[1] * (nb->next[1][x] - nb->here[x]);
    g[2] = nb->weight[2] * (nb->here[right] - nb->here[x]);
}

struct dual_step {
    float *p[3], *q[3], step, momentum;
};

/* p' = project(q + step D u), q = p' + momentum (p' - p), p = p' at one pixel; returns
 * <q - p', p' - p>, whose sum is positive when the momentum points uphill. `used` is constant at
 * each place of call, for the compiler to drop the axes that are not. */
static inline float dual_pixel(const struct dual_step *d, const struct neighbours *nb, size_t x,
                               size_t right, const bool used[3])
{
    float g[3], size2 = 0, uphill = 0;
    tv_gradient(nb, x, right, g);
    for (int a = 0; a < 3; a++) {
        if (!used[a]) continue;
        g[a] = d->q[a][x] + d->step * g[a];
        size2 += g[a] * g[a];
    }
    const float shrink = 1 / sqrtf(size2 > 1 ? size2 : 1);
    for (int a = 0; a < 3; a++) {
        if (!used[a]) continue;
        const float next = shrink * g[a], move = next - d->p[a][x];
        uphill += (d->q[a][x] - next) * move;
        d->q[a][x] = next + d->momentum * move;
        d->p[a][x] = next;
    }
    return uphill;
}

static inline double dual_pixels(const struct dual_step *d, const struct neighbours *nb, size_t nx,
                                 const bool used[3])
{
    double uphill = 0;
#pragma omp simd reduction(+ : uphill)
    for (size_t x = 0; x < nx - 1; x++)
        uphill += (double)dual_pixel(d, nb, x, x + 1, used);
    return uphill + (double)dual_pixel(d, nb, nx - 1, nx - 1, used);
}

static double dual_row(const struct tv *tv, const struct fields *f, float step, float momentum,
                       size_t r)
{
    const size_t nx = tv->dims[2];
    const struct neighbours nb = neighbours_of(tv, f->u, r);
    struct dual_step d = {.step = step, .momentum = momentum};
    for (int a = 0; a < 3; a++) {
        d.p[a] = f->p[a] ? f->p[a] + r * nx : NULL;
        d.q[a] = f->q[a] ? f->q[a] + r * nx : NULL;
    }
    if (!tv->used[0] && tv->used[1] && tv->used[2])
        return dual_pixels(&d, &nb, nx, (const bool[3]){false, true, true});
    if (tv->used[0] && tv->used[1] && tv->used[2])
        return dual_pixels(&d, &nb, nx, (const bool[3]){true, true, true});
    return dual_pixels(&d, &nb, nx, tv->used);
}

/* Partial sums of |Du| and of |Du| - <Du, p> (p NULL: 0) over row r. */
static void gap_row(const struct tv *tv, const float *u, float *const p[3], size_t r,
                    double sums[2])
{
    const size_t nx = tv->dims[2], at = r * nx;
    const struct neighbours nb = neighbours_of(tv, u, r);
    double total = 0, gap = 0;
    for (size_t x = 0; x < nx; x++) {
        float g[3];
        double along = 0;
        tv_gradient(&nb, x, x + 1 < nx ? x + 1 : x, g);
        const double size = sqrt((double)g[0] * g[0] + (double)g[1] * g[1] + (double)g[2] * g[2]);
        for (int a = 0; p && a < 3; a++)
            if (p[a]) along += (double)g[a] * p[a][at + x];
        total += size;
        gap += size - along;
    }
    sums[0] = total;
    sums[1] = gap;
}

/* Rows are summed in order by one thread, whoever computed them. */
static double sum_partial(const double *partial, size_t rows, size_t stride)
{
    double s = 0;
    for (size_t r = 0; r < rows; r++)
        s += partial[r * stride];
    return s;
}

static void tv_prior_primal(const struct tv *tv, float *u, const float *v, float *const q[3],
                            float tau)
{
#pragma omp parallel for schedule(static) if (tv->n > 16384)
    for (size_t r = 0; r < tv->rows; r++)
        primal_row(tv, u, v, q, tau, r);
}

static double dual_step(const struct tv *tv, const struct fields *f, float step, float momentum)
{
#pragma omp parallel for schedule(static) if (tv->n > 16384)
    for (size_t r = 0; r < tv->rows; r++)
        f->partial[r] = dual_row(tv, f, step, momentum, r);
    return sum_partial(f->partial, tv->rows, 1);
}

static double duality_gap(const struct tv *tv, const struct fields *f, float tau)
{
#pragma omp parallel for schedule(static) if (tv->n > 16384)
    for (size_t r = 0; r < tv->rows; r++)
        gap_row(tv, f->u, f->p, r, f->partial + 2 * r);
    return tau * sum_partial(f->partial + 1, tv->rows, 2);
}

static double tv_prior_variance(const float *v, size_t n)
{
    double sum = 0, square = 0;
    for (size_t i = 0; i < n; i++)
        sum += v[i];
    for (size_t i = 0; i < n; i++)
        square += (v[i] - sum / (double)n) * (v[i] - sum / (double)n);
    return square / (double)n;
}

/* One copy. The gap costs as much as a step, so it is looked at every tenth. */
static void prox_copy(const struct tv *tv, float *z, const float *v, double t, void *work)
{
    enum { LOOK = 10 };
    const struct fields f = fields_carve(tv, work);
    const double tau = tv->lambda * t, scale = fmin(tau * tau, tv_prior_variance(v, tv->n));
    const double enough = 0.5 * (double)tv->n * tv->opts.tolerance * tv->opts.tolerance * scale;
    const float step = (float)(1 / (tau * tv->lipschitz));
    double theta = 1;
    for (int a = 0; a < 3; a++) {
        if (!f.p[a]) continue;
        memset(f.p[a], 0, tv->n * sizeof(float));
        memset(f.q[a], 0, tv->n * sizeof(float));
    }
    for (size_t k = 1; k <= tv->opts.iterations; k++) {
        const double next = 0.5 * (1 + sqrt(1 + 4 * theta * theta));
        tv_prior_primal(tv, f.u, v, f.q, (float)tau);
        const double uphill = dual_step(tv, &f, step, (float)((theta - 1) / next));
        theta = next;
        if (uphill > 0) { /* forget the momentum: the next step starts from p alone */
            theta = 1;
            for (int a = 0; a < 3; a++)
                if (f.p[a]) memcpy(f.q[a], f.p[a], tv->n * sizeof(float));
        }
        if (k % LOOK && k < tv->opts.iterations) continue;
        tv_prior_primal(tv, f.u, v, f.p, (float)tau);
        if (duality_gap(tv, &f, (float)tau) <= enough) break;
    }
    memcpy(z, f.u, tv->n * sizeof *z);
}

static scry_status tv_prox(const scry_prior *P, float *z, const float *v, double t, void *work,
                           scry_error *err)
{
    (void)err;
    const struct tv *tv = (const struct tv *)P;
    for (size_t c = 0; c < tv->copies; c++)
        prox_copy(tv, z + c * tv->n, v + c * tv->n, t, work);
    return SCRY_OK;
}

static scry_status tv_value(const scry_prior *P, double *value, const float *u, void *work,
                            scry_error *err)
{
    (void)err;
    const struct tv *tv = (const struct tv *)P;
    double *partial = work, sum = 0;
    for (size_t c = 0; c < tv->copies; c++) {
#pragma omp parallel for schedule(static) if (tv->n > 16384)
        for (size_t r = 0; r < tv->rows; r++)
            gap_row(tv, u + c * tv->n, NULL, r, partial + 2 * r);
        sum += sum_partial(partial, tv->rows, 2);
    }
    *value = tv->lambda * sum;
    return SCRY_OK;
}

static void tv_prior_destroy(scry_prior *P)
{
    scry_free(P);
}

static const struct scry_prior_ops tv_ops = {
    .name = "tv",
    .prox = tv_prox,
    .value = tv_value,
    .destroy = tv_prior_destroy,
};

void scry_tv_opts_init(scry_tv_opts *opts)
{
    *opts = (scry_tv_opts){.weights = {1, 1, 1}, .tolerance = 1e-2, .iterations = 500};
}

static scry_status tv_check(const scry_space *space, int rank, double lambda,
                            const scry_tv_opts *opts, scry_error *err)
{
    const scry_status st = scry_space_check(space, err);
    if (st != SCRY_OK) return st;
    if (space->cplx)
        return SCRY_FAIL(err, SCRY_EUNSUP, "total variation of a complex image: use two channels");
    if (rank < 1 || rank > 3 || rank > space->rank)
        return SCRY_FAIL(err, SCRY_EINVAL, "total variation along %d axes, expected 1 to %d", rank,
                         space->rank < 3 ? space->rank : 3);
    if (!(lambda > 0 && isfinite(lambda)))
        return SCRY_FAIL(err, SCRY_EINVAL, "lambda %g, expected > 0", lambda);
    for (int a = 0; a < rank; a++)
        if (!(opts->weights[a] > 0 && isfinite(opts->weights[a])))
            return SCRY_FAIL(err, SCRY_EINVAL, "weight %g of axis %d, expected > 0",
                             opts->weights[a], a);
    if (!(opts->tolerance > 0))
        return SCRY_FAIL(err, SCRY_EINVAL, "tolerance %g, expected > 0", opts->tolerance);
    if (!opts->iterations) return SCRY_FAIL(err, SCRY_EINVAL, "0 iterations, expected > 0");
    return SCRY_OK;
}

scry_status scry_tv_create(scry_prior **out, const scry_space *space, int rank, double lambda,
                           const scry_tv_opts *opts, scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, space)) return SCRY_EINVAL;
    scry_tv_opts defaults;
    scry_tv_opts_init(&defaults);
    if (!opts) opts = &defaults;
    const scry_status st = tv_check(space, rank, lambda, opts, err);
    if (st != SCRY_OK) return st;
    struct tv *tv = scry_alloc(1, sizeof *tv);
    if (!tv) return SCRY_FAIL(err, SCRY_ENOMEM, "total variation prior");
    tv->base = (scry_prior){.ops = &tv_ops, .space = *space};
    tv->opts = *opts;
    tv->lambda = lambda;
    for (int a = 0; a < 3; a++) {
        const int axis = a - (3 - rank); /* which of the axes used, < 0: none */
        tv->dims[a] = axis < 0 ? 1 : space->dims[space->rank - rank + axis];
        tv->weight[a] = axis < 0 ? 1 : (float)opts->weights[axis];
        tv->used[a] = tv->dims[a] > 1;
        if (tv->used[a]) tv->lipschitz += 4 * (double)tv->weight[a] * tv->weight[a];
    }
    if (!(tv->lipschitz > 0)) tv->lipschitz = 1; /* a single pixel: nothing varies */
    tv->rows = tv->dims[0] * tv->dims[1];
    tv->n = tv->rows * tv->dims[2];
    tv->copies = scry_space_count(space) / tv->n;
    tv->base.work_bytes = fields_bytes(tv);
    *out = &tv->base;
    return SCRY_OK;
}
