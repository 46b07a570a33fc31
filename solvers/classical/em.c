#include "solvers/classical/em_impl.h"

#include "lib/memory.h"
#include "lib/parallel.h"
#include "lib/vector.h"

#include <math.h>
#include <string.h>

/* Weights, in 65535ths of the largest: less than a thousandth is unmeasured. */
enum { FULL = 65535, SEEN = 66, BLOCK = 4096, PARALLEL_FROM = 1 << 20 };
enum { PEDESTAL_STEPS = 30 }; /* of bisection: below the precision of a float */

static int em_team(size_t n)
{
    return n >= PARALLEL_FROM ? scry_threads() : 1;
}

bool scryi_em_estimate_alloc(scryi_em_estimate *e, size_t n)
{
    e->x = scry_alloc(n, sizeof *e->x);
    e->old = scry_alloc(n, sizeof *e->old);
    e->change = scry_alloc(n, sizeof *e->change);
    return e->x && e->old && e->change;
}

void scryi_em_estimate_free(scryi_em_estimate *e)
{
    scry_free(e->x);
    scry_free(e->old);
    scry_free(e->change);
}

scry_status scryi_em_init(scryi_em *E, scry_error *err)
{
    const scry_op *A = E->A;
    E->n = scry_space_floats(scry_op_dom(A));
    E->m = scry_space_floats(scry_op_cod(A));
    scryi_difference_init(&E->G, scry_op_dom(A));
    E->z = scry_alloc(E->n, sizeof *E->z);
    E->weight = scry_alloc(E->n, sizeof *E->weight);
    E->part = scry_alloc((E->n + BLOCK - 1) / BLOCK, sizeof *E->part);
    bool ok = E->z && E->weight && E->part;
    if (E->tv > 0) {
        ok = (E->v = scry_alloc(E->n, sizeof *E->v)) && ok;
        ok = (E->divide = scry_alloc(E->n, sizeof *E->divide)) && ok;
        ok = (E->gradient = scry_alloc(E->n, (size_t)E->G.axes * sizeof *E->gradient)) && ok;
    }
    return ok ? SCRY_OK : SCRY_FAIL(err, SCRY_ENOMEM, "richardson-lucy: %zu pixels", E->n);
}

void scryi_em_clear(scryi_em *E)
{
    void *owned[] = {E->z, E->weight, E->part, E->v, E->divide, E->gradient};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        scry_free(owned[i]);
}

scry_status scryi_em_weigh(scryi_em *E, float *ones, double *sum, scry_error *err)
{
    float low = 0, high = 0;
    for (size_t i = 0; i < E->m; i++)
        ones[i] = 1;
    E->counts->adjoint++;
    scry_status st = scry_op_adjoint(E->A, E->z, ones, E->work, err);
    if (st != SCRY_OK) return st;
    for (size_t i = 0; i < E->n; i++) {
        low = fminf(low, E->z[i]);
        high = fmaxf(high, E->z[i]);
    }
    if (!(high > 0) || low < -0.01f * high)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "richardson-lucy: the columns of %s sum to %g .. %g, expected >= 0: it "
                         "needs a non-negative operator",
                         scry_op_name(E->A), (double)low, (double)high);
    E->unit = high / FULL;
    for (size_t i = 0; i < E->n; i++)
        E->weight[i] = (uint16_t)(fmaxf(E->z[i], 0) / E->unit + 0.5f);
    *sum = scry_sum(E->z, E->n);
    return SCRY_OK;
}

bool scryi_em_measured(const scryi_em *E, size_t i)
{
    return E->weight[i] >= FULL / 2;
}

/* m = A x */
static scry_status em_measure(scryi_em *E, scryi_em_estimate *e, scry_error *err)
{
    E->counts->forward++;
    return scry_op_forward(E->A, e->m, e->x, E->work, err);
}

scry_status scryi_em_start(scryi_em *E, scryi_em_estimate *e, double level, scry_error *err)
{
    for (size_t i = 0; i < E->n; i++)
        e->x[i] = (float)level;
    memcpy(e->old, e->x, E->n * sizeof *e->old);
    memset(e->change, 0, E->n * sizeof *e->change);
    e->pace = 1;
    e->along = 0;
    e->steps = 0;
    scry_status st = em_measure(E, e, err);
    memcpy(e->mold, e->m, E->m * sizeof *e->mold);
    return st;
}

/* How far to go on along x - old before the next EM step. */
static double em_momentum(const scryi_em *E, scryi_em_estimate *e)
{
    if (e->steps == 0 || E->acceleration == SCRYI_EM_PLAIN) return 0;
    if (E->acceleration == SCRYI_EM_BIGGS) return e->pace > 0 ? fmin(e->pace, 0.999) : 0;
    if (e->along < 0) e->pace = 1;
    const double next = (1 + sqrt(1 + 4 * e->pace * e->pace)) / 2, alpha = (e->pace - 1) / next;
    e->pace = next;
    return alpha;
}

/* divide = 1 + tv G^T (G v / |G v|): relative to w, or the penalty would rule the margin, where w
 * is small. One step late, it may exceed the weight: the step is at most doubled. */
