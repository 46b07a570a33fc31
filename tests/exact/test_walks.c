#include "tests/exact/langevin_exact.h"
#include "tests/exact/small.h"

/* Few chains with many draws, on posteriors that are known: mean and spread within the Monte Carlo
 * error that the effective size of the draws allows, and that size by the scatter of repeated
 * runs. */

enum { CHAINS = 4 };

static const struct walker {
    const char *method;
    size_t draws;
} walkers[] = {
    {"pnpdm", 4000},
    {"sk-rock", 1000},
    {"pnp-ula", 500},
    {"langevin", 500},
    {"preconditioned-langevin", 500},
};

static scry_chains walk(const char *method, const struct setup *s, size_t draws, uint64_t seed)
{
    scry_error err = {0};
    scry_options o;
    scry_chains_opts opts;
    scry_chains c;
    scry_options_init(&o, scry_method_find(method));
    option_set(&o, "draws", draws);
    scry_chains_opts_init(&opts);
    opts.chains = CHAINS;
    opts.seed = seed;
    opts.region = 1;
    assert_ok(scry_chains_run(&c, &s->problem, &o, &opts, NULL, NULL, &err));
    assert_int_equal(c.draws, CHAINS * draws);
    return c;
}

/* The distribution that the chain tends to: for PnP-ULA and SK-ROCK, which have a step and a blur
 * of their own, it is known to every digit; else it is the posterior. */
static void limit(double *mean, double *sd, const char *method, const struct world *w,
                  const scry_op *A)
{
    static double cov[EXACT_MAX * EXACT_MAX];
    scry_options o;
    scry_options_init(&o, scry_method_find(method));
    const double blur = option_value(&o, "sigma-min") > 0 ? option_value(&o, "sigma-min")
                                                          : 0.05; /* as their option says */
    const struct band band = {method, 10000000, option_value(&o, "zeta"), blur, 0, 0, 0};
    const bool own = !strcmp(method, "pnp-ula") || !strcmp(method, "sk-rock");
    if (own) langevin_exact(mean, cov, w, A, &band);
    for (size_t i = 0; i < w->n; i++) {
        if (!own) mean[i] = w->post[i];
        sd[i] = sqrt(own ? cov[i * w->n + i] : w->P[i * w->n + i]);
    }
}

/* Five standard errors: 120 numbers are tested. The spread is uncertain by no more than that of as
 * many independent Gaussian draws, 1 / sqrt(2 ess). */
static void check_walk(const struct walker *k, const struct setup *s, const struct world *w)
{
    double mean[EXACT_MAX], sd[EXACT_MAX], bias = 0, low = INFINITY, high = 0, size = 0;
    scry_options o;
    scry_options_init(&o, scry_method_find(k->method));
    limit(mean, sd, k->method, w, s->A);
    scry_chains c = walk(k->method, s, k->draws, 11);
    for (size_t i = 0; i < w->n; i++) {
        const double off = (c.mean[i] - mean[i]) / sd[i], ratio = c.sd[i] / sd[i];
        assert_near(off, 0, 5 / sqrt(c.ess[i]));
        assert_near(ratio, 1, 5 / sqrt(2 * c.ess[i]));
        bias = fmax(bias, fabs(off));
        low = fmin(low, ratio);
        high = fmax(high, ratio);
        size += c.ess[i] / (double)w->n;
    }
    print_message("%-24s mean off by %.3f sd, sd %.3f .. %.3f, R-hat %.4f, ess %.0f .. of %zu "
                  "draws: one in %.1f steps\n",
                  k->method, bias, low, high, c.worst_rhat, c.min_ess, c.draws,
                  (double)c.draws * option_value(&o, "thin") / size);
    assert_below(c.worst_rhat, 1.05);
    assert_true(c.min_ess > 200);
    scry_chains_free(&c);
}

static void walks_draw_from_the_posterior(void **state)
{
    (void)state;
    static struct world w;
    static unsigned char known[EXACT_MAX];
    for (int mask = 0; mask < 2; mask++) {
        struct setup s;
        if (mask)
            world_mask(&w, known);
        else
            world_blur(&w);
        build(&s, &w, mask ? known : NULL);
        for (size_t k = 0; k < sizeof walkers / sizeof *walkers; k++)
            check_walk(&walkers[k], &s, &w);
        drop(&s);
    }
}

/* The mean of a run scatters over seeds as the mean of `ess` independent draws would. */
static void the_effective_size_is_that_of_the_scatter(void **state)
{
    (void)state;
    static const struct walker short_ones[] = {{"pnpdm", 100}, {"sk-rock", 100}};
    enum { RUNS = 60 };
    static struct world w;
    struct setup s;
    world_blur(&w);
    build(&s, &w, NULL);
    for (size_t k = 0; k < 2; k++) {
        double mean[EXACT_MAX], sd[EXACT_MAX], claimed = 0, seen = 0;
        limit(mean, sd, short_ones[k].method, &w, s.A);
        for (size_t run = 0; run < RUNS; run++) {
            scry_chains c = walk(short_ones[k].method, &s, short_ones[k].draws, 100 + run);
            for (size_t i = 0; i < w.n; i++) {
                claimed += 1 / c.ess[i] / RUNS / (double)w.n;
                seen += pow((c.mean[i] - mean[i]) / sd[i], 2) / RUNS / (double)w.n;
            }
            scry_chains_free(&c);
        }
        print_message("%s: variance of the mean %.5f, by ess %.5f\n", short_ones[k].method, seen,
                      claimed);
        assert_near(log2(claimed / seen), 0, 0.7);
    }
    drop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks_draw_from_the_posterior),
        cmocka_unit_test(the_effective_size_is_that_of_the_scatter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
