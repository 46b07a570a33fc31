#include "tests/check.h"

#include "lib/memory.h"
#include "priors/gaussian_gap.h"
#include "priors/info.h"
#include "priors/network/unet.h"
#include "priors/network/network.h"

#include <string.h>

static char folder[] = "/tmp/scry-info-XXXXXX";

static void put(const char *text)
{
    char path[64];
    snprintf(path, sizeof path, "%s/prior.json", folder);
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
}

static void shipped_priors_tell_their_story(void **state)
{
    (void)state;
    const char *const names[] = {"microscopy", "mri"};
    for (size_t i = 0; i < 2; i++) {
        scry_error err = {0};
        scry_prior_info *info;
        scry_network *net;
        char path[64];
        snprintf(path, sizeof path, "../priors/pretrained/%s", names[i]);
        assert_ok(scry_prior_info_read(&info, path, &err));
        assert_ok(scry_network_load(&net, path, &err));
        assert_string_equal(info->name, names[i]);
        assert_string_equal(info->weights_sha256, scry_network_sha256(net));
        assert_int_equal(info->channels, scry_network_channels(net));
        assert_int_equal(info->radial.count, 65);
        assert_true(info->radial.mean > -1 && info->radial.mean < 0);
        assert_true(info->licence[0] && info->training_data[0]);
        /* The mean of the spectrum over the grid it was measured on is the variance, up to what
         * rings and the window blur near the steep origin: a lost factor would show. */
        double sum = 0;
        for (int a = -64; a < 64; a++)
            for (int b = -64; b < 64; b++)
                sum += scry_radial_power(&info->radial, sqrt((double)(a * a + b * b)) / 128);
        assert_near(sum / (128 * 128) / info->variance, 1, .35);
        /* A network is worth its calls where there is little noise, and few where much. */
        const scry_gaussian_gap *d = &info->gap;
        assert_true(d->count == 12 && d->value[0] > .3 && d->value[11] < .1);
        const double at = scry_gaussian_gap_switch(d, .3);
        assert_true(at > 1 && at < 8);
        scry_network_free(net);
        scry_prior_info_free(info);
    }
}

static void a_folder_without_notes_has_defaults(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_prior_info *info;
    assert_ok(scry_prior_info_read(&info, "/nonexistent/some-net//", &err));
    assert_string_equal(info->name, "some-net");
    assert_true(info->high_percentile == 99.9 && info->gain_low == .5);
    assert_true(!info->radial.count && !info->gap.count);
    scry_prior_info_free(info);
}

static void malformed_notes_are_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_prior_info *info;
    const char *const bad[] = {
        "{",
        "{\"radial_power\": [1]}",
        "{\"radial_power\": [1, -1, 2]}",
        "{\"name\": 3}",
        "{\"intensity\": {\"low_percentile\": 60, \"high_percentile\": 40}}",
        "{\"intensity\": {\"gain_low\": 0}}",
        "{\"channels\": 0}",
        "{\"gaussian_gap\": 3}",
        "{\"gaussian_gap\": {\"sigma\": [1, 2]}}",
        "{\"gaussian_gap\": {\"sigma\": [1, 2], \"value\": \"small\"}}",
        "{\"gaussian_gap\": {\"sigma\": [1], \"value\": [0.5]}}",
        "{\"gaussian_gap\": {\"sigma\": [1, 2, 3], \"value\": [0.5, 0.1]}}",
        "{\"gaussian_gap\": {\"sigma\": [0, 2], \"value\": [0.5, 0.1]}}",
        "{\"gaussian_gap\": {\"sigma\": [2, 2], \"value\": [0.5, 0.1]}}",
        "{\"gaussian_gap\": {\"sigma\": [1, \"two\"], \"value\": [0.5, 0.1]}}",
        "{\"gaussian_gap\": {\"sigma\": [1, 2], \"value\": [1.5, 0.1]}}",
    };
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put(bad[i]);
        assert_fails(scry_prior_info_read(&info, folder, &err), SCRY_EFORMAT);
        assert_null(info);
    }
    const size_t live = scry_memory_live();
    put("{\"radial_power\": [3, 2], \"mean\": -0.5,"
        " \"gaussian_departure\": {\"sigma\": [1, 4], \"value\": [0.5, -0.1]}}");
    for (size_t nth = 1;; nth++) {
        scry_memory_fail_at(nth);
        if (scry_prior_info_read(&info, folder, &err) == SCRY_OK) break;
        assert_int_equal(err.code, SCRY_ENOMEM);
        assert_int_equal(scry_memory_live(), live);
        err = (scry_error){0};
    }
    scry_memory_fail_at(0);
    assert_true(info->radial.count == 2 && info->radial.mean == -.5 && info->radial.power[1] == 2);
    assert_true(info->gap.count == 2 && info->gap.sigma[1] == 4);
    assert_true(info->gap.value[0] == 0.5 && info->gap.value[1] == -0.1);
    scry_prior_info_free(info);
    char path[64];
    snprintf(path, sizeof path, "%s/prior.json", folder);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shipped_priors_tell_their_story),
        cmocka_unit_test(a_folder_without_notes_has_defaults),
        cmocka_unit_test(malformed_notes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
