#include "priors/mixture.h"

#include "priors/eigen_impl.h"
#include "priors/prior_impl.h"

#include "lib/given.h"
#include "lib/memory.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

struct component {
    double log_weight;
    double *mean, *variances; /* n; along the eigenvectors */
    double *vectors;          /* n x n, one a row; NULL: the coordinate axes */
};

struct mixture {
    scry_prior base;
    size_t n, count;
    struct component *components;
};

/* One scratch for all hooks: d_k for every component, r_k, and two vectors. */
struct scratch {
    double *d, *r, *a, *b;
};

static struct scratch scratch_carve(const struct mixture *m, void *work)
{
    double *p = work;
    return (struct scratch){.d = p,
                            .a = p + m->count * m->n,
                            .b = p + (m->count + 1) * m->n,
                            .r = p + (m->count + 2) * m->n};
}

static void mixture_analyse(const struct component *c, double *out, const double *in, size_t n)
{
    if (c->vectors)
        scryi_eigen_analyse(out, c->vectors, in, n);
    else
        memcpy(out, in, n * sizeof *out);
}

static void mixture_synthesise(const struct component *c, double *out, const double *in, size_t n)
{
    if (c->vectors)
        scryi_eigen_synthesise(out, c->vectors, in, n);
    else
        memcpy(out, in, n * sizeof *out);
}

/* log [weight_k N(x; mean_k, C_k + t I)] up to a shared constant; d_k when d is not NULL. */
static double component_pass(const struct component *c, double *d, const float *x, double t,
                             double *a, double *b, size_t n)
{
    double log_p = c->log_weight;
    for (size_t i = 0; i < n; i++)
        a[i] = x[i] - c->mean[i];
    mixture_analyse(c, b, a, n);
    for (size_t i = 0; i < n; i++) {
        const double total = c->variances[i] + t;
        log_p -= 0.5 * (b[i] * b[i] / total + log(total));
        b[i] *= c->variances[i] / total;
    }
    if (!d) return log_p;
    mixture_synthesise(c, d, b, n);
    for (size_t i = 0; i < n; i++)
        d[i] += c->mean[i];
    return log_p;
}

/* r_k <- exp(r_k) / sum, from logarithms far outside the range of exp; returns log of the sum. */
static double mixture_softmax(double *r, size_t count)
{
    double largest = -INFINITY, sum = 0;
    for (size_t k = 0; k < count; k++)
        largest = fmax(largest, r[k]);
    for (size_t k = 0; k < count; k++)
        sum += exp(r[k] - largest);
    const double total = largest + log(sum);
    for (size_t k = 0; k < count; k++)
        r[k] = exp(r[k] - total);
    return total;
}

/* d_k and r_k of every component; a receives D. */
static void posterior_mean(const struct mixture *m, const struct scratch *s, const float *x,
                           double t)
{
    for (size_t k = 0; k < m->count; k++)
        s->r[k] = component_pass(&m->components[k], s->d + k * m->n, x, t, s->a, s->b, m->n);
    mixture_softmax(s->r, m->count);
    memset(s->a, 0, m->n * sizeof *s->a);
    for (size_t k = 0; k < m->count; k++)
        for (size_t i = 0; i < m->n; i++)
            s->a[i] += s->r[k] * s->d[k * m->n + i];
}

static scry_status mixture_denoise(const scry_prior *P, float *x0, const float *x, float sigma,
                                   void *work, scry_error *err)
{
    (void)err;
    const struct mixture *m = (const struct mixture *)P;
    const struct scratch s = scratch_carve(m, work);
    posterior_mean(m, &s, x, (double)sigma * sigma);
    for (size_t i = 0; i < m->n; i++)
        x0[i] = (float)s.a[i];
    return SCRY_OK;
}

/* out += r W_k v */
static void add_shrunk(const struct component *c, double *out, const float *v, double r, double t,
                       double *a, double *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        a[i] = v[i];
    mixture_analyse(c, b, a, n);
    for (size_t i = 0; i < n; i++)
        b[i] *= c->variances[i] / (c->variances[i] + t);
    mixture_synthesise(c, a, b, n);
    for (size_t i = 0; i < n; i++)
        out[i] += r * a[i];
}

/* The Jacobian is symmetric, so it is its own transpose. d_k - D is kept in place of d_k; its own
 * memory then holds the sum. */
static scry_status mixture_vjp(const scry_prior *P, float *g, float *x0, const float *x,
                               const float *v, float sigma, void *work, scry_error *err)
{
    (void)err;
    const struct mixture *m = (const struct mixture *)P;
    const struct scratch s = scratch_carve(m, work);
    const double t = (double)sigma * sigma;
    double *sum = s.r + m->count;
    posterior_mean(m, &s, x, t);
    if (x0)
        for (size_t i = 0; i < m->n; i++)
            x0[i] = (float)s.a[i];
    memset(sum, 0, m->n * sizeof *sum);
    for (size_t k = 0; k < m->count; k++) {
        const double *d = s.d + k * m->n;
        double along = 0;
        for (size_t i = 0; i < m->n; i++)
            along += (d[i] - s.a[i]) * v[i];
        for (size_t i = 0; i < m->n; i++)
            sum[i] += s.r[k] * (d[i] - s.a[i]) * along / t;
    }
    for (size_t k = 0; k < m->count; k++)
        add_shrunk(&m->components[k], sum, v, s.r[k], t, s.a, s.b, m->n);
    for (size_t i = 0; i < m->n; i++)
        g[i] = (float)sum[i];
    return SCRY_OK;
}

