#include "tests/check.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/safetensors.h"
#include "lib/vector.h"
#include "priors/unet/unet.h"

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
static void compare_with_golden(const char *folder, const char *golden, double tol,
                                const scry_unet_opts *opts)
{
    scry_error err = {0};
    char path[4200];
    scry_safetensors *file;
    scry_network *net;
    scry_prior *P;
    snprintf(path, sizeof path, "%s/%s", folder, golden);
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
        print_message("%s: F off by %.2g, vjp by %.2g\n", folder, relative(F, eps + at, n),
                      relative(g, vjp + at, n));
    }
    void *blocks[] = {x, v, eps, vjp, t, F, g, work};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        scry_free(blocks[i]);
    scry_prior_free(P);
    scry_network_free(net);
    scry_safetensors_free(file);
}

static void shared_networks_match_their_goldens(void **state)
{
    (void)state;
    const char *const names[] = {"microscopy", "mri", "tiny"};
    for (size_t i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "priors/%s", names[i]);
        const char *folder = shared_path(name);
        if (!folder) skip();
        char copy[4096];
        snprintf(copy, sizeof copy, "%s", folder);
        for (int k = 0; k < 4; k++) {
            scry_unet_opts opts;
            scry_unet_opts_init(&opts);
            opts.winograd = k % 2;
            opts.threads = 1 + k / 2;
            compare_with_golden(copy, "golden.safetensors", 1e-4, &opts);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_networks_match_their_goldens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
