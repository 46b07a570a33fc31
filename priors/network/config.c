#include "priors/network/network_impl.h"

#include "lib/io/json.h"
#include "lib/memory.h"

#include <stdio.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

/* Settings of config.json. Settings that would change the result and that the engine does not
 * have are refused by name; keys that do not touch inference (dropout, sample_size) are ignored.
 * Defaults are those of diffusers' UNet2DModel and DDPMScheduler. Settings that these two files
 * have no word for stands in prior.json, of which the rest is read in priors/info.c. */

#define CONFIG_LIMIT ((size_t)1 << 20)

typedef struct scryi_reader {
    const scry_json *doc;
    const scry_json_node *root;
    scry_error *err;
    char file[4096];
} scryi_reader;

/* `key`, if there, must be one of the given words ("a|b"); *index is which. */
static scry_status config_word(const scryi_reader *r, const char *key, const char *allowed,
                               int *index)
{
    const char *value = NULL;
    const scry_status st =
        scry_json_string(r->doc, r->root, key, SCRY_JSON_OPTIONAL, &value, r->err);
    if (st != SCRY_OK || !value) return st;
    int i = 0;
    for (const char *at = allowed;; i++) {
        const size_t n = strcspn(at, "|");
        if (strlen(value) == n && !strncmp(at, value, n)) break;
        if (!at[n])
            return SCRY_FAIL(r->err, SCRY_EUNSUP, "%s: %s \"%.60s\" is not supported, expected %s",
                             r->file, key, value, allowed);
        at += n + 1;
    }
    if (index) *index = i;
    return SCRY_OK;
}

static scry_status config_absent(const scryi_reader *r, const char *key)
{
    if (!scry_json_has(r->root, key)) return SCRY_OK;
    return SCRY_FAIL(r->err, SCRY_EUNSUP, "%s: %s is set, which is not supported", r->file, key);
}

static scry_status number_is(const scryi_reader *r, const char *key, double expected)
{
    double value = expected;
    const scry_status st =
        scry_json_number(r->doc, r->root, key, SCRY_JSON_OPTIONAL, &value, r->err);
    if (st != SCRY_OK || value == expected) return st;
    return SCRY_FAIL(r->err, SCRY_EUNSUP, "%s: %s %g is not supported, expected %g", r->file, key,
                     value, expected);
}

static scry_status read_widths(const scryi_reader *r, scryi_config *c)
{
    const scry_json_node *list;
    scry_status st =
        scry_json_array(r->doc, r->root, "block_out_channels", SCRY_JSON_REQUIRED, &list, r->err);
    if (st != SCRY_OK) return st;
    c->levels = scry_json_count(list);
    if (c->levels < 1 || c->levels > SCRYI_LEVELS)
        return SCRY_FAIL(r->err, SCRY_EUNSUP,
                         "%s: block_out_channels has %zu levels, expected 1 to %d", r->file,
                         c->levels, SCRYI_LEVELS);
    size_t i = 0;
    for (const scry_json_node *n = scry_json_first(list); n; n = scry_json_next(n), i++) {
        int64_t width;
        if ((st = scry_json_to_integer(r->doc, n, 1, 8192, &width, r->err)) != SCRY_OK) return st;
        c->width[i] = (size_t)width;
    }
    return SCRY_OK;
}

/* "Down" or "Up": a list of <prefix>Block2D, Attn<prefix>Block2D and Resnet<prefix>sampleBlock2D.
 */
