#include "tests/check.h"

#include "lib/call_batcher.h"
#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/io/safetensors.h"
#include "lib/vector.h"
#include "priors/network/unet.h"
#include "priors/network/network.h"

#include <string.h>

static float *tensor_of(const scry_safetensors *file, const char *name, size_t count)
{
    scry_error err = {0};
    const scry_tensor_info *t = scry_safetensors_find(file, name);
    assert_non_null(t);
    assert_int_equal(t->count, count);
    float *out = scry_alloc(count, sizeof *out);
    assert_ok(scry_safetensors_float(file, t, out, &err));
    return out;
}

static double relative(const float *a, const float *b, size_t n)
{
    return scry_distance(a, b, n) / scry_norm(b, n);
}

/* F and its VJP against golden.safetensors of the folder: x, v, eps, vjp (B, C, H, W) and timestep
 * (B), made by another implementation. */
static void compare_with_golden(const char *folder, double tol, const scry_unet_opts *opts)
{
    scry_error err = {0};
    char path[4200];
    scry_safetensors *file;
    scry_network *net;
    scry_prior *P;
    snprintf(path, sizeof path, "%s/golden.safetensors", folder);
    assert_ok(scry_safetensors_open(&file, path, &err));
    assert_ok(scry_network_load(&net, folder, &err));
    const scry_tensor_info *shape = scry_safetensors_find(file, "x");
    assert_non_null(shape);
    assert_int_equal(shape->rank, 4);
    const size_t batch = shape->dims[0];
    const scry_space space = SCRY_SPACE(shape->dims[1], shape->dims[2], shape->dims[3]);
    const size_t n = scry_space_count(&space);
    assert_ok(scry_unet_create(&P, net, &space, opts, &err));
    float *x = tensor_of(file, "x", batch * n), *v = tensor_of(file, "v", batch * n);
    float *eps = tensor_of(file, "eps", batch * n), *vjp = tensor_of(file, "vjp", batch * n);
    float *t = tensor_of(file, "timestep", batch);
    float *F = scry_alloc(n, sizeof *F), *g = scry_alloc(n, sizeof *g);
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    for (size_t b = 0; b < batch; b++) {
        const size_t at = b * n;
        assert_ok(scry_unet_evaluate(P, F, NULL, x + at, NULL, (double)t[b], work, &err));
        assert_below(relative(F, eps + at, n), tol);
        memset(F, 0, n * sizeof *F);
        assert_ok(scry_unet_evaluate(P, F, g, x + at, v + at, (double)t[b], work, &err));
        assert_below(relative(F, eps + at, n), tol);
        assert_below(relative(g, vjp + at, n), tol);
    }
    void *blocks[] = {x, v, eps, vjp, t, F, g, work};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        scry_free(blocks[i]);
    scry_prior_free(P);
    scry_network_free(net);
    scry_safetensors_free(file);
}

/* At integer t the prior's D is the scheduler's estimate of x0 from the network's own input, which
 * is x / sqrt(1 + sigma^2) = x sqrt(abar). */
static void compare_estimates(const char *folder, double tol)
{
    scry_error err = {0};
    char path[4200];
    scry_safetensors *file;
    scry_prior *P;
    snprintf(path, sizeof path, "%s/golden.safetensors", folder);
    assert_ok(scry_safetensors_open(&file, path, &err));
    scry_network *net;
    assert_ok(scry_network_load(&net, folder, &err));
    const scry_tensor_info *shape = scry_safetensors_find(file, "x");
    const scry_space space = SCRY_SPACE(shape->dims[1], shape->dims[2], shape->dims[3]);
    const size_t n = scry_space_count(&space);
    assert_ok(scry_unet_create(&P, net, &space, NULL, &err));
    float *x = tensor_of(file, "x", 2 * n), *x0 = tensor_of(file, "x0", 2 * n);
    float *t = tensor_of(file, "timestep", 2), *D = scry_alloc(n, sizeof *D);
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    for (size_t b = 0; b < 2; b++) {
        const double sigma = scry_schedule_sigma(scry_network_schedule(net), (double)t[b]);
        memcpy(D, x + b * n, n * sizeof *D);
        scry_scale(D, sqrt(1 + sigma * sigma), n);
        assert_ok(scry_prior_denoise(P, D, D, (float)sigma, work, &err)); /* in place */
        assert_below(relative(D, x0 + b * n, n), tol);
    }
    void *blocks[] = {x, x0, t, D, work};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        scry_free(blocks[i]);
    scry_prior_free(P);
    scry_network_free(net);
    scry_safetensors_free(file);
}

