#include "tests/check.h"

#include "lib/io/safetensors.h"
#include "lib/memory.h"
#include "lib/vector.h"
#include "priors/network/network.h"
#include "priors/network/unet.h"

#include <string.h>

/* Networks of other makes against the values of diffusers: tests/golden/make_unet_formats.py. */

static float *tensor_of(const scry_safetensors *file, const char *name)
{
    scry_error err = {0};
    const scry_tensor_info *t = scry_safetensors_find(file, name);
    if (!t) return NULL;
    float *out = scry_alloc(t->count, sizeof *out);
    assert_ok(scry_safetensors_float(file, t, out, &err));
    return out;
}

static double relative(const float *a, const float *b, size_t n)
{
    return scry_distance(a, b, n) / scry_norm(b, n);
}

static void compare(const char *name)
{
    scry_error err = {0};
    char folder[80], path[120];
    scry_safetensors *file;
    scry_prior *P;
    scry_unet_opts opts;
    snprintf(folder, sizeof folder, "golden/unet_formats/%s", name);
    snprintf(path, sizeof path, "%s/golden.safetensors", folder);
    assert_ok(scry_safetensors_open(&file, path, &err));
    const scry_tensor_info *shape = scry_safetensors_find(file, "x");
    const scry_space space = SCRY_SPACE(shape->dims[1], shape->dims[2], shape->dims[3]);
    const size_t n = scry_space_count(&space);
    float *label = tensor_of(file, "label"), *x = tensor_of(file, "x"), *v = tensor_of(file, "v"),
          *sigma = tensor_of(file, "sigma");
    float *x0 = tensor_of(file, "x0"), *vjp = tensor_of(file, "vjp");
    float *D = scry_alloc(n, sizeof *D), *g = scry_alloc(n, sizeof *g);
    for (size_t b = 0; b < shape->dims[0]; b++) {
        scry_unet_opts_init(&opts);
        opts.label = label ? (int)label[b] : -1;
        assert_ok(scry_unet_load(&P, folder, &space, &opts, &err));
        void *work = scry_alloc(1, scry_prior_work_bytes(P));
        assert_ok(scry_prior_denoise(P, D, x + b * n, sigma[b], work, &err));
        assert_below(relative(D, x0 + b * n, n), 1e-4);
        assert_ok(scry_prior_vjp(P, g, D, x + b * n, v + b * n, sigma[b], work, &err));
        assert_below(relative(g, vjp + b * n, n), 1e-4);
        scry_free(work);
        scry_prior_free(P);
    }
    void *blocks[] = {x, v, sigma, x0, vjp, D, g, label};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        scry_free(blocks[i]);
    scry_safetensors_free(file);
}

static void flow_matching(void **state)
{
    (void)state;
    compare("flow");
}

static void preconditioning_of_edm(void **state)
{
    (void)state;
    compare("edm");
}

/* Three channels, twice as many outputs, classes, scale_shift, blocks that resample, attention. */
static void networks_of_the_wild(void **state)
{
    (void)state;
    compare("wild");
}

static void names_of_guided_diffusion(void **state)
{
    (void)state;
    compare("adm");
}

static void names_of_edm(void **state)
{
    (void)state;
    compare("dhariwal");
}

/* D_none + w (D_label - D_none), and its VJP, in place too. */
static void guidance_is_linear(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_network *net;
    const scry_space space = SCRY_SPACE(3, 8, 12);
    enum { N = 3 * 8 * 12 };
    const struct {
        int label;
        double guidance;
    } runs[] = {{-1, 1}, {1, 1}, {1, 2.5}, {-1, 2.5}};
    float x[N], v[N], D[4][N], g[4][N];
    for (size_t i = 0; i < N; i++) {
        x[i] = sinf((float)(i * i));
        v[i] = cosf((float)(3 * i));
    }
    assert_ok(scry_network_load(&net, "golden/unet_formats/wild", &err));
    assert_int_equal(scry_network_classes(net), 3);
    for (size_t k = 0; k < 4; k++) {
        scry_prior *P;
        scry_unet_opts o;
        scry_unet_opts_init(&o);
        o.label = runs[k].label;
        o.guidance = runs[k].guidance;
        assert_ok(scry_unet_create(&P, net, &space, &o, &err));
        void *work = scry_alloc(1, scry_prior_work_bytes(P));
        assert_ok(scry_prior_vjp(P, g[k], NULL, x, v, .7f, work, &err));
        memcpy(D[k], x, sizeof x);
        assert_ok(scry_prior_denoise(P, D[k], D[k], .7f, work, &err));
        scry_free(work);
        scry_prior_free(P);
    }
    assert_true(relative(D[1], D[0], N) > 1e-2);
    for (size_t i = 0; i < N; i++) {
        assert_near((double)D[2][i], (double)(D[0][i] + 2.5f * (D[1][i] - D[0][i])), 1e-5);
        assert_near((double)g[2][i], (double)(g[0][i] + 2.5f * (g[1][i] - g[0][i])), 1e-4);
    }
    assert_memory_equal(D[3], D[0], sizeof D[0]);
    scry_prior *P;
    scry_unet_opts o;
    scry_unet_opts_init(&o);
    o.label = 3;
    assert_fails(scry_unet_create(&P, net, &space, &o, &err), SCRY_EINVAL);
    o.label = 0;
    o.guidance = NAN;
    assert_fails(scry_unet_create(&P, net, &space, &o, &err), SCRY_EINVAL);
    scry_network_free(net);
}

/* The levels of their schedulers. */
static void levels_are_theirs(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_network *net;
    double low, high;
    assert_ok(scry_network_load(&net, "golden/unet_formats/flow", &err));
    scry_network_sigma_range(net, &low, &high);
    assert_near(low, 1 / 999., 1e-9);
    assert_near(high, 999, 1e-6);
    assert_string_equal(scry_network_prediction(net), "flow");
    assert_near(scry_network_sigma_data(net), 0, 0);
    scry_network_free(net);
    assert_ok(scry_network_load(&net, "golden/unet_formats/edm", &err));
    scry_network_sigma_range(net, &low, &high);
    assert_near(low, .002, 1e-9);
    assert_near(high, 80, 1e-6);
    assert_string_equal(scry_network_prediction(net), "epsilon");
    assert_near(scry_network_sigma_data(net), .31, 1e-9);
    scry_network_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flow_matching),        cmocka_unit_test(preconditioning_of_edm),
        cmocka_unit_test(networks_of_the_wild), cmocka_unit_test(names_of_guided_diffusion),
        cmocka_unit_test(names_of_edm),         cmocka_unit_test(guidance_is_linear),
        cmocka_unit_test(levels_are_theirs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