static scry_status read_blocks(const scryi_reader *r, const char *key, const char *prefix,
                               size_t levels, bool *attends, bool *by_resnet)
{
    char plain[32], attention[32], resnet[32], type[32];
    const char *name;
    int resnets = 0;
    const scry_json_node *list;
    scry_status st = scry_json_array(r->doc, r->root, key, SCRY_JSON_REQUIRED, &list, r->err);
    snprintf(type, sizeof type, "%s", prefix[0] == 'D' ? "downsample_type" : "upsample_type");
    if (st == SCRY_OK) st = config_word(r, type, "conv|resnet", &resnets);
    if (st != SCRY_OK) return st;
    if (scry_json_count(list) != levels)
        return SCRY_FAIL(r->err, SCRY_EFORMAT, "%s: %s has %zu entries, block_out_channels has %zu",
                         r->file, key, scry_json_count(list), levels);
    snprintf(plain, sizeof plain, "%sBlock2D", prefix);
    snprintf(attention, sizeof attention, "Attn%sBlock2D", prefix);
    snprintf(resnet, sizeof resnet, "Resnet%ssampleBlock2D", prefix);
    for (const scry_json_node *n = scry_json_first(list); n;
         n = scry_json_next(n), attends++, by_resnet++) {
        if ((st = scry_json_to_string(r->doc, n, &name, r->err)) != SCRY_OK) return st;
        *attends = !strcmp(name, attention);
        *by_resnet = *attends ? resnets == 1 : !strcmp(name, resnet);
        if (!*attends && !*by_resnet && strcmp(name, plain))
            return SCRY_FAIL(r->err, SCRY_EUNSUP,
                             "%s: %s \"%.60s\" is not supported, expected %s, %s or %s", r->file,
                             key, name, plain, attention, resnet);
    }
    return SCRY_OK;
}

/* Settings with one supported value. */
static scry_status read_fixed(const scryi_reader *r)
{
    static const char *const unset[] = {"class_embed_type", "time_embedding_dim",
                                        "encoder_hid_dim"};
    static const char *const words[][2] = {
        {"_class_name", "UNet2DModel"},
        {"act_fn", "silu|swish"},
        {"time_embedding_type", "positional"},
        {"mid_block_type", "UNetMidBlock2D"},
    };
    scry_status st;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if ((st = config_word(r, words[i][0], words[i][1], NULL)) != SCRY_OK) return st;
    for (size_t i = 0; i < sizeof unset / sizeof *unset; i++)
        if ((st = config_absent(r, unset[i])) != SCRY_OK) return st;
    return number_is(r, "mid_block_scale_factor", 1);
}

/* Groups must divide the channels that they normalise; skip connections make up to three widths
 * meet. */
static scry_status check_groups(const scryi_reader *r, const scryi_config *c)
{
    for (size_t i = 0; i < c->levels; i++) {
        const bool attends = c->down_attends[i] || c->up_attends[c->levels - 1 - i] ||
                             (i == c->levels - 1 && c->has_mid && c->mid_attends);
        if (c->width[i] % c->groups)
            return SCRY_FAIL(
                r->err, SCRY_EFORMAT,
                "%s: norm_num_groups %zu does not divide block_out_channels[%zu] = %zu", r->file,
                c->groups, i, c->width[i]);
        if (i == c->levels - 1 && c->mid_attends && c->width[i] % c->attention_groups)
            return SCRY_FAIL(
                r->err, SCRY_EFORMAT,
                "%s: attn_norm_num_groups %zu does not divide block_out_channels[%zu] = %zu",
                r->file, c->attention_groups, i, c->width[i]);
        if (attends && c->head_dim && c->width[i] % c->head_dim)
            return SCRY_FAIL(
                r->err, SCRY_EFORMAT,
                "%s: attention_head_dim %zu does not divide block_out_channels[%zu] = %zu", r->file,
                c->head_dim, i, c->width[i]);
    }
    return SCRY_OK;
}

/* Written in the file as null, which for some keys is not the same as left out. */
static bool is_null(const scryi_reader *r, const char *key)
{
    for (const scry_json_node *n = scry_json_first(r->root); n; n = scry_json_next(n))
        if (scry_json_key(n) && !strcmp(scry_json_key(n), key)) return !scry_json_has(r->root, key);
    return false;
}

