#include "tests/check.h"

#include "lib/io/safetensors.h"
#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "priors/network/network.h"
#include "priors/train/optim_impl.h"
#include "priors/train/trainer_impl.h"

#include <string.h>

#define FOLDER "golden/training"

static scry_safetensors *golden;

static int open_golden(void **state)
{
    (void)state;
    scry_error err = {0};
    return scry_safetensors_open(&golden, FOLDER "/golden.safetensors", &err) != SCRY_OK;
}

static int close_golden(void **state)
{
    (void)state;
    scry_safetensors_free(golden);
    return 0;
}

static float *values_of(const char *name, size_t *count)
{
    scry_error err = {0};
    const scry_tensor_info *t = scry_safetensors_find(golden, name);
    if (!t) print_error("no %s\n", name);
    assert_non_null(t);
    float *out = scry_alloc(t->count, sizeof *out);
    assert_ok(scry_safetensors_float(golden, t, out, &err));
    *count = t->count;
    return out;
}

static void copy_values(float *to, const char *name)
{
    size_t count;
    float *values = values_of(name, &count);
    memcpy(to, values, count * sizeof *to);
    scry_free(values);
}

static double relative(const float *a, const float *b, size_t n)
{
    return scry_distance(a, b, n) / scry_norm(b, n);
}

/* The golden batch in a trainer of the golden network. */
static scry_trainer *golden_trainer(size_t group, int threads)
{
    scry_error err = {0};
    scry_network *net;
    scry_trainer *t;
    scry_train_opts opts;
    size_t count;
    scry_train_opts_init(&opts);
    opts.crop = 32;
    opts.batch = 6;
    opts.group = group;
    opts.threads = threads;
    assert_ok(scry_network_load(&net, FOLDER, &err));
    assert_ok(scry_trainer_create(&t, &opts, net, &err));
    scry_network_free(net);
    copy_values(t->z, "z");
    copy_values(t->noise, "noise");
    copy_values(t->u.frequency, "frequency");
    copy_values(t->u.phase, "phase");
    copy_values(t->u.value, "u");
    float *sigma = values_of("sigma", &count);
    assert_int_equal(count, 6);
    for (size_t i = 0; i < count; i++)
        t->sigma[i] = (double)sigma[i];
    scry_free(sigma);
    return t;
}

static void gradients_match_autograd(void **state)
{
    (void)state;
    const size_t groups[] = {1, 3, 6};
    for (size_t k = 0; k < 3; k++) {
        scry_error err = {0};
        size_t count;
        scry_trainer *t = golden_trainer(groups[k], 1);
        assert_ok(scryi_trainer_gradient(t, &err));
        float *expected = values_of("error", &count);
        for (size_t i = 0; i < count; i++)
            assert_near(t->error[i] / (double)expected[i], 1, 1e-4);
        scry_free(expected);
        expected = values_of("u.grad", &count);
        assert_below(relative(t->u.grad, expected, count), 1e-4);
        scry_free(expected);
        assert_int_equal(t->entry_count, 104);
        for (size_t i = 0; i < t->entry_count; i++) {
            char name[160];
            const scryi_entry *e = &t->entries[i];
            snprintf(name, sizeof name, "grad.%s", e->name);
            expected = values_of(name, &count);
            const float *g = t->grad + (e->value - t->net->pool);
            float *seventh = scry_alloc(count, sizeof *seventh);
            for (size_t j = 0; j < count; j++)
                seventh[j] = g[7 * j];
            if (!(relative(seventh, expected, count) < 1e-4))
                print_error("%s: %g\n", e->name, relative(seventh, expected, count));
            assert_below(relative(seventh, expected, count), 1e-4);
            scry_free(seventh);
            scry_free(expected);
        }
        scry_trainer_free(t);
    }
}

