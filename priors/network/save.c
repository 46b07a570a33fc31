#include "lib/io/json.h"
#include "lib/given.h"
#include "lib/io/safetensors.h"
#include "lib/memory.h"
#include "lib/temp_file.h"
#include "priors/network/network.h"
#include "priors/network/network_impl.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A network back into the layout that config.c and network.c read. */

static void put_names(scry_json *doc, scry_json_node *root, const char *key, const char *prefix,
                      const bool *attends, const bool *by_resnet, size_t levels)
{
    char name[40];
    scry_json_node *list = scry_json_put_array(doc, root, key);
    for (size_t i = 0; i < levels; i++) {
        snprintf(name, sizeof name, "%s%s%sBlock2D",
                 attends[i]     ? "Attn"
                 : by_resnet[i] ? "Resnet"
                                : "",
                 prefix, !attends[i] && by_resnet[i] ? "sample" : "");
        scry_json_put_string(doc, list, NULL, name);
    }
}

/* Attention blocks resample as this says; a network whose attention blocks differ among themselves
 * cannot be described, nor be read. */
static const char *sampler_type(const bool *attends, const bool *by_resnet, size_t levels)
{
    for (size_t i = 0; i < levels; i++)
        if (attends[i] && by_resnet[i]) return "resnet";
    return "conv";
}

static scry_status save_config(const scry_network *net, const char *path, scry_error *err)
{
    const scryi_config *c = &net->config;
    scry_json *doc;
    scry_status st = scry_json_create(&doc, err);
    if (st != SCRY_OK) return st;
    scry_json_node *root = scry_json_root(doc);
    scry_json_put_string(doc, root, "_class_name", "UNet2DModel");
    scry_json_put_string(doc, root, "_diffusers_version", "0.30.0");
    scry_json_put_unsigned(doc, root, "in_channels", c->channels);
    scry_json_put_unsigned(doc, root, "out_channels", c->outputs);
    scry_json_put_bool(doc, root, "center_input_sample", c->center_input);
    scry_json_put_string(doc, root, "time_embedding_type", "positional");
    scry_json_put_number(doc, root, "freq_shift", c->freq_shift);
    scry_json_put_bool(doc, root, "flip_sin_to_cos", c->flip_sin_to_cos);
    put_names(doc, root, "down_block_types", "Down", c->down_attends, c->down_by_resnet, c->levels);
    put_names(doc, root, "up_block_types", "Up", c->up_attends, c->up_by_resnet, c->levels);
    scry_json_put_string(doc, root, "downsample_type",
                         sampler_type(c->down_attends, c->down_by_resnet, c->levels));
    scry_json_put_string(doc, root, "upsample_type",
                         sampler_type(c->up_attends, c->up_by_resnet, c->levels));
    if (c->classes) scry_json_put_unsigned(doc, root, "num_class_embeds", c->classes);
    scry_json_node *widths = scry_json_put_array(doc, root, "block_out_channels");
    for (size_t i = 0; i < c->levels; i++)
        scry_json_put_unsigned(doc, widths, NULL, c->width[i]);
    scry_json_put_unsigned(doc, root, "layers_per_block", c->layers);
    scry_json_put_unsigned(doc, root, "downsample_padding", c->downsample_padding);
    scry_json_put_string(doc, root, "act_fn", "silu");
    /* null is one head, and no number is null */
    scry_json_put_number(doc, root, "attention_head_dim", c->head_dim ? (double)c->head_dim : NAN);
    if (!c->has_mid) scry_json_put_number(doc, root, "mid_block_type", NAN);
    scry_json_put_unsigned(doc, root, "norm_num_groups", c->groups);
    if (c->mid_attention_norm)
        scry_json_put_unsigned(doc, root, "attn_norm_num_groups", c->attention_groups);
    scry_json_put_number(doc, root, "norm_eps", c->eps);
    scry_json_put_bool(doc, root, "add_attention", c->mid_attends);
    scry_json_put_string(doc, root, "resnet_time_scale_shift",
                         c->scale_shift ? "scale_shift" : "default");
    st = scry_json_write(doc, path, err);
    scry_json_free(doc);
    return st;
}

/* beta_t = 1 - abar_t / abar_(t-1), to the ten digits that this subtraction keeps. */
static double save_beta_at(const scry_schedule *s, size_t t)
{
    char text[32];
    const double before = t ? scry_schedule_alpha_bar(s, t - 1) : 1;
    snprintf(text, sizeof text, "%.10g", 1 - scry_schedule_alpha_bar(s, t) / before);
    return strtod(text, NULL);
}

/* By their rule where they rise in equal steps, else one by one. */
static void put_betas(scry_json *doc, scry_json_node *root, const scry_schedule *s, size_t steps)
{
    const double first = save_beta_at(s, 0), last = save_beta_at(s, steps - 1);
    bool linear = true;
    for (size_t t = 0; t < steps; t++) {
        const double line = first + (last - first) * (double)t / (double)(steps - 1);
        linear = linear && fabs(save_beta_at(s, t) - line) < 1e-9;
    }
    if (linear) {
        scry_json_put_string(doc, root, "beta_schedule", "linear");
        scry_json_put_number(doc, root, "beta_start", first);
        scry_json_put_number(doc, root, "beta_end", last);
        return;
    }
    scry_json_node *betas = scry_json_put_array(doc, root, "trained_betas");
    for (size_t t = 0; t < steps; t++)
        scry_json_put_number(doc, betas, NULL, save_beta_at(s, t));
}