static const char *const small_networks[] = {"golden/unet/attention", "golden/unet/velocity",
                                             "golden/unet/sample", "golden/unet/standardised"};

static void small_networks_match_diffusers(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (int threads = 1; threads <= 2; threads++) {
            scry_unet_opts opts;
            scry_unet_opts_init(&opts);
            opts.threads = threads;
            opts.winograd = threads == 1;
            compare_with_golden(small_networks[i], 1e-4, &opts);
            compare_estimates(small_networks[i], 1e-4);
        }
}

/* D and its VJP of a prior that standardises and unshuffles, made by PyTorch. */
static void standardised_network_matches_pytorch(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_safetensors *file;
    scry_prior *P;
    const scry_space space = SCRY_SPACE(2, 24, 18);
    const size_t n = scry_space_count(&space);
    assert_ok(scry_safetensors_open(&file, "golden/unet/standardised/golden.safetensors", &err));
    assert_ok(scry_unet_load(&P, "golden/unet/standardised", &space, NULL, &err));
    float *x = tensor_of(file, "x", 2 * n), *v = tensor_of(file, "v", 2 * n);
    float *x0 = tensor_of(file, "x0", 2 * n), *vjp = tensor_of(file, "vjp", 2 * n);
    float *sigma = tensor_of(file, "sigma", 2), *D = scry_alloc(n, sizeof *D);
    float *g = scry_alloc(n, sizeof *g);
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    for (size_t b = 0; b < 2; b++) {
        const size_t at = b * n;
        assert_ok(scry_prior_vjp(P, g, D, x + at, v + at, sigma[b], work, &err));
        assert_below(relative(D, x0 + at, n), 1e-4);
        assert_below(relative(g, vjp + at, n), 1e-4);
        memcpy(D, x + at, n * sizeof *D);
        assert_ok(scry_prior_denoise(P, D, D, sigma[b], work, &err)); /* in place */
        assert_below(relative(D, x0 + at, n), 1e-4);
    }
    void *blocks[] = {x, v, x0, vjp, sigma, D, g, work};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        scry_free(blocks[i]);
    scry_prior_free(P);
    scry_safetensors_free(file);
}

static void shared_networks_match_their_goldens(void **state)
{
    (void)state;
    const char *const names[] = {"microscopy", "mri", "tiny"};
    for (size_t i = 0; i < 3; i++) {
        char name[64], folder[4096];
        snprintf(name, sizeof name, "priors/%s", names[i]);
        const char *found = shared_path(name);
        if (!found) {
            skip();
            return;
        }
        snprintf(folder, sizeof folder, "%s", found);
        compare_with_golden(folder, 1e-5, NULL);
    }
}

/* A network prior with room to call it. */
typedef struct fixture {
    scry_prior *P;
    float *x, *v, *D, *g;
    void *work;
    size_t n;
} fixture;

static fixture set_up(const char *folder, scry_space space, int threads, bool winograd)
{
    scry_error err = {0};
    scry_unet_opts opts;
    fixture f = {.n = scry_space_count(&space)};
    scry_unet_opts_init(&opts);
    opts.threads = threads;
    opts.winograd = winograd;
    assert_ok(scry_unet_load(&f.P, folder, &space, &opts, &err));
    float **arrays[] = {&f.x, &f.v, &f.D, &f.g};
    for (size_t i = 0; i < 4; i++)
        *arrays[i] = scry_alloc(f.n, sizeof(float));
    f.work = scry_alloc(1, scry_prior_work_bytes(f.P));
    scry_rng_normal(f.x, 0, f.n, 2385, 0, 0);
    scry_rng_normal(f.v, 0, f.n, 2385, 0, 1);
    return f;
}