static scry_status read_sizes(const scryi_reader *r, scryi_config *c)
{
    int scale_shift = 0;
    const struct {
        const char *key;
        int64_t low, high;
        size_t *value;
    } sizes[] = {
        {"in_channels", 1, 64, &c->channels},
        {"out_channels", 1, 128, &c->outputs},
        {"layers_per_block", 1, SCRYI_LAYERS - 1, &c->layers},
        {"downsample_padding", 0, 1, &c->downsample_padding},
        {"norm_num_groups", 1, 8192, &c->groups},
        {"attention_head_dim", 1, 8192, &c->head_dim},
        {"attn_norm_num_groups", 1, 8192, &c->attention_groups},
        {"num_class_embeds", 1, 1000000, &c->classes},
    };
    scry_status st = config_word(r, "resnet_time_scale_shift", "default|scale_shift", &scale_shift);
    if (st != SCRY_OK) return st;
    if (is_null(r, "attention_head_dim")) c->head_dim = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int64_t value = (int64_t)*sizes[i].value;
        st = scry_json_integer(r->doc, r->root, sizes[i].key, SCRY_JSON_OPTIONAL, sizes[i].low,
                               sizes[i].high, &value, r->err);
        if (st != SCRY_OK) return st;
        *sizes[i].value = (size_t)value;
    }
    /* diffusers leaves the normalisation before the attention in the middle out in this case */
    c->scale_shift = scale_shift;
    c->mid_attention_norm = !scale_shift || c->attention_groups;
    if (!c->attention_groups) c->attention_groups = c->groups;
    if (c->outputs == c->channels || c->outputs == 2 * c->channels) return SCRY_OK;
    return SCRY_FAIL(r->err, SCRY_EUNSUP,
                     "%s: out_channels %zu for in_channels %zu, expected as many, or twice as many "
                     "with a learned variance",
                     r->file, c->outputs, c->channels);
}

static scry_status read_flags(const scryi_reader *r, scryi_config *c)
{
    const struct {
        const char *key;
        bool *value;
    } flags[] = {
        {"flip_sin_to_cos", &c->flip_sin_to_cos},
        {"center_input_sample", &c->center_input},
        {"add_attention", &c->mid_attends},
    };
    scry_status st;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if ((st = scry_json_bool(r->doc, r->root, flags[i].key, SCRY_JSON_OPTIONAL, flags[i].value,
                                 r->err)) != SCRY_OK)
            return st;
    c->has_mid = !is_null(r, "mid_block_type");
    if ((st = scry_json_number(r->doc, r->root, "norm_eps", SCRY_JSON_OPTIONAL, &c->eps, r->err)) !=
        SCRY_OK)
        return st;
    if (!(c->eps > 0))
        return SCRY_FAIL(r->err, SCRY_EFORMAT, "%s: norm_eps %g, expected > 0", r->file, c->eps);
    if ((st = scry_json_number(r->doc, r->root, "freq_shift", SCRY_JSON_OPTIONAL, &c->freq_shift,
                               r->err)) != SCRY_OK)
        return st;
    if (c->width[0] >= 2 && c->freq_shift < (double)(c->width[0] / 2)) return SCRY_OK;
    return SCRY_FAIL(r->err, SCRY_EFORMAT,
                     "%s: freq_shift %g, expected below half of block_out_channels[0] = %zu",
                     r->file, c->freq_shift, c->width[0]);
}

static scry_status read_model(const scryi_reader *r, scryi_config *c)
{
    scry_status st;
    *c = (scryi_config){.channels = 3,
                        .outputs = 3,
                        .unlabelled = -1,
                        .layers = 2,
                        .groups = 32,
                        .head_dim = 8,
                        .eps = 1e-5,
                        .mid_attends = true,
                        .flip_sin_to_cos = true,
                        .downsample_padding = 1};
    if ((st = read_fixed(r)) != SCRY_OK) return st;
    if ((st = read_widths(r, c)) != SCRY_OK) return st;
    if ((st = read_blocks(r, "down_block_types", "Down", c->levels, c->down_attends,
                          c->down_by_resnet)) != SCRY_OK)
        return st;
    if ((st = read_blocks(r, "up_block_types", "Up", c->levels, c->up_attends, c->up_by_resnet)) !=
        SCRY_OK)
        return st;
    if ((st = read_sizes(r, c)) != SCRY_OK) return st;
    if ((st = read_flags(r, c)) != SCRY_OK) return st;
    return check_groups(r, c);
}