/* Three steps from the golden's weights and gradients, each against its weights after them. */
static void follow(const char *name, size_t rows, size_t columns)
{
    scry_error err = {0};
    char key[64];
    size_t n;
    snprintf(key, sizeof key, "%s.w0", name);
    float *w = values_of(key, &n), *m = scry_alloc(n, sizeof *m), *v = scry_alloc(n, sizeof *v);
    float *work = scry_alloc(rows ? scryi_muon_work(rows, columns) : 0, sizeof *work);
    for (size_t k = 1; k <= 3; k++) {
        snprintf(key, sizeof key, "%s.g%zu", name, k);
        float *g = values_of(key, &n);
        snprintf(key, sizeof key, "%s.w%zu", name, k);
        float *expected = values_of(key, &n), *before = scry_copy(w, n * sizeof *w);
        if (rows) {
            assert_int_equal(n, rows * columns);
            assert_ok(scryi_muon_step(w, m, g, rows, columns, .023, .013, work, &err));
        } else {
            scryi_adamw_step(&(scryi_adamw){1.7e-3, .013, k}, w, m, v, g, n);
        }
        assert_below(relative(w, expected, n), 1e-6);
        const double moved = scry_distance(expected, before, n); /* the step itself */
        assert_below(scry_distance(w, expected, n) / moved, 1e-4);
        scry_free(g);
        scry_free(expected);
        scry_free(before);
    }
    void *blocks[] = {w, m, v, work};
    for (size_t i = 0; i < 4; i++)
        scry_free(blocks[i]);
}

static void optimisers_match_pytorch(void **state)
{
    (void)state;
    follow("adamw", 0, 0);
    follow("muon_wide", 16, 45);
    follow("muon_tall", 48, 18);
}

/* Discs of some size and place, a function of step and index. */
static scry_status disc(void *context, float *x, size_t step, size_t index, scry_error *err)
{
    (void)err;
    const size_t side = *(const size_t *)context;
    float u[3];
    scry_rng_uniform(u, 0, 3, 11, (uint32_t)index, scry_rng_step(step, 3));
    const float r = (float)side * (.1f + .2f * u[2]);
    for (size_t i = 0; i < side * side; i++) {
        const float dy = (float)(i / side) - (float)side * u[0];
        const float dx = (float)(i % side) - (float)side * u[1];
        x[i] = dx * dx + dy * dy < r * r ? .5f : -.9f;
    }
    return SCRY_OK;
}

static scry_train_opts small_opts(void)
{
    scry_train_opts o;
    scry_train_opts_init(&o);
    o.levels = 2;
    o.width[0] = 16;
    o.width[1] = 32;
    o.crop = 16;
    o.batch = 8;
    o.group = 2;
    o.mean = -.7;
    o.std = .5;
    return o;
}

static void one_seed_is_one_training(void **state)
{
    (void)state;
    size_t side = 16;
    float *first = NULL;
    for (int threads = 1; threads <= 3; threads++) {
        scry_error err = {0};
        scry_trainer *t;
        scry_train_opts o = small_opts();
        double loss[3];
        o.threads = threads;
        assert_ok(scry_trainer_create(&t, &o, NULL, &err));
        const size_t n = t->net->parameters;
        for (size_t k = 0; k < 3; k++)
            assert_ok(scry_trainer_step(t, disc, &side, 1, &loss[k], &err));
        if (!first) first = scry_copy(t->net->pool, n * sizeof *first);
        assert_memory_equal(first, t->net->pool, n * sizeof *first);
        assert_int_equal(scry_trainer_steps(t), 3);
        scry_trainer_free(t);
    }
    scry_free(first);
}

