#include "apps/cli/image.h"

#include "lib/memory.h"
#include "lib/space.h"
#include "lib/vector.h"
#include "operators/psf_keys.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

scry_status image_check(const float *pixels, size_t n, const char *what, scry_error *err)
{
    size_t bad = 0, differ = 0;
    for (size_t i = 0; i < n; i++) {
        bad += isfinite(pixels[i]) ? 0 : 1;
        differ += pixels[i] < pixels[0] || pixels[i] > pixels[0];
    }
    if (bad)
        return SCRY_FAIL(err, SCRY_ENUMERIC,
                         "%s: %zu of %zu pixels are NaN or infinite, expected none", what, bad, n);
    if (!differ)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: all %zu pixels are %g, expected an image that varies", what, n,
                         (double)pixels[0]);
    return SCRY_OK;
}

static scry_status image_load_pages(image *im, const char *path, scry_error *err)
{
    scry_status st = image_file_open(&im->file, path, err);
    if (st != SCRY_OK) return st;
    im->info = im->file.info;
    const scry_tiff_info *i = &im->info;
    size_t plane, n;
    if (!scry_mul(&plane, i->y, i->x) || !scry_mul(&n, plane, i->z) || !scry_mul(&n, n, i->c) ||
        !scry_mul(&n, n, i->t))
        return SCRY_FAIL(err, SCRY_ESHAPE, "%s: too large to hold in memory", path);
    im->count = n;
    im->pixels = scry_alloc(n, sizeof *im->pixels);
    if (!im->pixels) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu pixels", path, n);
    float *to = im->pixels;
    for (size_t c = 0; c < i->c; c++)
        for (size_t t = 0; t < i->t; t++)
            for (size_t z = 0; z < i->z; z++, to += plane)
                if ((st = image_file_read(&im->file, c, z, t, to, err)) != SCRY_OK) return st;
    return SCRY_OK;
}

scry_status image_load(image *im, const char *path, scry_error *err)
{
    *im = (image){0};
    scry_status st = image_load_pages(im, path, err);
    if (st == SCRY_OK && !scry_finite(im->pixels, im->count))
        st = image_check(im->pixels, im->count, path, err);
    if (st == SCRY_OK) image_file_warn(&im->file, path);
    if (st != SCRY_OK) {
        scry_error_name(err, path);
        image_free(im);
    }
    return st;
}

void image_free(image *im)
{
    scry_free(im->pixels);
    image_file_close(&im->file);
    *im = (image){0};
}

/* The value at which pixels saturate; 0: they do not. */
static double saturation_of(const scry_tiff_info *info)
{
    double low, high;
    if (info->type == SCRY_TIFF_F32 || info->type == SCRY_TIFF_F64) return 0;
    scry_tiff_type_range(info->type, &low, &high);
    const bool fewer = info->significant_bits && info->significant_bits < info->bits;
    return fewer ? ldexp(1, info->significant_bits) - 1 : high;
}

void image_describe(scry_image *out, const scry_tiff_info *info, size_t c)
{
    out->channel = c;
    out->saturation = saturation_of(info);
    memcpy(out->voxel_um, info->pixel_um, sizeof out->voxel_um);
    out->na = info->na;
    out->refractive_index = info->refractive_index;
    if (c >= info->channel_count) return;
    out->emission_nm = info->channels[c].emission_nm;
    out->excitation_nm = info->channels[c].excitation_nm;
}

