#include "tests/check.h"

#include "lib/io/safetensors.h"
#include "lib/memory.h"
#include "lib/vector.h"
#include "priors/network/network.h"
#include "priors/network/unet.h"

/* Networks of other makes against what diffusers returns: tests/golden/make_unet_formats.py. */

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
    snprintf(folder, sizeof folder, "golden/unet_formats/%s", name);
    snprintf(path, sizeof path, "%s/golden.safetensors", folder);
    assert_ok(scry_safetensors_open(&file, path, &err));
    const scry_tensor_info *shape = scry_safetensors_find(file, "x");
    const scry_space space = SCRY_SPACE(shape->dims[1], shape->dims[2], shape->dims[3]);
    const size_t n = scry_space_count(&space);
    assert_ok(scry_unet_load(&P, folder, &space, NULL, &err));
    float *x = tensor_of(file, "x"), *v = tensor_of(file, "v"), *sigma = tensor_of(file, "sigma");
    float *x0 = tensor_of(file, "x0"), *vjp = tensor_of(file, "vjp");
    float *D = scry_alloc(n, sizeof *D), *g = scry_alloc(n, sizeof *g);
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    for (size_t b = 0; b < shape->dims[0]; b++) {
        assert_ok(scry_prior_denoise(P, D, x + b * n, sigma[b], work, &err));
        assert_below(relative(D, x0 + b * n, n), 1e-4);
        assert_ok(scry_prior_vjp(P, g, D, x + b * n, v + b * n, sigma[b], work, &err));
        assert_below(relative(g, vjp + b * n, n), 1e-4);
    }
    void *blocks[] = {x, v, sigma, x0, vjp, D, g, work};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        scry_free(blocks[i]);
    scry_prior_free(P);
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
        cmocka_unit_test(flow_matching),
        cmocka_unit_test(preconditioning_of_edm),
        cmocka_unit_test(levels_are_theirs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
