#include "priors/network/network_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Three names for one network. Guided diffusion (Dhariwal & Nichol 2021) counts all blocks on the
 * way down and up; NVIDIA's EDM (Karras et al. 2022) names them by their resolution, for images of
 * the size that the network was made for. */

typedef struct scryi_word {
    const char *ours, *adm, *edm;
} scryi_word;

static const scryi_word modules[] = {
    {"conv_in.", "input_blocks.0.0.", "enc.%zux%zu_conv."},
    {"conv_norm_out.", "out.0.", "out_norm."},
    {"conv_out.", "out.2.", "out_conv."},
    {"time_embedding.linear_1.", "time_embed.0.", "map_layer0."},
    {"time_embedding.linear_2.", "time_embed.2.", "map_layer1."},
    {"class_embedding.", "label_emb.", "map_label."},
};

/* Inside of a residual block, an attention, a convolution that resamples. */
static const scryi_word parts[] = {
    {"norm1.", "in_layers.0.", "norm0."},
    {"conv1.", "in_layers.2.", "conv0."},
    {"time_emb_proj.", "emb_layers.1.", "affine."},
    {"norm2.", "out_layers.0.", "norm1."},
    {"conv2.", "out_layers.3.", "conv1."},
    {"conv_shortcut.", "skip_connection.", "skip."},
    {"group_norm.", "norm.", "norm2."},
    {"to_q.", "qkv.", "qkv."},
    {"to_k.", "qkv.", "qkv."},
    {"to_v.", "qkv.", "qkv."},
    {"to_out.0.", "proj_out.", "proj."},
};

scryi_names scryi_names_of(const scry_safetensors *file)
{
    scryi_names names = {.dialect = SCRYI_DIFFUSERS};
    if (scry_safetensors_find(file, "input_blocks.0.0.weight")) names.dialect = SCRYI_ADM;
    for (size_t i = 0; i < scry_safetensors_count(file); i++) {
        const char *name = scry_safetensors_info(file, i)->name;
        size_t a, b;
        int end = 0;
        const char *bare = strncmp(name, "model.", 6) ? name : name + 6;
        if (sscanf(bare, "enc.%zux%zu_conv.weight%n", &a, &b, &end) == 2 && end && !bare[end]) {
            names.dialect = SCRYI_EDM;
            names.side = a;
            snprintf(names.prefix, sizeof names.prefix, "%s", bare == name ? "" : "model.");
        }
    }
    return names;
}

bool scryi_names_ignore(const scryi_names *names, const char *name)
{
    return names->dialect == SCRYI_EDM &&
           (strstr(name, "resample_filter") || strstr(name, "map_noise.") ||
            strstr(name, "map_augment."));
}

/* The place of block (kind, i, j) of ours as ADM has it, without the part. */
static void place_adm(char *out, size_t size, const scryi_config *c, const char *kind, size_t i,
                      size_t j)
{
    const size_t each = c->layers + 1;
    const bool down = !strncmp(kind, "down", 4), attention = strstr(kind, "attentions") != NULL;
    const bool sampler = strstr(kind, "samplers") != NULL;
    if (!strncmp(kind, "mid", 3)) {
        const size_t at = attention ? 1 : i ? (c->mid_attends ? 2 : 1) : 0;
        snprintf(out, size, "middle_block.%zu.", at);
    } else if (down) {
        snprintf(out, size, "input_blocks.%zu.%d.", 1 + i * each + (sampler ? c->layers : j),
                 attention ? 1 : 0);
    } else {
        const int part = attention ? 1 : sampler ? (c->up_attends[i] ? 2 : 1) : 0;
        snprintf(out, size, "output_blocks.%zu.%d.", i * each + (sampler ? c->layers : j), part);
    }
}

static void place_edm(char *out, size_t size, const scryi_names *names, const scryi_config *c,
                      const char *kind, size_t i, size_t j)
{
    const bool sampler = strstr(kind, "samplers") != NULL, down = !strncmp(kind, "down", 4);
    const bool mid = !strncmp(kind, "mid", 3);
    const size_t last = c->levels - 1;
    const size_t level = mid ? last : down ? i + sampler : last - i - sampler;
    const size_t side = names->side >> level;
    char what[32];
    if (mid)
        snprintf(what, sizeof what, "in%zu", i);
    else if (sampler)
        snprintf(what, sizeof what, "%s", down ? "down" : "up");
    else
        snprintf(what, sizeof what, "block%zu", j);
    snprintf(out, size, "%s.%zux%zu_%s.", down ? "enc" : "dec", side, side, what);
}

