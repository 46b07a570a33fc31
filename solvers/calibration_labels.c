#include "solvers/calibration_labels.h"

#include <math.h>
#include <string.h>

/* Ends with a row of zeros, so that the table may be empty. */
static const scry_calibration_label rows[] = {
#include "solvers/calibration_labels.inc"
    {0},
};

const scry_calibration_label *scry_calibration_label_find(const char *method, const char *part,
                                                          const char *operator_,
                                                          const char *problem, const char *settings)
{
    for (const scry_calibration_label *r = rows; r->method; r++)
        if (!strcmp(r->method, method) && !strcmp(r->part, part) &&
            !strcmp(r->operator_, operator_) && !strcmp(r->problem, problem) &&
            !strcmp(r->settings, settings))
            return r;
    return NULL;
}

static bool named_before(const scry_calibration_label *row)
{
    for (const scry_calibration_label *r = rows; r < row; r++)
        if (!strcmp(r->method, row->method) && !strcmp(r->settings, row->settings)) return true;
    return false;
}

const char *scry_calibration_label_settings(const struct scry_method *method, size_t number)
{
    for (const scry_calibration_label *r = rows; r->method; r++)
        if (!strcmp(r->method, method->name) && r->settings[0] && !named_before(r) && !number--)
            return r->settings;
    return NULL;
}

scry_calibration_band scry_calibration_summary(const struct scry_method *method, const char *part,
                                               const char *settings)
{
    scry_calibration_band b = {.sd_low = INFINITY, .cover_low = INFINITY};
    for (const scry_calibration_label *r = rows; r->method; r++) {
        if (strcmp(r->method, method->name) != 0 || strcmp(r->part, part) != 0 ||
            strcmp(r->settings, settings) != 0)
            continue;
        b.problems++;
        b.bias = fmax(b.bias, r->bias.value);
        b.sd_low = fmin(b.sd_low, r->sd_low.value);
        b.sd_high = fmax(b.sd_high, r->sd_high.value);
        b.cover_low = fmin(b.cover_low, r->cover.value);
        b.cover_high = fmax(b.cover_high, r->cover.value);
        b.denoise += r->denoise;
        b.vjp += r->vjp;
        b.apply += r->apply;
    }
    if (!b.problems) return (scry_calibration_band){0};
    b.denoise /= (double)b.problems;
    b.vjp /= (double)b.problems;
    b.apply /= (double)b.problems;
    return b;
}
