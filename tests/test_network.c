#include "tests/check.h"

#include "lib/io/json.h"
#include "lib/memory.h"
#include "priors/network/unet.h"
#include "priors/network/network.h"

#include <string.h>
#include <sys/stat.h>

/* Messages of loading about folders with errors. Each case copies a good folder
 * with one thing changed. */

#define GOOD "golden/unet/attention"

static char folder[] = "/tmp/scry-network-XXXXXX";
static const char *const files[] = {"config.json", "scheduler_config.json",
                                    "diffusion_pytorch_model.safetensors"};

static unsigned char *read_whole(const char *file, size_t *size)
{
    char path[128];
    struct stat info;
    snprintf(path, sizeof path, GOOD "/%s", file);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fstat(fileno(f), &info), 0);
    *size = (size_t)info.st_size;
    unsigned char *bytes = malloc(*size + 1);
    assert_int_equal(fread(bytes, 1, *size, f), *size);
    bytes[*size] = 0;
    fclose(f);
    return bytes;
}

static void put(const char *file, const void *bytes, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    fclose(f);
}

static void restore(void)
{
    for (size_t i = 0; i < 3; i++) {
        size_t size;
        unsigned char *bytes = read_whole(files[i], &size);
        put(files[i], bytes, size);
        free(bytes);
    }
}

static void expect(scry_status code, const char *words)
{
    scry_error err = {0};
    scry_network *net;
    const size_t live = scry_memory_live();
    const scry_status st = scry_network_load(&net, folder, &err);
    if (st != code || !strstr(err.text, words)) {
        print_error("%s: \"%s\", expected %s and \"%s\"\n", scry_status_name(st), err.text,
                    scry_status_name(code), words);
        fail();
    }
    assert_null(net);
    assert_int_equal(scry_memory_live(), live);
}

/* `from` replaced once by `to` of the same length; in a JSON file any length. */
static void change(const char *file, const char *from, const char *to, scry_status code,
                   const char *words)
{
    size_t size;
    unsigned char *bytes = read_whole(file, &size), *at = NULL;
    const size_t n = strlen(from), m = strlen(to);
    for (size_t i = 0; i + n <= size && !at; i++)
        if (!memcmp(bytes + i, from, n)) at = bytes + i;
    assert_non_null(at);
    unsigned char *out = malloc(size + m);
    const size_t before = (size_t)(at - bytes);
    memcpy(out, bytes, before);
    memcpy(out + before, to, m);
    memcpy(out + before + m, at + n, size - before - n);
    put(file, out, size - n + m);
    free(bytes);
    free(out);
    expect(code, words);
    restore();
}

#define CONFIG "config.json"
#define SCHEDULE "scheduler_config.json"
#define WEIGHTS "diffusion_pytorch_model.safetensors"

static void tensors_are_named(void **state)
{
    (void)state;
    change(WEIGHTS, "mid_block.resnets.1.conv2.bias", "mid_block.resnets.1.conv9.bias",
           SCRY_EFORMAT, "tensor mid_block.resnets.1.conv2.bias is missing");
    change(WEIGHTS, "\"conv_out.bias\":{\"dtype\":\"F32\",\"shape\":[1]",
           "\"conv_out.bias\":{\"dtype\":\"I32\",\"shape\":[1]", SCRY_EUNSUP,
           "conv_out.bias does not hold floating-point numbers");
    change(WEIGHTS, "[6,1,3,3]", "[3,2,3,3]", SCRY_EFORMAT,
           "tensor conv_in.weight is 3 x 2 x 3 x 3, config.json asks for 6 x 1 x 3 x 3");
    change(CONFIG, "\"add_attention\": true", "\"add_attention\": false", SCRY_EFORMAT,
           "tensor mid_block.attentions.0.");
    change(CONFIG, "\"in_channels\": 1", "\"in_channels\": 3", SCRY_EUNSUP,
           "out_channels 1 for in_channels 3");
}

static void cut_weights_are_refused(void **state)
{
    (void)state;
    size_t size;
    unsigned char *bytes = read_whole(WEIGHTS, &size);
    const size_t cuts[] = {0, 7, 8, 100, size / 2, size - 1};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        put(WEIGHTS, bytes, cuts[i]);
        expect(SCRY_EFORMAT, "truncated");
    }
    free(bytes);
    restore();
}

