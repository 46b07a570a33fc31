/* The pupil integrals behind the PSF models.
 *
 * Gibson-Lanni: the phase is smooth but for q(n) = sqrt(n^2 - s^2), s = NA rho, which has an
 * infinite slope at s = n when the aperture reaches the smallest index nc. With u = sqrt(1 -
 * s^2/nc^2) as the variable of integration, rho d rho = (nc/NA)^2 u du, every q is smooth in u and
 * J0, even in s, is too, so that Gauss-Legendre converges exponentially once it resolves the phase.
 * Born-Wolf uses rho^2, in which its phase is linear. */
#include "operators/psf_impl.h"

#include "lib/memory.h"
#include "lib/numbers.h"

#include <gsl/gsl_integration.h>
#include <math.h>
#include <string.h>

#define MAX_NODES 4096 /* the rule itself costs n^2 */

/* Phase / k and its slope in s at one node. */
struct wave {
    double base, axial, slope_base, slope_axial;
};

/* sqrt(n^2 - s^2) and its derivative. At s = n the derivative is infinite: bounded, because it only
 * says how far rays go. */
static double psf_pupil_q(double n, double s, double *slope)
{
    const double root = sqrt(fmax(n * n - s * s, 0));
    *slope = -s / fmax(root, 1e-3);
    return root;
}

static struct wave wave_at(const scry_psf_params *p, double s)
{
    const double *v = p->value;
    struct wave w = {0};
    double d[5];
    if (p->model == SCRY_PSF_BORN_WOLF) {
        w.axial = -s * s / (2 * v[SCRY_PSF_NI]);
        w.slope_axial = -s / v[SCRY_PSF_NI];
        return w;
    }
    const double qs = psf_pupil_q(v[SCRY_PSF_NS], s, &d[0]),
                 qi = psf_pupil_q(v[SCRY_PSF_NI], s, &d[1]);
    const double qi0 = psf_pupil_q(v[SCRY_PSF_NI0], s, &d[2]),
                 qg = psf_pupil_q(v[SCRY_PSF_NG], s, &d[3]);
    const double qg0 = psf_pupil_q(v[SCRY_PSF_NG0], s, &d[4]);
    const double depth = v[SCRY_PSF_DEPTH], wd = v[SCRY_PSF_WD];
    const double tg = v[SCRY_PSF_TG], tg0 = v[SCRY_PSF_TG0];
    w.base = depth * qs + tg * qg - tg0 * qg0 + wd * (qi - qi0);
    w.slope_base = depth * d[0] + tg * d[3] - tg0 * d[4] + wd * (d[1] - d[2]);
    w.axial = qi;
    w.slope_axial = d[1];
    return w;
}

/* The range of the integration variable and the map to s; see the top of the file. */
struct variable {
    double na, nc, from, to; /* nc = 0: born-wolf */
};

static struct variable variable_of(const scry_psf_params *p)
{
    static const scry_psf_key indices[] = {SCRY_PSF_NI, SCRY_PSF_NI0, SCRY_PSF_NS, SCRY_PSF_NG,
                                           SCRY_PSF_NG0};
    struct variable x = {.na = p->value[SCRY_PSF_NA], .to = 1};
    if (p->model == SCRY_PSF_BORN_WOLF) return x;
    x.nc = INFINITY;
    for (size_t i = 0; i < sizeof indices / sizeof *indices; i++)
        x.nc = fmin(x.nc, p->value[indices[i]]);
    const double edge = fmin(x.na / x.nc, 1);
    x.from = sqrt(1 - edge * edge);
    return x;
}

static double variable_to_s(const struct variable *x, double u, double *density)
{
    if (x->nc == 0) {
        *density = 0.5; /* rho d rho = d(rho^2) / 2 */
        return x->na * sqrt(u);
    }
    *density = (x->nc / x->na) * (x->nc / x->na) * u;
    return x->nc * sqrt(fmax(1 - u * u, 0));
}

void scryi_pupil_free(scryi_pupil *P)
{
    scry_free(P->s);
    *P = (scryi_pupil){0};
}

static scry_status place_nodes(scryi_pupil *P, const scry_psf_params *p, size_t n, scry_error *err)
{
    const struct variable x = variable_of(p);
    double *block = scry_alloc(6 * n, sizeof *block);
    gsl_integration_glfixed_table *rule = gsl_integration_glfixed_table_alloc(n);
    scry_status st = SCRY_OK;
    if (!block || !rule) {
        scry_free(block);
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%zu nodes of the pupil", n);
        goto done;
    }
    scry_free(P->s);
    P->n = n;
    P->s = block;
    P->weight = block + n;
    P->base = block + 2 * n;
    P->axial = block + 3 * n;
    P->slope_base = block + 4 * n;
    P->slope_axial = block + 5 * n;
    for (size_t i = 0; i < n; i++) {
        double u, weight, density;
        gsl_integration_glfixed_point(x.from, x.to, i, &u, &weight, rule);
        P->s[i] = variable_to_s(&x, u, &density);
        P->weight[i] = weight * density;
        const struct wave w = wave_at(p, P->s[i]);
        P->base[i] = w.base;
        P->axial[i] = w.axial;
        P->slope_base[i] = w.slope_base;
        P->slope_axial[i] = w.slope_axial;
    }
done:
    if (rule) gsl_integration_glfixed_table_free(rule);
    return st;
}