static void tear_down(fixture *f)
{
    scry_prior_free(f->P);
    void *blocks[] = {f->x, f->v, f->D, f->g, f->work};
    for (size_t i = 0; i < 5; i++)
        scry_free(blocks[i]);
}

/* <v, D(x + h u) - D(x - h u)> / 2h against <J^T v, u>. */
static void vjp_is_the_derivative(void **state)
{
    (void)state;
    const scry_space spaces[] = {SCRY_SPACE(16, 24), SCRY_SPACE(2, 16, 24), SCRY_SPACE(16, 24),
                                 SCRY_SPACE(2, 24, 18)};
    for (size_t k = 0; k < 4; k++) {
        scry_error err = {0};
        fixture f = set_up(small_networks[k], spaces[k], 1, true);
        float *u = scry_alloc(f.n, sizeof *u), *there = scry_alloc(f.n, sizeof *there);
        scry_rng_normal(u, 0, f.n, 7, 0, 0);
        const float sigmas[] = {.07f, .9f, 12.f};
        for (size_t s = 0; s < 3; s++) {
            const double h = 3e-3 * sqrt(1 + (double)(sigmas[s] * sigmas[s]));
            double slope = 0;
            assert_ok(scry_prior_vjp(f.P, f.g, f.D, f.x, f.v, sigmas[s], f.work, &err));
            for (int sign = -1; sign <= 1; sign += 2) {
                scry_axpby(there, 1, f.x, sign * h, u, f.n);
                assert_ok(scry_prior_denoise(f.P, there, there, sigmas[s], f.work, &err));
                slope += sign * scry_dot(f.v, there, f.n) / (2 * h);
            }
            const double scale = scry_norm(f.g, f.n) * scry_norm(u, f.n) / sqrt((double)f.n);
            assert_near(slope / scale, scry_dot(f.g, u, f.n) / scale, 1e-2);
        }
        scry_free(u);
        scry_free(there);
        tear_down(&f);
    }
}

/* The same bytes from one thread and from several, again and again, and with D alone. */
static void bytes_do_not_depend_on_threads(void **state)
{
    (void)state;
    const struct {
        const char *folder;
        scry_space space;
    } cases[] = {
        {small_networks[0], SCRY_SPACE(40, 24)},
        {small_networks[1], SCRY_SPACE(2, 24, 40)},
        {"../priors/pretrained/microscopy", SCRY_SPACE(128, 64)},
    };
    for (size_t k = 0; k < 3; k++) {
        scry_error err = {0};
        fixture one = set_up(cases[k].folder, cases[k].space, 1, true);
        fixture four = set_up(cases[k].folder, cases[k].space, 4, true);
        assert_ok(scry_prior_vjp(one.P, one.g, one.D, one.x, one.v, .7f, one.work, &err));
        for (int again = 0; again < 2; again++) {
            assert_ok(scry_prior_vjp(four.P, four.g, four.D, four.x, four.v, .7f, four.work, &err));
            assert_memory_equal(one.g, four.g, one.n * sizeof(float));
            assert_memory_equal(one.D, four.D, one.n * sizeof(float));
        }
        assert_ok(scry_prior_denoise(four.P, four.g, four.x, .7f, four.work, &err));
        assert_memory_equal(one.D, four.g, one.n * sizeof(float));
        tear_down(&one);
        tear_down(&four);
    }
}

/* One prior, several threads at once, each with its own work: as posterior chains use it. */
static void chains_share_a_prior(void **state)
{
    (void)state;
    enum { CHAINS = 4 };
    scry_error err = {0};
    fixture f = set_up("../priors/pretrained/microscopy", SCRY_SPACE(64, 48), 1, true);
    float *D = scry_alloc(CHAINS * f.n, sizeof *D);
    void *work[CHAINS];
    scry_status st[CHAINS];
    for (size_t c = 0; c < CHAINS; c++)
        work[c] = scry_alloc(1, scry_prior_work_bytes(f.P));
#pragma omp parallel for num_threads(CHAINS)
    for (int c = 0; c < CHAINS; c++)
        st[c] = scry_prior_denoise(f.P, D + (size_t)c * f.n, f.x, .7f, work[c], NULL);
    assert_ok(scry_prior_denoise(f.P, f.D, f.x, .7f, f.work, &err));
    for (size_t c = 0; c < CHAINS; c++) {
        assert_int_equal(st[c], SCRY_OK);
        assert_memory_equal(D + c * f.n, f.D, f.n * sizeof *D);
        scry_free(work[c]);
    }
    scry_free(D);
    tear_down(&f);
}