scry_status image_load_psf(scry_psf_request *out, image *file, const char *spec, scry_error *err)
{
    static const char beads[] = "beads:";
    if (!strncmp(spec, beads, sizeof beads - 1)) {
        out->beads = true;
        spec += sizeof beads - 1;
    }
    /* A name without a dot, or with a colon, that no file has is a model misspelled. */
    const bool word = strchr(spec, ':') || !strpbrk(spec, "./");
    if (!out->beads && (scry_psf_is_model(spec) || (word && access(spec, F_OK)))) {
        out->model = spec;
        return SCRY_OK;
    }
    const scry_status st = image_load(file, spec, err);
    if (st != SCRY_OK) return st;
    const scry_tiff_info *i = &file->info;
    if (i->c > 1 || i->t > 1)
        return SCRY_FAIL(err, SCRY_ESHAPE,
                         "%s: psf with %zu channels and %zu frames, expected 1 and 1", spec, i->c,
                         i->t);
    out->name = spec;
    out->pixels = file->pixels;
    out->space = i->z > 1 ? SCRY_SPACE(i->z, i->y, i->x) : SCRY_SPACE(i->y, i->x);
    memcpy(out->voxel_um, i->pixel_um, sizeof out->voxel_um);
    return SCRY_OK;
}

/* Recursive descent over  sum = product {(+|-) product},  product = factor {(*|/) factor},
 * factor = -factor | number | x | ( sum ). */
struct affine {
    double a, b;
};
struct parser {
    const char *text, *at;
    scry_error *err;
    scry_status status;
    int depth; /* of signs and parentheses, each a call inside a call */
};
enum { DEEPEST = 64 };

static struct affine parse_sum(struct parser *p);

static char peek(struct parser *p)
{
    while (isspace((unsigned char)*p->at))
        p->at++;
    return *p->at;
}

static void refuse(struct parser *p, const char *what)
{
    if (p->status == SCRY_OK)
        p->status = SCRY_FAIL(p->err, SCRY_EINVAL,
                              "'%.60s' at column %d: %s, expected a x + b such as '(x-100)*0.5'",
                              p->text, (int)(p->at - p->text) + 1, what);
}

static struct affine parse_factor(struct parser *p)
{
    struct affine r = {0, 0};
    char c = peek(p);
    if ((c == '-' || c == '(') && ++p->depth > DEEPEST) {
        refuse(p, "more than 64 signs and parentheses");
        return r;
    }
    if (c == '-') {
        p->at++;
        r = parse_factor(p);
        return (struct affine){-r.a, -r.b};
    }
    if (c == 'x') {
        p->at++;
        return (struct affine){1, 0};
    }
    if (c == '(') {
        p->at++;
        r = parse_sum(p);
        if (peek(p) != ')')
            refuse(p, "missing ')'");
        else
            p->at++;
        return r;
    }
    char *end;
    r.b = strtod(p->at, &end);
    if (end == p->at || !isfinite(r.b)) refuse(p, c ? "not a number, x or '('" : "ends too soon");
    p->at = end;
    return r;
}

static struct affine parse_product(struct parser *p)
{
    struct affine l = parse_factor(p);
    char c;
    while (p->status == SCRY_OK && ((c = peek(p)) == '*' || c == '/')) {
        p->at++;
        struct affine r = parse_factor(p);
        if (c == '/' && (r.a != 0 || r.b == 0))
            refuse(p, r.a != 0 ? "division by x" : "division by 0");
        else if (c == '/')
            l = (struct affine){l.a / r.b, l.b / r.b};
        else if (l.a != 0 && r.a != 0)
            refuse(p, "x * x");
        else
            l = (struct affine){l.a * r.b + l.b * r.a, l.b * r.b};
    }
    return l;
}

static struct affine parse_sum(struct parser *p)
{
    struct affine l = parse_product(p);
    char c;
    while (p->status == SCRY_OK && ((c = peek(p)) == '+' || c == '-')) {
        p->at++;
        struct affine r = parse_product(p);
        const double sign = c == '+' ? 1 : -1;
        l = (struct affine){l.a + sign * r.a, l.b + sign * r.b};
    }
    return l;
}

scry_status affine_parse(const char *text, double *a, double *b, scry_error *err)
{
    struct parser p = {.text = text, .at = text, .err = err};
    struct affine r = parse_sum(&p);
    if (p.status == SCRY_OK && peek(&p)) refuse(&p, "unexpected text");
    *a = r.a;
    *b = r.b;
    return p.status;
}
