#include "priors/schedule.h"

#include "lib/memory.h"
#include "lib/numbers.h"

#include <math.h>
#include <string.h>

struct scry_schedule {
    size_t steps;
    double *alpha_bar, *log_sigma; /* T values each */
};

/* log sigma = log((1 - abar) / abar) / 2, with 1 - abar carried as a sum: the first abar is within
 * 1e-4 of one, and a subtraction would lose half the digits of the smallest sigma. */
static scry_status schedule_accumulate(scry_schedule *s, const double *betas, scry_error *err)
{
    double keep = 1, lost = 0; /* abar and 1 - abar */
    for (size_t t = 0; t < s->steps; t++) {
        if (!(betas[t] > 0 && betas[t] < 1))
            return SCRY_FAIL(err, SCRY_EINVAL, "beta %zu is %g, expected within (0, 1)", t,
                             betas[t]);
        lost += keep * betas[t];
        keep *= 1 - betas[t];
        if (!(keep > 0))
            return SCRY_FAIL(err, SCRY_EINVAL, "no signal is left at step %zu of %zu", t, s->steps);
        s->alpha_bar[t] = keep;
        s->log_sigma[t] = .5 * (log(lost) - log(keep));
    }
    return SCRY_OK;
}

/* Of so many steps, its tables not filled yet; NULL when memory is refused. */
static scry_schedule *schedule_alloc(size_t steps, scry_error *err)
{
    scry_schedule *s = scry_alloc(1, sizeof *s);
    if (s) {
        s->steps = steps;
        s->alpha_bar = scry_alloc(steps, sizeof *s->alpha_bar);
        s->log_sigma = scry_alloc(steps, sizeof *s->log_sigma);
    }
    if (s && s->alpha_bar && s->log_sigma) return s;
    scry_schedule_free(s);
    scry_fail(err, SCRY_ENOMEM, __func__, "noise schedule of %zu steps", steps);
    return NULL;
}

scry_status scry_schedule_create_betas(scry_schedule **out, const double *betas, size_t steps,
                                       scry_error *err)
{
    scry_status st = SCRY_OK;
    *out = NULL;
    if (steps < 2)
        return SCRY_FAIL(err, SCRY_EINVAL, "%zu training steps, expected at least 2", steps);
    scry_schedule *s = schedule_alloc(steps, err);
    if (!s) return SCRY_ENOMEM;
    if ((st = schedule_accumulate(s, betas, err)) != SCRY_OK) goto done;
    *out = s;
    s = NULL;
done:
    scry_schedule_free(s);
    return st;
}

scry_status scry_schedule_copy(scry_schedule **out, const scry_schedule *s, scry_error *err)
{
    *out = schedule_alloc(s->steps, err);
    if (!*out) return SCRY_ENOMEM;
    memcpy((*out)->alpha_bar, s->alpha_bar, s->steps * sizeof *s->alpha_bar);
    memcpy((*out)->log_sigma, s->log_sigma, s->steps * sizeof *s->log_sigma);
    return SCRY_OK;
}

static double cosine_alpha_bar(double t)
{
    const double offset = .008; /* Nichol & Dhariwal 2021, sec. 3.2 */
    const double c = cos((t + offset) / (1 + offset) * .5 * SCRY_PI);
    return c * c;
}

static double schedule_beta_at(scry_beta kind, size_t i, size_t steps, double start, double end)
{
    const double at = (double)i / (double)(steps - 1), n = (double)steps;
    if (kind == SCRY_BETA_LINEAR) return start + at * (end - start);
    if (kind == SCRY_BETA_SCALED_LINEAR) {
        const double root = sqrt(start) + at * (sqrt(end) - sqrt(start));
        return root * root;
    }
    return fmin(1 - cosine_alpha_bar(((double)i + 1) / n) / cosine_alpha_bar((double)i / n), .999);
}