static scry_status trained_betas(const scryi_reader *r, const scry_json_node *list,
                                 scry_schedule **out)
{
    scry_status st = SCRY_OK;
    const size_t count = scry_json_count(list);
    double *betas = scry_alloc(count, sizeof *betas), *to = betas;
    if (!betas) return SCRY_FAIL(r->err, SCRY_ENOMEM, "%s: %zu betas", r->file, count);
    for (const scry_json_node *n = scry_json_first(list); n && st == SCRY_OK; n = scry_json_next(n))
        st = scry_json_to_number(r->doc, n, to++, r->err);
    if (st == SCRY_OK) st = scry_schedule_create_betas(out, betas, count, r->err);
    scry_free(betas);
    return st;
}

/* Schedulers whose networks have other scales and times than those of betas, by how their class
 * begins. */
static bool scheduler_is(const scryi_reader *r, const char *start)
{
    const char *name = "";
    scry_error ignored = {0};
    scry_json_string(r->doc, r->root, "_class_name", SCRY_JSON_OPTIONAL, &name, &ignored);
    return !strncmp(name, start, strlen(start));
}

static scry_status read_flow(const scryi_reader *r, scryi_config *c, scry_schedule **out)
{
    int64_t steps = 1000;
    const scry_status st = scry_json_integer(r->doc, r->root, "num_train_timesteps",
                                             SCRY_JSON_OPTIONAL, 3, 1000000, &steps, r->err);
    c->prediction = SCRYI_FLOW;
    return st == SCRY_OK ? scryi_flow_schedule(out, (size_t)steps, r->err) : st;
}

static scry_status read_edm(const scryi_reader *r, scryi_config *c, scry_schedule **out)
{
    int prediction = SCRYI_EPSILON;
    double low = .002, high = 80;
    scry_status st;
    c->sigma_data = .5;
    const struct {
        const char *key;
        double *value;
    } numbers[] = {{"sigma_min", &low}, {"sigma_max", &high}, {"sigma_data", &c->sigma_data}};
    if ((st = config_word(r, "prediction_type", "epsilon|v_prediction", &prediction)) != SCRY_OK)
        return st;
    c->prediction = (scryi_prediction)prediction;
    for (size_t i = 0; i < 3; i++)
        if ((st = scry_json_number(r->doc, r->root, numbers[i].key, SCRY_JSON_OPTIONAL,
                                   numbers[i].value, r->err)) != SCRY_OK)
            return st;
    if (!(c->sigma_data > 0 && c->sigma_data < 1e6))
        return SCRY_FAIL(r->err, SCRY_EFORMAT, "%s: sigma_data %g, expected > 0", r->file,
                         c->sigma_data);
    return scryi_edm_schedule(out, low, high, r->err);
}

static scry_status read_schedule(const scryi_reader *r, scryi_config *c, scry_schedule **out)
{
    if (scheduler_is(r, "FlowMatch")) return read_flow(r, c, out);
    if (scheduler_is(r, "EDM")) return read_edm(r, c, out);
    int beta = SCRY_BETA_LINEAR, prediction = SCRYI_EPSILON;
    int64_t steps = 1000;
    double start = 1e-4, end = .02;
    bool zero_snr = false;
    const scry_json_node *betas = NULL;
    scry_status st;
    /* In the order of the two enumerations. */
    if ((st = config_word(r, "beta_schedule", "linear|scaled_linear|squaredcos_cap_v2", &beta)) !=
        SCRY_OK)
        return st;
    if ((st = config_word(r, "prediction_type", "epsilon|v_prediction|sample", &prediction)) !=
        SCRY_OK)
        return st;
    if ((st = scry_json_bool(r->doc, r->root, "rescale_betas_zero_snr", SCRY_JSON_OPTIONAL,
                             &zero_snr, r->err)) != SCRY_OK)
        return st;
    if (zero_snr)
        return SCRY_FAIL(r->err, SCRY_EUNSUP,
                         "%s: rescale_betas_zero_snr is not supported: it has no largest sigma",
                         r->file);
    c->prediction = (scryi_prediction)prediction;
    if ((st = scry_json_array(r->doc, r->root, "trained_betas", SCRY_JSON_OPTIONAL, &betas,
                              r->err)) != SCRY_OK)
        return st;
    if (betas) return trained_betas(r, betas, out);
    if ((st = scry_json_integer(r->doc, r->root, "num_train_timesteps", SCRY_JSON_OPTIONAL, 2,
                                1000000, &steps, r->err)) != SCRY_OK ||
        (st = scry_json_number(r->doc, r->root, "beta_start", SCRY_JSON_OPTIONAL, &start,
                               r->err)) != SCRY_OK ||
        (st = scry_json_number(r->doc, r->root, "beta_end", SCRY_JSON_OPTIONAL, &end, r->err)) !=
            SCRY_OK)
        return st;
    return scry_schedule_create(out, (scry_beta)beta, (size_t)steps, start, end, r->err);
}

