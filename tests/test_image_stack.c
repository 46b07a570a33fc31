#include "tests/check.h"

#include "apps/recon/image/blank.h"
#include "apps/recon/image/stack.h"
#include "apps/recon/run.h"
#include "lib/lib.h"

#include <string.h>

static void info_of(scry_tiff_info *info)
{
    scry_tiff_info_init(info, SCRY_TIFF_PLAIN, SCRY_TIFF_U16,
                        &(scry_tiff_axes){.c = 2, .z = 3, .t = 4, .y = 5, .x = 7});
}

static void planes_are_numbered_as_they_are_written(void **state)
{
    (void)state;
    scry_tiff_info info;
    char place[96];
    info_of(&info);
    const scry_image_stack planes = {.name = "a.tif", .info = &info, .rank = 2, .seed = 9},
                           volumes = {.name = "a.tif", .info = &info, .rank = 3, .seed = 9};
    assert_int_equal(scry_image_stack_count(&planes), 2 * info.z * info.t);
    assert_int_equal(scry_image_stack_count(&volumes), 2 * info.t);
    const size_t number = (2 * info.z + 1) * info.c + 1; /* frame 2, slice 1, channel 1 */
    const scry_stack_image at = scry_image_stack_at(&planes, number);
    assert_int_equal(at.c, 1);
    assert_int_equal(at.z, 1);
    assert_int_equal(at.t, 2);
    assert_int_equal(at.planes, 1);
    assert_int_equal(scry_space_count(&at.image.space), 35);
    assert_true(at.seed == scry_recon_seed(9, number));
    assert_near(at.image.saturation, 65535, 0);
    assert_string_equal(scry_image_stack_place(&planes, &at, place, sizeof place),
                        "channel 1, slice 1, frame 2");
    const scry_stack_image volume = scry_image_stack_at(&volumes, 3);
    assert_int_equal(volume.z, 0);
    assert_int_equal(volume.t, 1);
    assert_int_equal(volume.planes, info.z);
    assert_int_equal(volume.image.space.rank, 3);
    assert_string_equal(scry_image_stack_place(&volumes, &volume, place, sizeof place),
                        "channel 1, frame 1");
}

/* Red, green and blue are one image, and the channel after them (transparency) is one by itself. */
static void colours_are_one_image(void **state)
{
    (void)state;
    scry_tiff_info info;
    scry_tiff_info_init(&info, SCRY_TIFF_PLAIN, SCRY_TIFF_U8,
                        &(scry_tiff_axes){.c = 4, .z = 3, .t = 2, .y = 5, .x = 7});
    const scry_image_stack s = {.name = "a.tif", .info = &info, .rank = 2, .colour = true};
    assert_int_equal(scry_image_stack_count(&s), 2 * 3 * 2);
    const scry_stack_image colours = scry_image_stack_at(&s, 4), rest = scry_image_stack_at(&s, 5);
    assert_true(colours.image.colour && !rest.image.colour);
    assert_int_equal(colours.planes, 3);
    assert_int_equal(scry_space_count(&colours.image.space), 3 * 35);
    assert_int_equal(colours.z, 2);
    assert_int_equal(scry_stack_channel(&colours, 2), 2);
    assert_int_equal(scry_stack_slice(&colours, 2), 2);
    assert_int_equal(rest.c, 3);
    assert_int_equal(rest.planes, 1);
    assert_int_equal(scry_stack_channel(&rest, 0), 3);
    assert_int_equal(rest.image.space.rank, 2);
}

static void saturation_follows_the_bits_that_count(void **state)
{
    (void)state;
    scry_tiff_info info;
    scry_image image = {0};
    info_of(&info);
    info.bits = 16;
    info.significant_bits = 12;
    scry_image_describe(&image, &info, 0);
    assert_near(image.saturation, 4095, 0);
    info.type = SCRY_TIFF_F32;
    scry_image_describe(&image, &info, 0);
    assert_near(image.saturation, 0, 0);
}