enum { WORKERS = 5, CALLS = 3 };

/* Threads that share a call batcher, each with images of its own and memory for its results. */
typedef struct workers {
    fixture f;
    float *x, *v, *D, *g;
    void *work[WORKERS];
    scry_status st[WORKERS];
} workers;

/* Call t of worker s: D, or D with its VJP, at a noise level of its own. */
static scry_status worker_call(const workers *c, size_t s, size_t t, float *D, float *g)
{
    const float sigma = .1f + (float)s * (1.7f + (float)t), *x = c->x + s * c->f.n;
    if ((s + t) % 2) return scry_prior_denoise(c->f.P, D, x, sigma, c->work[s], NULL);
    return scry_prior_vjp(c->f.P, g, D, x, c->v + s * c->f.n, sigma, c->work[s], NULL);
}

static void call_together(workers *c, size_t threads)
{
    scry_error err = {0};
    scry_call_batcher *m;
    assert_ok(scry_call_batcher_create(&m, threads, &err));
#pragma omp parallel for num_threads(WORKERS) schedule(static, 1)
    for (size_t s = 0; s < WORKERS; s++) {
        scry_call_batcher_join(m);
        for (size_t t = 0; t < CALLS && c->st[s] == SCRY_OK; t++) {
            const size_t at = (s * CALLS + t) * c->f.n;
            c->st[s] = worker_call(c, s, t, c->D + at, c->g + at);
        }
        scry_call_batcher_leave(m);
    }
    scry_call_batcher_free(m);
}

/* Images that go through the network together give the bytes of each alone, whose values the tests
 * above compare with another implementation's; at sizes with and without convolutions whose weights
 * outweigh the image. */
static void batches_do_not_show(void **state)
{
    (void)state;
    const struct {
        const char *folder;
        scry_space space;
    } cases[] = {
        {small_networks[0], SCRY_SPACE(16, 24)},
        {small_networks[1], SCRY_SPACE(2, 24, 16)},
        {"../priors/pretrained/microscopy", SCRY_SPACE(32, 40)},
        {"../priors/pretrained/microscopy", SCRY_SPACE(96, 64)},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        workers c = {.f = set_up(cases[k].folder, cases[k].space, 1, true)};
        const size_t n = c.f.n;
        float **arrays[] = {&c.x, &c.v, &c.D, &c.g};
        for (size_t i = 0; i < 4; i++)
            *arrays[i] = scry_alloc(WORKERS * CALLS * n, sizeof(float));
        for (size_t s = 0; s < WORKERS; s++)
            c.work[s] = scry_alloc(1, scry_prior_work_bytes(c.f.P));
        scry_rng_normal(c.x, 0, WORKERS * n, 2385, 0, 0);
        scry_rng_normal(c.v, 0, WORKERS * n, 2385, 0, 1);
        call_together(&c, 1 + k % 2);
        for (size_t s = 0; s < WORKERS; s++)
            for (size_t t = 0; t < CALLS; t++) {
                const size_t at = (s * CALLS + t) * n;
                assert_int_equal(c.st[s], SCRY_OK);
                memset(c.f.g, 0, n * sizeof(float));
                assert_int_equal(worker_call(&c, s, t, c.f.D, c.f.g), SCRY_OK);
                assert_memory_equal(c.D + at, c.f.D, n * sizeof(float));
                assert_memory_equal(c.g + at, c.f.g, n * sizeof(float));
            }
        for (size_t s = 0; s < WORKERS; s++)
            scry_free(c.work[s]);
        for (size_t i = 0; i < 4; i++)
            scry_free(*arrays[i]);
        tear_down(&c.f);
    }
}