static void em_penalty(scryi_em *E, const scryi_em_estimate *e, const struct scryi_em_point *at)
{
    for (size_t i = 0; i < E->n; i++)
        E->v[i] = fmaxf(at->p * e->x[i] + at->q * e->old[i], at->min);
    scryi_gradient(&E->G, E->gradient, E->v);
    scryi_normalise(&E->G, E->gradient, E->floor);
    scryi_gradient_adjoint(&E->G, E->divide, E->gradient);
    for (size_t i = 0; i < E->n; i++)
        E->divide[i] = fmaxf(1 + (float)E->tv * E->divide[i], 0.5f);
}

/* The new image, where the one before was. Sums of blocks are added in order: they do not depend on
 * the threads. */
static struct scryi_em_sums em_renew(scryi_em *E, scryi_em_estimate *e,
                                     const struct scryi_em_point *at)
{
    const struct scryi_em_update u = {.point = *at,
                                      .x = e->x,
                                      .old = e->old,
                                      .z = E->z,
                                      .divide = E->divide,
                                      .change = e->change,
                                      .weight = E->weight,
                                      .unit = E->unit,
                                      .seen = SEEN};
    const size_t blocks = (E->n + BLOCK - 1) / BLOCK;
    struct scryi_em_sums sums = {0};
    SCRY_PARALLEL_FOR(
        em_team(E->n), for (size_t b = 0; b < blocks; b++) {
            const size_t from = b * BLOCK, left = E->n - from;
            SCRYI_BEST(scryi_em_loops)
                ->update(&E->part[b], &u, from, from + (left < BLOCK ? left : BLOCK));
        });
    for (size_t b = 0; b < blocks; b++) {
        sums.before2 += E->part[b].before2;
        sums.across += E->part[b].across;
        sums.along += E->part[b].along;
    }
    return sums;
}

struct scryi_em_judgement scryi_em_judge(const scryi_em *E, const scryi_em_estimate *e,
                                         const float *held, double variance)
{
    const struct scryi_em_judged j = {.m = e->m,
                                      .d = e->d,
                                      .held = held,
                                      .c = (float)E->c,
                                      .share = (float)e->share,
                                      .variance = (float)variance};
    struct scryi_em_judgement all = {0}, one;
    for (size_t from = 0; from < E->m; from += BLOCK) {
        const size_t left = E->m - from;
        SCRYI_BEST(scryi_em_loops)->judge(&one, &j, from, from + (left < BLOCK ? left : BLOCK));
        all.chi2 += one.chi2;
        all.fit += one.fit;
    }
    all.chi2 /= (double)E->m;
    all.fit /= (double)E->m;
    return all;
}

static void em_swap(float **a, float **b)
{
    float *c = *a;
    *a = *b;
    *b = c;
}

/* sum of w max(x - t, 0) */
static double em_light(const scryi_em *E, const float *x, double t)
{
    double sum = 0;
    for (size_t from = 0; from < E->n; from += BLOCK) {
        const size_t to = E->n - from < BLOCK ? E->n : from + BLOCK;
        float part = 0;
        for (size_t i = from; i < to; i++) {
            const float light = x[i] - (float)t;
            part += (light > 0 ? light : 0) * (float)E->weight[i];
        }
        sum += part;
    }
    return sum * (double)E->unit;
}

double scryi_em_pedestal(const scryi_em *E, const scryi_em_estimate *e, double flux)
{
    double low = 0, high = 0;
    const double light = em_light(E, e->x, 0);
    double weights = 0;
    if (flux > 0 && light <= flux) return 0;
    if (!(flux > 0)) {
        for (size_t i = 0; i < E->n; i++)
            weights += E->weight[i];
        return (light - flux) / ((double)E->unit * weights);
    }
    for (size_t i = 0; i < E->n; i++)
        high = fmax(high, e->x[i]);
    for (int k = 0; k < PEDESTAL_STEPS; k++) {
        const double middle = (low + high) / 2;
        *(em_light(E, e->x, middle) > flux ? &low : &high) = middle;
    }
    return low;
}

scry_status scryi_em_step(scryi_em *E, scryi_em_estimate *e, scry_error *err)
{
    const double a = em_momentum(E, e);
    /* FFTs leave rounding errors around 0: no mean is below one millionth of the start's */
    const struct scryi_em_point at = {(float)(1 + a), (float)-a, fmaxf((float)E->floor, 1e-30f)};
    SCRYI_BEST(scryi_em_loops)
        ->ratio(e->mold, e->m, e->mold, e->d, &at, (float)E->c, (float)e->share, E->m);
    E->counts->adjoint++;
    scry_status st = scry_op_adjoint(E->A, E->z, e->mold, E->work, err);
    if (st != SCRY_OK) return st;
    if (E->tv > 0) em_penalty(E, e, &at);
    const struct scryi_em_sums sums = em_renew(E, e, &at);
    if (E->acceleration == SCRYI_EM_BIGGS)
        e->pace = sums.before2 > 0 ? sums.across / sums.before2 : 0;
    e->along = sums.along;
    em_swap(&e->x, &e->old);
    em_swap(&e->m, &e->mold);
    e->steps++;
    return em_measure(E, e, err);
}