static void a_mask_serves_all_slices_or_each_its_own(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_tiff_info info, one;
    unsigned char known[35];
    float mask[4 * 35] = {0};
    info_of(&info);
    const scry_image_stack planes = {.name = "a.tif", .info = &info, .rank = 2};
    const scry_stack_image at = scry_image_stack_at(&planes, info.c); /* slice 1 */
    assert_int_equal(at.z, 1);
    scry_tiff_info_init(&one, SCRY_TIFF_PLAIN, SCRY_TIFF_U8,
                        &(scry_tiff_axes){.z = info.z, .y = 5, .x = 7});
    mask[35 + 4] = 2;
    assert_ok(scry_image_stack_mask(known, &planes, &at, "m.tif", &one, mask, &err));
    for (size_t i = 0; i < 35; i++)
        assert_int_equal(known[i], i == 4);
    one.z = 1;
    assert_fails(scry_image_stack_mask(known, &planes, &at, "m.tif", &one, mask, &err),
                 SCRY_EINVAL); /* its only plane is 0 */
    mask[3] = 1;
    assert_ok(scry_image_stack_mask(known, &planes, &at, "m.tif", &one, mask, &err));
    assert_int_equal(known[3], 1);
    one.x = 6;
    assert_fails(scry_image_stack_mask(known, &planes, &at, "m.tif", &one, mask, &err),
                 SCRY_ESHAPE);
    one.x = 7;
    one.c = 2;
    assert_fails(scry_image_stack_mask(known, &planes, &at, "m.tif", &one, mask, &err),
                 SCRY_ESHAPE);
}

static void what_restores_nothing_is_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_image_survey s = {0};
    const float same[] = {2.5f, NAN, 2.5f}, none[] = {NAN, INFINITY}, some[] = {1, 2, 1};
    assert_true(scry_image_survey_add(&s, none, 2));
    assert_fails(scry_image_survey_check(&s, "a.tif", false, &err), SCRY_EINVAL);
    assert_true(scry_image_survey_add(&s, same, 3));
    assert_int_equal(s.last_missing, 1);
    assert_near(s.value, 2.5, 0);
    scry_image_survey_check(&s, "a.tif", false, &err);
    assert_non_null(strstr(err.text, "each plane is constant (2.5)"));
    err = (scry_error){0};
    assert_false(scry_image_survey_add(&s, some, 3));
    assert_ok(scry_image_survey_check(&s, "a.tif", true, &err)); /* it has something to fill */
    s = (scry_image_survey){0};
    scry_image_survey_add(&s, some, 3);
    assert_ok(scry_image_survey_check(&s, "a.tif", false, &err));
    assert_fails(scry_image_survey_check(&s, "a.tif", true, &err), SCRY_EINVAL);
}

static void an_image_without_content_is_its_own_result(void **state)
{
    (void)state;
    scry_error err = {0};
    const float pixels[] = {3, 3, NAN, 3};
    const scry_image image = {.space = SCRY_SPACE(2, 2), .pixels = pixels};
    scry_output_maps maps = {0};
    scry_restore_result r = {0};
    assert_ok(scry_output_maps_add(&maps, SCRY_OUTPUT_SD, 0, &err));
    assert_ok(scry_output_maps_add(&maps, SCRY_OUTPUT_QUANTILE, 0.9, &err));
    assert_ok(scry_output_maps_add(&maps, SCRY_OUTPUT_ABOVE, 2.5, &err));
    assert_ok(scry_output_maps_add(&maps, SCRY_OUTPUT_RHAT, 0, &err));
    assert_true(scry_image_is_constant(pixels, 4));
    assert_ok(scry_restore_unchanged(&r, &image, &maps, &err));
    assert_memory_equal(r.mean, pixels, sizeof pixels);
    assert_near(r.maps[0], 0, 0);
    assert_near(r.maps[4], 3, 0);
    assert_near(r.maps[8], 1, 0);
    assert_true(isnan(r.maps[12]) && isnan(r.diagnosis.chi2) && isnan(r.diagnosis.worst_rhat));
    r.mean[2] = 4;
    scry_restore_keep_missing(&r, &image, maps.count, false);
    assert_near(r.mean[2], 4, 0);
    assert_true(isnan(r.maps[2]) && isnan(r.maps[6]) && isnan(r.maps[10]));
    scry_restore_keep_missing(&r, &image, maps.count, true);
    assert_true(isnan(r.mean[2]));
    assert_near(r.mean[1], 3, 0);
    scry_restore_result_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planes_are_numbered_as_they_are_written),
        cmocka_unit_test(colours_are_one_image),
        cmocka_unit_test(saturation_follows_the_bits_that_count),
        cmocka_unit_test(a_mask_serves_all_slices_or_each_its_own),
        cmocka_unit_test(what_restores_nothing_is_refused),
        cmocka_unit_test(an_image_without_content_is_its_own_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