static void settings_are_named(void **state)
{
    (void)state;
    const struct {
        const char *file, *from, *to;
        scry_status code;
        const char *expected;
    } cases[] = {
        {CONFIG, "\"UNet2DModel\"", "\"UNet2DConditionModel\"", SCRY_EUNSUP,
         "_class_name \"UNet2DConditionModel\" is not supported, expected UNet2DModel"},
        {CONFIG, "\"silu\"", "\"gelu\"", SCRY_EUNSUP, "act_fn \"gelu\" is not supported"},
        {CONFIG, "\"positional\"", "\"fourier\"", SCRY_EUNSUP, "time_embedding_type \"fourier\""},
        {CONFIG, "\"resnet_time_scale_shift\": \"default\"",
         "\"resnet_time_scale_shift\": \"ada_group\"", SCRY_EUNSUP,
         "resnet_time_scale_shift \"ada_group\" is not supported"},
        {CONFIG, "\"AttnDownBlock2D\"", "\"SkipDownBlock2D\"", SCRY_EUNSUP,
         "down_block_types \"SkipDownBlock2D\" is not supported"},
        {CONFIG, "\"class_embed_type\": null", "\"class_embed_type\": \"timestep\"", SCRY_EUNSUP,
         "class_embed_type is set"},
        {CONFIG, "\"mid_block_scale_factor\": 1", "\"mid_block_scale_factor\": 1.5", SCRY_EUNSUP,
         "mid_block_scale_factor 1.5 is not supported"},
        {CONFIG, "\"norm_num_groups\": 2", "\"norm_num_groups\": 4", SCRY_EFORMAT,
         "norm_num_groups 4 does not divide block_out_channels[0] = 6"},
        {CONFIG, "\"attention_head_dim\": 2", "\"attention_head_dim\": 4", SCRY_EFORMAT,
         "attention_head_dim 4 does not divide block_out_channels[1] = 10"},
        {CONFIG, "\"layers_per_block\": 1", "\"layers_per_block\": \"one\"", SCRY_EFORMAT,
         "layers_per_block is a string, expected a whole number"},
        {CONFIG, "\"norm_eps\": 1e-05", "\"norm_eps\": 0", SCRY_EFORMAT, "norm_eps 0"},
        {CONFIG, "\"freq_shift\": 0", "\"freq_shift\": 3", SCRY_EFORMAT, "freq_shift 3"},
        {CONFIG, "\"block_out_channels\"", "\"widths\"", SCRY_EFORMAT,
         "block_out_channels is missing"},
        {CONFIG, "\"DownBlock2D\",", "", SCRY_EFORMAT, "down_block_types has 1 entries"},
        {CONFIG, "{", "{{", SCRY_EFORMAT, "not valid JSON near line 1"},
        {SCHEDULE, "\"epsilon\"", "\"flow\"", SCRY_EUNSUP, "prediction_type \"flow\""},
        {SCHEDULE, "\"linear\"", "\"sigmoid\"", SCRY_EUNSUP, "beta_schedule \"sigmoid\""},
        {SCHEDULE, "\"rescale_betas_zero_snr\": false", "\"rescale_betas_zero_snr\": true",
         SCRY_EUNSUP, "rescale_betas_zero_snr is not supported"},
        {SCHEDULE, "\"beta_start\": 0.0001", "\"beta_start\": -1", SCRY_EINVAL, "beta from -1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        change(cases[i].file, cases[i].from, cases[i].to, cases[i].code, cases[i].expected);
}

static void absent_files_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        assert_int_equal(unlink(path), 0);
        expect(SCRY_EIO, files[i]);
        restore();
    }
}

static void trained_betas_are_taken(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_network *net;
    put(SCHEDULE, "{\"trained_betas\": [0.1, 0.2, 0.3]}", 34);
    assert_ok(scry_network_load(&net, folder, &err));
    assert_int_equal(scry_schedule_steps(scry_network_schedule(net)), 3);
    assert_near(scry_schedule_alpha_bar(scry_network_schedule(net), 2), .9 * .8 * .7, 1e-15);
    assert_string_equal(scry_network_prediction(net), "epsilon");
    assert_int_equal(scry_network_multiple(net), 2);
    scry_network_free(net);
    restore();
}

static void inputs_are_read(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_network *net;
    double low[2], high[2];
    const struct {
        const char *notes, *expected;
    } bad[] = {
        {"{\"input\": 3}", "input is a number"},
        {"{\"input\": {\"unshuffle\": 0}}", "unshuffle"},
        {"{\"input\": {\"unshuffle\": 2}}", "in_channels 1 is no multiple"},
        {"{\"input\": {\"std\": 0}}", "std 0, expected std > 0"},
        {"{\"input\": {\"mean\": \"low\"}}", "mean is a string"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put("prior.json", bad[i].notes, strlen(bad[i].notes));
        expect(SCRY_EFORMAT, bad[i].expected);
    }
    const char *const good[] = {"{}", "{\"input\": {\"mean\": -0.5, \"std\": 0.25}}"};
    for (size_t i = 0; i < 2; i++) {
        put("prior.json", good[i], strlen(good[i]));
        assert_ok(scry_network_load(&net, folder, &err));
        scry_network_sigma_range(net, &low[i], &high[i]);
        scry_network_free(net);
    }
    assert_near(low[1], low[0] / 4, 1e-12);
    assert_near(high[1], high[0] / 4, 1e-9);
    char path[128];
    snprintf(path, sizeof path, "%s/prior.json", folder);
    unlink(path);
    assert_ok(scry_network_load(&net, "golden/unet/standardised", &err));
    assert_int_equal(scry_network_channels(net), 2);
    assert_int_equal(scry_network_multiple(net), 6);
    scry_network_free(net);
}

static int create_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return 1;
    restore();
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        unlink(path);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_named),       cmocka_unit_test(cut_weights_are_refused),
        cmocka_unit_test(settings_are_named),      cmocka_unit_test(absent_files_are_named),
        cmocka_unit_test(trained_betas_are_taken), cmocka_unit_test(inputs_are_read),
    };
    return cmocka_run_group_tests(tests, create_folder, remove_folder);
}