static scry_status mixture_value(const scry_prior *P, double *value, const float *u, void *work,
                                 scry_error *err)
{
    (void)err;
    const struct mixture *m = (const struct mixture *)P;
    const struct scratch s = scratch_carve(m, work);
    for (size_t k = 0; k < m->count; k++)
        s.r[k] = component_pass(&m->components[k], NULL, u, 0, s.a, s.b, m->n);
    *value = -mixture_softmax(s.r, m->count);
    return SCRY_OK;
}

static void mixture_destroy(scry_prior *P)
{
    struct mixture *m = (struct mixture *)P;
    if (!m) return;
    for (size_t k = 0; m->components && k < m->count; k++) {
        scry_free(m->components[k].mean);
        scry_free(m->components[k].variances);
        scry_free(m->components[k].vectors);
    }
    scry_free(m->components);
    scry_free(m);
}

static const struct scry_prior_ops mixture_ops = {
    .name = "gaussian-mixture",
    .denoise = mixture_denoise,
    .vjp = mixture_vjp,
    .value = mixture_value,
    .destroy = mixture_destroy,
};

static scry_status mixture_check_numbers(const scry_mixture_component *c, size_t k, size_t n,
                                         scry_error *err)
{
    if (!(c->weight > 0 && isfinite(c->weight)))
        return SCRY_FAIL(err, SCRY_EINVAL, "component %zu: weight %g, expected > 0", k, c->weight);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(c->mean[i]))
            return SCRY_FAIL(err, SCRY_EINVAL, "component %zu: mean %zu is %g, expected a number",
                             k, i, c->mean[i]);
    if (c->cov) return SCRY_OK; /* looked at by scryi_eigen */
    for (size_t i = 0; i < (c->diagonal ? n : 1); i++) {
        const double variance = c->diagonal ? c->diagonal[i] : c->variance;
        if (!(variance > 0 && isfinite(variance)))
            return SCRY_FAIL(err, SCRY_EINVAL, "component %zu: variance %g, expected > 0", k,
                             variance);
    }
    return SCRY_OK;
}

static scry_status component_copy(struct component *c, const scry_mixture_component *from, size_t k,
                                  size_t n, double total, scry_error *err)
{
    scry_status st = mixture_check_numbers(from, k, n, err);
    if (st != SCRY_OK) return st;
    size_t square;
    if (from->cov && !scry_mul(&square, n, n))
        return SCRY_FAIL(err, SCRY_ESHAPE, "%zu pixels are too many for a dense covariance", n);
    c->log_weight = log(from->weight / total);
    c->mean = scry_copy(from->mean, n * sizeof *c->mean);
    c->variances = scry_alloc(n, sizeof *c->variances);
    if (from->cov) c->vectors = scry_alloc(square, sizeof *c->vectors);
    if (!c->mean || !c->variances || (from->cov && !c->vectors))
        return SCRY_FAIL(err, SCRY_ENOMEM, "mixture component of %zu pixels", n);
    if (from->cov) return scryi_eigen(c->variances, c->vectors, from->cov, n, err);
    for (size_t i = 0; i < n; i++)
        c->variances[i] = from->diagonal ? from->diagonal[i] : from->variance;
    return SCRY_OK;
}

/* Bytes of struct scratch and of the sum in vjp. */
static bool scratch_bytes(size_t *bytes, size_t n, size_t count)
{
    return count <= SIZE_MAX - 3 && scry_mul(bytes, count + 3, n) && *bytes <= SIZE_MAX - count &&
           scry_mul(bytes, *bytes + count, sizeof(double));
}

scry_status scry_mixture_create(scry_prior **out, const scry_space *space,
                                const scry_mixture_component *components, size_t count,
                                scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, space, components)) return SCRY_EINVAL;
    struct mixture *m = NULL;
    double total = 0;
    scry_status st = scry_space_check(space, err);
    if (st != SCRY_OK) goto done;
    if (!count) {
        st = SCRY_FAIL(err, SCRY_EINVAL, "0 components, expected at least 1");
        goto done;
    }
    m = scry_alloc(1, sizeof *m);
    if (!m) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "mixture prior");
        goto done;
    }
    m->base = (scry_prior){.ops = &mixture_ops,
                           .space = *space,
                           .sigma_low = SCRYI_SIGMA_LOW,
                           .sigma_high = SCRYI_SIGMA_HIGH};
    m->n = scry_space_floats(space);
    m->count = count;
    m->components = scry_alloc(count, sizeof *m->components);
    if (!m->components || !scratch_bytes(&m->base.work_bytes, m->n, count)) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%zu mixture components of %zu pixels", count, m->n);
        goto done;
    }
    for (size_t k = 0; k < count; k++)
        total += components[k].weight;
    for (size_t k = 0; k < count; k++) {
        st = component_copy(&m->components[k], &components[k], k, m->n, total, err);
        if (st != SCRY_OK) goto done;
    }
    *out = &m->base;
    m = NULL;
done:
    mixture_destroy((scry_prior *)m);
    return st;
}