/* Discs are learnt, and the average of the weights denoises as a prior like any other. */
static void objective_learns(scry_objective objective, double first, double last)
{
    scry_error err = {0};
    scry_trainer *t;
    scry_network *net;
    scry_prior *P;
    size_t side = 16;
    double loss, early = 0, late = 0;
    scry_train_opts o = small_opts();
    o.objective = objective;
    assert_ok(scry_trainer_create(&t, &o, NULL, &err));
    for (size_t k = 0; k < 300; k++) {
        assert_ok(scry_trainer_step(t, disc, &side, 1 - (double)k / 300, &loss, &err));
        *(k < 20 ? &early : &late) += k < 20 || k >= 280 ? loss / 20 : 0;
    }
    assert_true(early > first);
    assert_below(late, last);
    assert_ok(scry_trainer_network(&net, t, &err));
    const scry_space space = SCRY_SPACE(side, side);
    assert_ok(scry_unet_create(&P, net, &space, NULL, &err));
    float x[256], noisy[256], n[256], D[256];
    double error = 0;
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    for (size_t k = 0; k < 8; k++) {
        assert_ok(disc(&side, x, 1000 + k, 0, &err));
        scry_rng_normal(n, 0, 256, 5, (uint32_t)k, 0);
        scry_axpby(noisy, 1, x, .4, n, 256);
        assert_ok(scry_prior_denoise(P, D, noisy, .4f, work, &err));
        error += scry_distance(D, x, 256) * scry_distance(D, x, 256) / (8 * 256);
    }
    assert_below(sqrt(error), .2); /* of .4 */
    scry_free(work);
    scry_prior_free(P);
    scry_network_free(net);
    scry_trainer_free(t);
}

static void training_learns(void **state)
{
    (void)state;
    objective_learns(SCRY_OBJECTIVE_V, .6, .45);
    objective_learns(SCRY_OBJECTIVE_FLOW, 1.2, .9); /* of a target of variance 2 */
}

/* Images of class 0 are brighter by 2. */
static size_t shade(void *context, size_t step, size_t index)
{
    (void)context;
    return (step + index) % 2;
}

static scry_status shaded(void *context, float *x, size_t step, size_t index, scry_error *err)
{
    const size_t side = *(const size_t *)context;
    disc(context, x, step, index, err);
    for (size_t i = 0; !shade(context, step, index) && i < side * side; i++)
        x[i] += 2;
    return SCRY_OK;
}

/* At a level where an image cannot be seen, D is the mean of its class. */
static void labels_are_learnt(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_trainer *t;
    scry_network *net;
    size_t side = 16;
    double loss, mean[3];
    scry_train_opts o = small_opts();
    o.classes = 2;
    o.label = shade;
    o.mean = .3;
    o.std = 1.1;
    assert_ok(scry_trainer_create(&t, &o, NULL, &err));
    for (size_t k = 0; k < 300; k++)
        assert_ok(scry_trainer_step(t, shaded, &side, 1 - (double)k / 300, &loss, &err));
    assert_ok(scry_trainer_network(&net, t, &err));
    assert_int_equal(scry_network_classes(net), 2);
    const scry_space space = SCRY_SPACE(side, side);
    for (int label = -1; label < 2; label++) {
        scry_prior *P;
        scry_unet_opts u;
        float x[256];
        scry_unet_opts_init(&u);
        u.label = label;
        assert_ok(scry_unet_create(&P, net, &space, &u, &err));
        void *work = scry_alloc(1, scry_prior_work_bytes(P));
        scry_rng_normal(x, 0, 256, 5, 0, 0);
        scry_scale(x, 20, 256);
        assert_ok(scry_prior_denoise(P, x, x, 20, work, &err));
        mean[label + 1] = scry_sum(x, 256) / 256;
        scry_free(work);
        scry_prior_free(P);
    }
    assert_true(mean[2] < mean[0] && mean[0] < mean[1]);
    assert_true(mean[1] - mean[2] > .15);
    scry_trainer_free(t);
    /* more classes than it has are refused; a network without any gains them */
    o.classes = 3;
    assert_fails(scry_trainer_create(&t, &o, net, &err), SCRY_EINVAL);
    scry_network_free(net);
    o.label = NULL;
    assert_fails(scry_trainer_create(&t, &o, NULL, &err), SCRY_EINVAL);
    o = small_opts();
    assert_ok(scry_trainer_create(&t, &o, NULL, &err));
    assert_ok(scry_trainer_network(&net, t, &err));
    const float last = net->pool[net->parameters - 1];
    scry_trainer_free(t);
    o.classes = 2;
    o.label = shade;
    assert_ok(scry_trainer_create(&t, &o, net, &err));
    assert_int_equal(t->net->parameters, net->parameters + (size_t)3 * 4 * 16);
    assert_true(t->net->pool[t->net->parameters - 1] == last);
    assert_ok(scry_trainer_step(t, shaded, &side, 1, &loss, &err));
    scry_trainer_free(t);
    scry_network_free(net);
}