static scry_status save_schedule(const scry_network *net, const char *path, scry_error *err)
{
    scry_json *doc;
    scry_status st = scry_json_create(&doc, err);
    if (st != SCRY_OK) return st;
    scry_json_node *root = scry_json_root(doc);
    const size_t steps = scry_schedule_steps(net->schedule);
    const scryi_config *c = &net->config;
    if (c->prediction == SCRYI_FLOW) {
        scry_json_put_string(doc, root, "_class_name", "FlowMatchEulerDiscreteScheduler");
        scry_json_put_unsigned(doc, root, "num_train_timesteps", steps + 1);
        scry_json_put_number(doc, root, "shift", 1);
        goto done;
    }
    if (c->sigma_data > 0) {
        scry_json_put_string(doc, root, "_class_name", "EDMEulerScheduler");
        scry_json_put_string(doc, root, "prediction_type", scry_network_prediction(net));
        scry_json_put_number(doc, root, "sigma_data", c->sigma_data);
        scry_json_put_number(doc, root, "sigma_min", scry_schedule_sigma(net->schedule, 0));
        scry_json_put_number(doc, root, "sigma_max", scry_schedule_sigma(net->schedule, HUGE_VAL));
        goto done;
    }
    scry_json_put_string(doc, root, "_class_name", "DDPMScheduler");
    scry_json_put_unsigned(doc, root, "num_train_timesteps", steps);
    scry_json_put_string(doc, root, "prediction_type", scry_network_prediction(net));
    scry_json_put_bool(doc, root, "clip_sample", false);
    put_betas(doc, root, net->schedule, steps);
done:
    st = scry_json_write(doc, path, err);
    scry_json_free(doc);
    return st;
}

static scry_status save_weights(const scry_network *net, const char *path, scry_error *err)
{
    scry_network *copy = NULL;
    scryi_entry *entries = NULL;
    scry_tensor_out *out = NULL;
    size_t count = 0;
    scry_status st = scryi_network_copy(&copy, net, net->pool, err);
    if (st == SCRY_OK) st = scryi_network_entries(&entries, &count, copy, err);
    if (st != SCRY_OK) goto done;
    if (!(out = scry_alloc(count, sizeof *out))) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "table of %zu tensors", count);
        goto done;
    }
    for (size_t i = 0; i < count; i++)
        out[i] =
            (scry_tensor_out){entries[i].name, entries[i].rank, entries[i].dims, entries[i].value};
    st = scry_safetensors_write(path, out, count, err);
done:
    scry_free(out);
    scry_free(entries);
    scry_network_free(copy);
    return st;
}

enum { PARTS = 3 };

/* All files are written before the first takes its name: a full disk leaves the network of before
 * whole, of whatever shape it was. */
static scry_status save_parts(const scry_network *net, char path[PARTS][4096], scry_error *err)
{
    static scry_status (*const write[PARTS])(const scry_network *, const char *, scry_error *) = {
        save_weights, save_config, save_schedule};
    char *temp[PARTS] = {NULL};
    scry_status st = SCRY_OK;
    for (size_t i = 0; i < PARTS && st == SCRY_OK; i++) {
        scry_error one = {0};
        st = scry_temp_file_create(&temp[i], NULL, path[i], "", err);
        if (st == SCRY_OK && (st = write[i](net, temp[i], &one)) != SCRY_OK) {
            const char *why = strrchr(one.text, ':'); /* without the temporary name */
            SCRY_FAIL(err, st, "%s%s", path[i], why ? why : " cannot be written");
        }
    }
    for (size_t i = 0; i < PARTS && st == SCRY_OK; i++) {
        if (rename(temp[i], path[i]))
            st = SCRY_FAIL(err, SCRY_EIO, "%s: %s", path[i], strerror(errno));
        if (st != SCRY_OK) break;
        scry_temp_file_forget(temp[i]);
        temp[i] = NULL;
    }
    for (size_t i = 0; i < PARTS; i++)
        scry_temp_file_remove(temp[i]);
    return st;
}

scry_status scry_network_save(const scry_network *net, const char *folder, scry_error *err)
{
    static const char *const names[PARTS] = {"diffusion_pytorch_model.safetensors", "config.json",
                                             "scheduler_config.json"};
    char path[PARTS][4096];
    if (SCRY_MISSING(err, net, folder)) return SCRY_EINVAL;
    if (mkdir(folder, 0777) && errno != EEXIST)
        return SCRY_FAIL(err, SCRY_EIO, "%s: cannot be made: %s", folder, strerror(errno));
    for (size_t i = 0; i < PARTS; i++) {
        const int n = snprintf(path[i], sizeof path[i], "%s/%s", folder, names[i]);
        if (n < 0 || (size_t)n >= sizeof path[i])
            return SCRY_FAIL(err, SCRY_EINVAL, "a path longer than %zu characters", sizeof path[i]);
    }
    return save_parts(net, path, err);
}