scry_status scry_schedule_create(scry_schedule **out, scry_beta kind, size_t steps, double start,
                                 double end, scry_error *err)
{
    *out = NULL;
    if (steps < 2)
        return SCRY_FAIL(err, SCRY_EINVAL, "%zu training steps, expected at least 2", steps);
    if (kind != SCRY_BETA_COSINE && !(start > 0 && start <= end && end < 1))
        return SCRY_FAIL(err, SCRY_EINVAL, "beta from %g to %g, expected 0 < start <= end < 1",
                         start, end);
    double *betas = scry_alloc(steps, sizeof *betas);
    if (!betas) return SCRY_FAIL(err, SCRY_ENOMEM, "noise schedule of %zu steps", steps);
    for (size_t i = 0; i < steps; i++)
        betas[i] = schedule_beta_at(kind, i, steps, start, end);
    const scry_status st = scry_schedule_create_betas(out, betas, steps, err);
    scry_free(betas);
    return st;
}

void scry_schedule_free(scry_schedule *s)
{
    if (!s) return;
    scry_free(s->alpha_bar);
    scry_free(s->log_sigma);
    scry_free(s);
}

size_t scry_schedule_steps(const scry_schedule *s)
{
    return s->steps;
}

double scry_schedule_alpha_bar(const scry_schedule *s, size_t t)
{
    return s->alpha_bar[t < s->steps ? t : s->steps - 1];
}

double scry_schedule_sigma(const scry_schedule *s, double t)
{
    if (!(t > 0)) return exp(s->log_sigma[0]);
    if (t >= (double)(s->steps - 1)) return exp(s->log_sigma[s->steps - 1]);
    const size_t i = (size_t)t;
    const double part = t - (double)i;
    return exp((1 - part) * s->log_sigma[i] + part * s->log_sigma[i + 1]);
}

double scry_schedule_time(const scry_schedule *s, double sigma)
{
    const double *table = s->log_sigma, at = sigma > 0 ? log(sigma) : -INFINITY;
    size_t low = 0, high = s->steps - 1; /* table[low] < at < table[high] throughout */
    if (!(at > table[low])) return 0;
    if (at >= table[high]) return (double)high;
    while (high - low > 1) {
        const size_t mid = low + (high - low) / 2;
        if (table[mid] <= at)
            low = mid;
        else
            high = mid;
    }
    return (double)low + (at - table[low]) / (table[high] - table[low]);
}

static scry_status check_levels(size_t n, double low, double high, scry_error *err)
{
    if (n < 1) return SCRY_FAIL(err, SCRY_EINVAL, "0 noise levels, expected at least 1");
    if (!(low > 0 && low <= high && high < INFINITY))
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "noise levels from %g down to %g, expected 0 < low <= "
                         "high",
                         high, low);
    return SCRY_OK;
}

/* The ends exactly as given: a prior's range check must not fail by a rounding. */
static void pin_ends(double *sigma, size_t n, double low, double high)
{
    if (n > 1) sigma[n - 1] = low;
    sigma[0] = high;
}

static double schedule_fraction(size_t i, size_t n)
{
    return n > 1 ? (double)i / (double)(n - 1) : 0;
}

scry_status scry_schedule_karras(double *sigma, size_t n, double low, double high, double rho,
                                 scry_error *err)
{
    const scry_status st = check_levels(n, low, high, err);
    if (st != SCRY_OK) return st;
    if (!(rho > 0 && rho < INFINITY))
        return SCRY_FAIL(err, SCRY_EINVAL, "rho %g, expected > 0", rho);
    const double a = pow(high, 1 / rho), b = pow(low, 1 / rho);
    for (size_t i = 0; i < n; i++)
        sigma[i] = pow(a + schedule_fraction(i, n) * (b - a), rho);
    pin_ends(sigma, n, low, high);
    return SCRY_OK;
}

scry_status scry_schedule_log(double *sigma, size_t n, double low, double high, scry_error *err)
{
    const scry_status st = check_levels(n, low, high, err);
    if (st != SCRY_OK) return st;
    for (size_t i = 0; i < n; i++)
        sigma[i] = high * pow(low / high, schedule_fraction(i, n));
    pin_ends(sigma, n, low, high);
    return SCRY_OK;
}

scry_status scry_schedule_uniform_time(double *sigma, size_t n, double low, double high,
                                       const scry_schedule *s, scry_error *err)
{
    const scry_status st = check_levels(n, low, high, err);
    if (st != SCRY_OK) return st;
    const double a = scry_schedule_time(s, high), b = scry_schedule_time(s, low);
    for (size_t i = 0; i < n; i++)
        sigma[i] = scry_schedule_sigma(s, a + schedule_fraction(i, n) * (b - a));
    pin_ends(sigma, n, low, high);
    return SCRY_OK;
}