static void winograd_is_close_to_direct(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space space = SCRY_SPACE(64, 96);
    fixture fast = set_up("../priors/pretrained/mri", space, 1, true);
    fixture plain = set_up("../priors/pretrained/mri", space, 1, false);
    assert_ok(scry_prior_vjp(fast.P, fast.g, fast.D, fast.x, fast.v, 2.5f, fast.work, &err));
    assert_ok(scry_prior_vjp(plain.P, plain.g, plain.D, plain.x, plain.v, 2.5f, plain.work, &err));
    assert_below(relative(fast.D, plain.D, fast.n), 1e-5);
    assert_below(relative(fast.g, plain.g, fast.n), 1e-5);
    tear_down(&fast);
    tear_down(&plain);
}

static void wrong_images_are_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_network *net;
    scry_prior *P;
    scry_unet_opts opts;
    assert_ok(scry_network_load(&net, "../priors/pretrained/mri", &err));
    const scry_space bad[] = {SCRY_SPACE(64, 60), SCRY_SPACE(2, 64, 64), SCRY_SPACE(64),
                              SCRY_SPACE(1, 1, 64, 64)};
    for (size_t i = 0; i < 4; i++) {
        assert_fails(scry_unet_create(&P, net, &bad[i], NULL, &err), SCRY_ESHAPE);
        assert_null(P);
    }
    scry_space complex = SCRY_SPACE(64, 64);
    complex.cplx = true;
    assert_fails(scry_unet_create(&P, net, &complex, NULL, &err), SCRY_ESHAPE);
    const scry_space good = SCRY_SPACE(1, 16, 8);
    scry_unet_opts_init(&opts);
    opts.threads = 0;
    assert_fails(scry_unet_create(&P, net, &good, &opts, &err), SCRY_EINVAL);
    opts.threads = 1;
    opts.vjp = false;
    assert_ok(scry_unet_create(&P, net, &good, &opts, &err));
    assert_false(scry_prior_has_vjp(P));
    float x[128] = {0}, y[128];
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    assert_fails(scry_unet_evaluate(P, y, y, x, x, 5, work, &err), SCRY_EUNSUP);
    assert_fails(scry_prior_denoise(P, y, x, 500, work, &err), SCRY_EINVAL);
    assert_fails(scry_prior_denoise(P, y, x, .001f, work, &err), SCRY_EINVAL);
    x[17] = NAN; /* is carried through, and noticed */
    assert_fails(scry_prior_denoise(P, y, x, .7f, work, &err), SCRY_ENUMERIC);
    scry_free(work);
    scry_prior_free(P);
    scry_network_free(net);
}

static void refused_memory_is_reported(void **state)
{
    (void)state;
    const size_t live = scry_memory_live();
    const scry_space space = SCRY_SPACE(8, 8);
    size_t nth = 1;
    for (;; nth += nth < 60 ? 1 : 7) { /* loading first, then the plan, whose steps repeat */
        scry_error err = {0};
        scry_prior *P;
        scry_memory_fail_at(nth);
        const scry_status st = scry_unet_load(&P, small_networks[0], &space, NULL, &err);
        if (st == SCRY_OK) {
            scry_prior_free(P);
            break;
        }
        assert_int_equal(st, SCRY_ENOMEM);
        assert_true(err.text[0]);
        assert_null(P);
        assert_int_equal(scry_memory_live(), live);
    }
    scry_memory_fail_at(0);
    assert_true(nth > 60);
    assert_int_equal(scry_memory_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_networks_match_diffusers),
        cmocka_unit_test(standardised_network_matches_pytorch),
        cmocka_unit_test(shared_networks_match_their_goldens),
        cmocka_unit_test(vjp_is_the_derivative),
        cmocka_unit_test(bytes_do_not_depend_on_threads),
        cmocka_unit_test(chains_share_a_prior),
        cmocka_unit_test(batches_do_not_show),
        cmocka_unit_test(winograd_is_close_to_direct),
        cmocka_unit_test(wrong_images_are_refused),
        cmocka_unit_test(refused_memory_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
