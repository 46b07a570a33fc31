#ifndef SCRY_TESTS_PRIOR_CHECK_H
#define SCRY_TESTS_PRIOR_CHECK_H

/* What every prior must pass, whatever it knows of images. */

#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "priors/prior.h"
#include "tests/check.h"

#include <string.h>

static inline float *random_floats(size_t n, uint64_t seed)
{
    float *x = scry_alloc(n, sizeof *x);
    assert_non_null(x);
    scry_rng_normal(x, 0, n, seed, 0, 0);
    return x;
}

/* <J^T v, u> against (<v, D(x + h u)> - <v, D(x - h u)>) / 2h along random u, relative to |v| |u|;
 * x0 of the same pass against denoise; and denoise in place. u is the step really taken, after
 * the rounding of x + h u, and sums are in double, so the rounding of D alone limits tol. */
static inline void check_vjp(const scry_prior *P, const float *x, float sigma, double h, double tol)
{
    const size_t n = scry_space_floats(scry_prior_space(P));
    scry_error err = {0};
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    float *g = random_floats(n, 1), *x0 = random_floats(n, 2), *d = random_floats(n, 3);
    assert_non_null(work);
    for (uint64_t seed = 10; seed < 13; seed++) {
        float *v = random_floats(n, seed), *u = random_floats(n, seed + 100);
        assert_ok(scry_prior_vjp(P, g, x0, x, v, sigma, work, &err));
        assert_ok(scry_prior_denoise(P, d, x, sigma, work, &err));
        for (size_t i = 0; i < n; i++)
            assert_near(x0[i], d[i], 1e-6 * (1 + fabs((double)d[i])));
        const double size = 2 * h * scry_norm(v, n) * scry_norm(u, n);
        scry_axpby(d, 1, x, h, u, n);
        scry_axpby(x0, 1, x, -h, u, n);
        const double expected = scry_dot(g, d, n) - scry_dot(g, x0, n);
        assert_ok(scry_prior_denoise(P, d, d, sigma, work, &err));
        assert_ok(scry_prior_denoise(P, x0, x0, sigma, work, &err));
        const double difference = scry_dot(v, d, n) - scry_dot(v, x0, n);
        assert_near(difference / size, expected / size, tol * (1 + fabs(expected / size)));
        scry_free(v);
        scry_free(u);
    }
    scry_free(work);
    scry_free(g);
    scry_free(x0);
    scry_free(d);
}

/* The prox minimises: no random or coordinate step from z lowers value(u) + |u - v|^2 / (2t), up to
 * `slack` of the objective. */
static inline void check_prox(const scry_prior *P, const float *v, double t, double slack)
{
    const size_t n = scry_space_floats(scry_prior_space(P));
    scry_error err = {0};
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    float *z = random_floats(n, 1), *u = random_floats(n, 2);
    double best, value;
    assert_ok(scry_prior_prox(P, z, v, t, work, &err));
    assert_ok(scry_prior_value(P, &best, z, work, &err));
    best += scry_distance(z, v, n) * scry_distance(z, v, n) / (2 * t);
    for (uint64_t trial = 0; trial < 60; trial++) {
        float *step = random_floats(n, 20 + trial);
        const double length = pow(10, -1 - (double)(trial % 3));
        scry_axpby(u, 1, z, length, step, n);
        assert_ok(scry_prior_value(P, &value, u, work, &err));
        value += scry_distance(u, v, n) * scry_distance(u, v, n) / (2 * t);
        if (value < best - slack * fabs(best)) {
            print_error("prox at t = %g: %.9g, but %.9g a step of %g away\n", t, best, value,
                        length);
            fail();
        }
        scry_free(step);
    }
    memcpy(u, v, n * sizeof *u);
    assert_ok(scry_prior_prox(P, u, u, t, work, &err));
    for (size_t i = 0; i < n; i++)
        assert_near(u[i], z[i], 1e-6 * (1 + fabs((double)z[i])));
    scry_free(work);
    scry_free(z);
    scry_free(u);
}

/* `create`, an expression that sets `P` and uses `err`, with each of its allocations refused in
 * turn: ENOMEM, P NULL, nothing left behind. Once P is freed `base` blocks are live. */
#define check_refusals_owning(base, P, create)                                                     \
    do {                                                                                           \
        const size_t base_ = (base), live_ = scry_memory_live();                                   \
        for (size_t nth_ = 1;; nth_++) {                                                           \
            scry_memory_fail_at(nth_);                                                             \
            const scry_status st_ = (create);                                                      \
            scry_memory_fail_at(0);                                                                \
            if (st_ == SCRY_OK) {                                                                  \
                assert_true(nth_ > 1);                                                             \
                break;                                                                             \
            }                                                                                      \
            assert_int_equal(st_, SCRY_ENOMEM);                                                    \
            assert_null(P);                                                                        \
            assert_int_equal(scry_memory_live(), live_);                                           \
            err = (scry_error){0};                                                                 \
        }                                                                                          \
        scry_prior_free(P);                                                                        \
        assert_int_equal(scry_memory_live(), base_);                                               \
    } while (0)

#define check_refusals(P, create) check_refusals_owning(scry_memory_live(), P, create)

#endif