/* What of `name` comes after its block, of which kind, level and number are found; NULL: none. */
static const char *names_block(const char *name, char kind[24], size_t *i, size_t *j)
{
    static const char *const shapes[] = {
        "down_blocks.%zu.resnets.%zu.%n",      "down_blocks.%zu.attentions.%zu.%n",
        "down_blocks.%zu.downsamplers.%zu.%n", "up_blocks.%zu.resnets.%zu.%n",
        "up_blocks.%zu.attentions.%zu.%n",     "up_blocks.%zu.upsamplers.%zu.%n"};
    static const char *const kinds[] = {"down resnets", "down attentions", "down samplers",
                                        "up resnets",   "up attentions",   "up samplers"};
    int end = 0;
    for (size_t k = 0; k < 6; k++)
        if (sscanf(name, shapes[k], i, j, &end) == 2 && end) {
            strcpy(kind, kinds[k]);
            return name + end;
        }
    *j = 0;
    if (sscanf(name, "mid_block.resnets.%zu.%n", i, &end) == 1 && end)
        strcpy(kind, "mid resnets");
    else if (sscanf(name, "mid_block.attentions.%zu.%n", i, &end) == 1 && end)
        strcpy(kind, "mid attentions");
    else
        return NULL;
    return name + end;
}

static const char *names_lookup(const scryi_word *table, size_t count, bool edm, const char **rest)
{
    for (size_t k = 0; k < count; k++) {
        const size_t n = strlen(table[k].ours);
        if (strncmp(*rest, table[k].ours, n)) continue;
        *rest += n;
        return edm ? table[k].edm : table[k].adm;
    }
    return NULL;
}

bool scryi_names_translate(char *out, size_t size, scryi_part *part, const scryi_names *names,
                           const scryi_config *config, const char *name)
{
    const bool edm = names->dialect == SCRYI_EDM;
    char kind[24], place[64], word[64];
    size_t i, j;
    const char *rest = name;
    *part = edm && !strncmp(name, "class_embedding.", 16) ? SCRYI_TURNED : SCRYI_WHOLE;
    const char *module = names_lookup(modules, sizeof modules / sizeof *modules, edm, &rest);
    if (module) {
        if (strchr(module, '%'))
            snprintf(word, sizeof word, "enc.%zux%zu_conv.", names->side, names->side);
        else
            snprintf(word, sizeof word, "%s", module);
        return snprintf(out, size, "%s%s%s", names->prefix, word, rest) < (int)size;
    }
    rest = names_block(name, kind, &i, &j);
    if (!rest) return false;
    if (edm)
        place_edm(place, sizeof place, names, config, kind, i, j);
    else
        place_adm(place, sizeof place, config, kind, i, j);
    if (!strncmp(rest, "to_q.", 5)) *part = SCRYI_QUERY;
    if (!strncmp(rest, "to_k.", 5)) *part = SCRYI_KEY;
    if (!strncmp(rest, "to_v.", 5)) *part = SCRYI_VALUE;
    const char *inner = names_lookup(parts, sizeof parts / sizeof *parts, edm, &rest);
    if (!inner && strstr(kind, "samplers") && !edm && !strncmp(rest, "conv.", 5)) {
        inner = strstr(kind, "down") ? "op." : "conv.";
        rest += 5;
    }
    return inner && snprintf(out, size, "%s%s%s%s", names->prefix, place, inner, rest) < (int)size;
}

void scryi_names_split(float *out, const float *all, const scryi_names *names, scryi_part part,
                       size_t rows, size_t row, size_t heads)
{
    const size_t head = rows / heads, which = (size_t)(part - SCRYI_QUERY);
    for (size_t r = 0; r < rows; r++) {
        const size_t h = r / head, d = r % head;
        const size_t from =
            names->dialect == SCRYI_ADM ? (h * 3 + which) * head + d : (h * head + d) * 3 + which;
        memcpy(out + r * row, all + from * row, row * sizeof *out);
    }
}