/* Stopped, saved, loaded and gone on with, a training is the one that was never stopped. */
static void a_training_goes_on(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_trainer *whole, *first, *second;
    size_t side = 16;
    double loss;
    float extra[2] = {12.5f, 3}, got[2];
    char path[] = "/tmp/scry-training-XXXXXX";
    close(mkstemp(path));
    scry_train_opts o = small_opts();
    assert_ok(scry_trainer_create(&whole, &o, NULL, &err));
    assert_ok(scry_trainer_create(&first, &o, NULL, &err));
    for (size_t k = 0; k < 5; k++) {
        assert_ok(scry_trainer_step(whole, disc, &side, 1, &loss, &err));
        if (k < 2) assert_ok(scry_trainer_step(first, disc, &side, 1, &loss, &err));
    }
    assert_ok(scry_trainer_save(first, path, extra, 2, &err));
    scry_trainer_free(first);
    assert_ok(scry_trainer_create(&second, &o, NULL, &err));
    assert_ok(scry_trainer_load(second, path, got, 2, &err));
    assert_memory_equal(got, extra, sizeof extra);
    assert_int_equal(scry_trainer_steps(second), 2);
    for (size_t k = 2; k < 5; k++)
        assert_ok(scry_trainer_step(second, disc, &side, 1, &loss, &err));
    const size_t bytes = whole->net->parameters * sizeof(float);
    assert_memory_equal(whole->net->pool, second->net->pool, bytes);
    assert_memory_equal(whole->average, second->average, bytes);
    scry_trainer_free(whole);
    scry_trainer_free(second);
    o.width[1] = 48;
    assert_ok(scry_trainer_create(&second, &o, NULL, &err));
    assert_fails(scry_trainer_load(second, path, got, 2, &err), SCRY_EFORMAT);
    scry_trainer_free(second);
    o = small_opts();
    o.objective = SCRY_OBJECTIVE_FLOW;
    assert_ok(scry_trainer_create(&second, &o, NULL, &err));
    assert_fails(scry_trainer_load(second, path, got, 2, &err), SCRY_EFORMAT);
    scry_trainer_free(second);
    unlink(path);
}