static scry_status config_open_file(scryi_reader *r, scry_json **doc, const char *folder,
                                    const char *file, scry_error *err)
{
    const int n = snprintf(r->file, sizeof r->file, "%s/%s", folder, file);
    if (n < 0 || (size_t)n >= sizeof r->file)
        return SCRY_FAIL(err, SCRY_EINVAL, "the path of the prior is longer than %zu characters",
                         sizeof r->file);
    const scry_status st = scry_json_read(doc, r->file, CONFIG_LIMIT, err);
    if (st != SCRY_OK) return st;
    r->doc = *doc;
    r->root = scry_json_root(*doc);
    r->err = err;
    return SCRY_OK;
}

static scry_status read_input(const scryi_reader *r, scryi_config *c)
{
    const scry_json_node *input = NULL;
    int64_t unshuffle = 1, unlabelled = -1;
    scry_status st = scry_json_object(r->doc, r->root, "input", SCRY_JSON_OPTIONAL, &input, r->err);
    if (st != SCRY_OK || !input) return st;
    if ((st = scry_json_integer(r->doc, input, "unshuffle", SCRY_JSON_OPTIONAL, 1, 8, &unshuffle,
                                r->err)) != SCRY_OK ||
        (st = scry_json_number(r->doc, input, "mean", SCRY_JSON_OPTIONAL, &c->mean, r->err)) !=
            SCRY_OK ||
        (st = scry_json_number(r->doc, input, "std", SCRY_JSON_OPTIONAL, &c->std, r->err)) !=
            SCRY_OK)
        return st;
    if ((st = scry_json_integer(r->doc, input, "unlabelled", SCRY_JSON_OPTIONAL, 0,
                                (int64_t)c->classes - 1, &unlabelled, r->err)) != SCRY_OK)
        return st;
    c->unlabelled = (int)unlabelled;
    c->unshuffle = (size_t)unshuffle;
    if (!(c->std > 0 && c->std < HUGE_VAL && fabs(c->mean) < HUGE_VAL))
        return SCRY_FAIL(r->err, SCRY_EFORMAT, "%s: input has mean %g and std %g, expected std > 0",
                         r->file, c->mean, c->std);
    if (c->channels % (c->unshuffle * c->unshuffle))
        return SCRY_FAIL(r->err, SCRY_EFORMAT,
                         "%s: unshuffle %zu, but in_channels %zu is no multiple of its square",
                         r->file, c->unshuffle, c->channels);
    return SCRY_OK;
}

static scry_status read_notes(scryi_config *c, const char *folder, scry_error *err)
{
    scryi_reader r;
    scry_json *doc = NULL;
    c->unshuffle = 1;
    c->std = 1;
    snprintf(r.file, sizeof r.file, "%s/prior.json", folder);
    if (access(r.file, F_OK)) return SCRY_OK;
    scry_status st = config_open_file(&r, &doc, folder, "prior.json", err);
    if (st == SCRY_OK) st = read_input(&r, c);
    scry_json_free(doc);
    return st;
}

scry_status scryi_config_read(scryi_config *config, scry_schedule **schedule, const char *folder,
                              scry_error *err)
{
    scryi_reader r;
    scry_json *doc = NULL;
    scry_status st = config_open_file(&r, &doc, folder, "config.json", err);
    if (st == SCRY_OK) st = read_model(&r, config);
    scry_json_free(doc);
    if (st != SCRY_OK) return st;
    st = config_open_file(&r, &doc, folder, "scheduler_config.json", err);
    if (st == SCRY_OK) st = read_schedule(&r, config, schedule);
    scry_json_free(doc);
    return st == SCRY_OK ? read_notes(config, folder, err) : st;
}