/* The z that leaves the smallest variance of the wavefront over the pupil. */
static double psf_pupil_flattest(const scryi_pupil *P)
{
    double w = 0, b = 0, a = 0, ab = 0, aa = 0;
    for (size_t i = 0; i < P->n; i++) {
        w += P->weight[i];
        b += P->weight[i] * P->base[i];
        a += P->weight[i] * P->axial[i];
    }
    for (size_t i = 0; i < P->n; i++) {
        const double da = P->axial[i] - a / w;
        ab += P->weight[i] * da * (P->base[i] - b / w);
        aa += P->weight[i] * da * da;
    }
    return ab / aa;
}

/* Largest minus smallest of the phase / k at z. */
static double span_at(const scryi_pupil *P, double z)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < P->n; i++) {
        const double w = P->base[i] - z * P->axial[i];
        low = fmin(low, w);
        high = fmax(high, w);
    }
    return high - low;
}

double scryi_pupil_on_axis(const scryi_pupil *P, double z)
{
    double re = 0, im = 0;
    for (size_t i = 0; i < P->n; i++) {
        const double phase = P->k * (P->base[i] - (P->focus + z) * P->axial[i]);
        re += P->weight[i] * cos(phase);
        im += P->weight[i] * sin(phase);
    }
    return re * re + im * im;
}

double scryi_pupil_ray(const scryi_pupil *P, double z)
{
    double ray = 0;
    for (size_t i = 0; i < P->n; i++)
        ray = fmax(ray, fabs(P->slope_base[i] - (P->focus + z) * P->slope_axial[i]));
    return ray;
}

/* Half the distance of the first axial zeros of the unaberrated lens: one wave across the pupil. */
static double depth_of_focus(const scryi_pupil *P)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < P->n; i++) {
        low = fmin(low, P->axial[i]);
        high = fmax(high, P->axial[i]);
    }
    return 2 * SCRY_PI / P->k / (high - low);
}

/* Moves P->focus from the flattest wavefront to the brightest plane. An aberration of m waves
 * leaves it within about m depths of focus of there; a scan then cannot miss the highest of several
 * maxima, and a golden section ends the search. */
static void find_focus(scryi_pupil *P, double residual)
{
    const double dof = depth_of_focus(P);
    const double waves = residual * P->k / (2 * SCRY_PI);
    const double half = (2 + 2 * waves) * dof, step = dof / 16;
    double best = 0, brightest = scryi_pupil_on_axis(P, 0);
    for (double z = step; waves > 1e-9 && z <= half; z += step)
        for (int side = -1; side <= 1; side += 2) {
            const double value = scryi_pupil_on_axis(P, side * z);
            if (value <= brightest) continue;
            brightest = value;
            best = side * z;
        }
    const double ratio = 0.6180339887498949;
    double a = best - step, b = best + step;
    while (waves > 1e-9 && b - a > 1e-6 * dof) {
        const double c = b - ratio * (b - a), d = a + ratio * (b - a);
        if (scryi_pupil_on_axis(P, c) > scryi_pupil_on_axis(P, d))
            b = d;
        else
            a = c;
    }
    P->focus += waves > 1e-9 ? (a + b) / 2 : 0;
}

/* An n-point Gauss-Legendre rule resolves a phase of about 2n radians; the rest is the margin
 * for exponential convergence. */
static scry_status nodes_for(size_t *n, double phase, scry_error *err)
{
    const double count = 0.65 * phase + 40;
    if (count > MAX_NODES)
        return SCRY_FAIL(
            err, SCRY_EINVAL,
            "psf: its phase varies by %.3g waves over the pupil; expected at most %.3g "
            "(smaller size, size_z, depth or index mismatch)",
            phase / (2 * SCRY_PI), MAX_NODES / 0.65 / (2 * SCRY_PI));
    *n = (size_t)count;
    return SCRY_OK;
}

scry_status scryi_pupil_create(scryi_pupil *P, const scry_psf_params *p, double lambda_nm,
                               double reach_r, double reach_z, scry_error *err)
{
    scry_status st = SCRY_OK;
    size_t n = 0;
    *P = (scryi_pupil){.k = 2 * SCRY_PI / (lambda_nm * 1e-3)};
    if (p->model != SCRY_PSF_BORN_WOLF) P->depth = p->value[SCRY_PSF_DEPTH];
    if ((st = place_nodes(P, p, 64, err)) != SCRY_OK) goto done;
    P->focus = psf_pupil_flattest(P);
    const double residual = span_at(P, P->focus), dof = depth_of_focus(P);
    const double waves = residual * P->k / (2 * SCRY_PI);
    const double search = residual * P->k + (2 + 2 * waves) * 2 * SCRY_PI;
    if ((st = nodes_for(&n, search, err)) != SCRY_OK) goto done;
    if ((st = place_nodes(P, p, n, err)) != SCRY_OK) goto done;
    find_focus(P, residual);
    const double phase = fmax(span_at(P, P->focus - reach_z), span_at(P, P->focus + reach_z));
    const struct variable x = variable_of(p);
    double density;
    const double edge = variable_to_s(&x, x.nc == 0 ? 1 : x.from, &density);
    st = nodes_for(&n, P->k * (phase + edge * reach_r) + reach_z / dof, err);
    if (st != SCRY_OK) goto done;
    if (n > P->n && (st = place_nodes(P, p, n, err)) != SCRY_OK) goto done;
    /* int |h| 2 pi r dr = 2 pi int |pupil|^2 rho d rho / (k NA)^2, the Hankel transform's
     * Parseval */
    const double radius = edge / x.na;
    P->light = SCRY_PI * radius * radius / (P->k * x.na) / (P->k * x.na);
done:
    if (st != SCRY_OK) scryi_pupil_free(P);
    return st;
}