/* A trained network in its folder is the same prior again. */
static void a_network_is_saved(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_network *net, *again;
    char folder[] = "/tmp/scry-network-XXXXXX", path[80];
    assert_non_null(mkdtemp(folder));
    const char *const sources[] = {FOLDER,
                                   "golden/unet/velocity",
                                   "golden/unet/attention",
                                   "golden/unet_formats/flow",
                                   "golden/unet_formats/edm",
                                   "golden/unet_formats/wild"};
    for (size_t k = 0; k < sizeof sources / sizeof *sources; k++) {
        assert_ok(scry_network_load(&net, sources[k], &err));
        assert_ok(scry_network_save(net, folder, &err));
        assert_ok(scry_network_load(&again, folder, &err));
        assert_int_equal(net->parameters, again->parameters);
        assert_memory_equal(net->pool, again->pool, net->parameters * sizeof(float));
        scryi_config a = net->config, b = again->config;
        b.unshuffle = a.unshuffle; /* prior.json is the caller's */
        assert_memory_equal(&a, &b, sizeof a);
        for (size_t t = 0; t < scry_schedule_steps(net->schedule); t += 37)
            assert_near(scry_schedule_alpha_bar(again->schedule, t) /
                            scry_schedule_alpha_bar(net->schedule, t),
                        1, 1e-6);
        scry_network_free(net);
        scry_network_free(again);
    }
    const char *const files[] = {"config.json", "scheduler_config.json",
                                 "diffusion_pytorch_model.safetensors"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

static scry_status spoilt(void *context, float *x, size_t step, size_t index, scry_error *err)
{
    disc(context, x, step, index, err);
    if (index == 3 && step == 2) x[7] = NAN;
    return step < 3 ? SCRY_OK : SCRY_FAIL(err, SCRY_EIO, "no crop %zu of step %zu", index, step);
}

static void what_is_not_finite_leaves_the_weights(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_trainer *t;
    size_t side = 16;
    double loss;
    const scry_train_opts o = small_opts();
    assert_ok(scry_trainer_create(&t, &o, NULL, &err));
    assert_ok(scry_trainer_step(t, spoilt, &side, 1, &loss, &err));
    const size_t bytes = t->net->parameters * sizeof(float);
    float *before = scry_copy(t->net->pool, bytes);
    assert_fails(scry_trainer_step(t, spoilt, &side, 1, &loss, &err), SCRY_ENUMERIC);
    assert_memory_equal(before, t->net->pool, bytes);
    t->step++;
    assert_fails(scry_trainer_step(t, spoilt, &side, 1, &loss, &err), SCRY_EIO);
    scry_free(before);
    scry_trainer_free(t);
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_trainer *t;
    scry_network *net;
    scry_train_opts bad[9];
    for (size_t i = 0; i < 9; i++)
        bad[i] = small_opts();
    bad[0].batch = 9;
    bad[1].crop = 15;
    bad[2].threads = 0;
    bad[3].levels = 0;
    bad[4].width[1] = 24;
    bad[5].std = 0;
    bad[6].rate_muon = NAN;
    bad[7].groups = 5;
    bad[8].crop = 18;
    for (size_t i = 0; i < 9; i++) {
        assert_fails(scry_trainer_create(&t, &bad[i], NULL, &err),
                     i == 8 ? SCRY_ESHAPE : SCRY_EINVAL);
        assert_null(t);
    }
    const char *const folders[] = {"golden/unet/attention", "golden/unet/standardised"};
    for (size_t i = 0; i < 2; i++) {
        const scry_train_opts o = small_opts();
        assert_ok(scry_network_load(&net, folders[i], &err));
        assert_true(scry_trainer_create(&t, &o, net, &err) != SCRY_OK && err.text[0]);
        err = (scry_error){0};
        assert_null(t);
        scry_network_free(net);
    }
}

static void refused_memory_is_reported(void **state)
{
    (void)state;
    const size_t live = scry_memory_live();
    const scry_train_opts o = small_opts();
    size_t nth = 1;
    for (;; nth += nth < 20 ? 1 : 5) {
        scry_error err = {0};
        scry_trainer *t;
        scry_memory_fail_at(nth);
        if (scry_trainer_create(&t, &o, NULL, &err) == SCRY_OK) {
            scry_trainer_free(t);
            break;
        }
        assert_int_equal(err.code, SCRY_ENOMEM);
        assert_null(t);
        assert_int_equal(scry_memory_live(), live);
    }
    scry_memory_fail_at(0);
    assert_true(nth > 50);
    assert_int_equal(scry_memory_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_match_autograd),
        cmocka_unit_test(optimisers_match_pytorch),
        cmocka_unit_test(one_seed_is_one_training),
        cmocka_unit_test(training_learns),
        cmocka_unit_test(labels_are_learnt),
        cmocka_unit_test(a_training_goes_on),
        cmocka_unit_test(a_network_is_saved),
        cmocka_unit_test(what_is_not_finite_leaves_the_weights),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(refused_memory_is_reported),
    };
    return cmocka_run_group_tests(tests, open_golden, close_golden);
}
