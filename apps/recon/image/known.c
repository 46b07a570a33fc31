#include "apps/recon/image/known.h"

#include "lib/memory.h"
#include "operators/defects.h"

/* Takes saturated pixels, or all kinds of defects, out of `known`. */
static scry_status leave_out_defects(unsigned char *known, size_t *excluded,
                                     const scry_image *image, bool all, const scry_log *log,
                                     scry_error *err)
{
    const size_t n = scry_space_count(&image->space);
    scry_defect_opts opts;
    scry_defects found;
    unsigned char *good = scry_alloc(n, 1);
    if (!good) return SCRY_FAIL(err, SCRY_ENOMEM, "mask of %zu pixels", n);
    scry_defect_opts_init(&opts);
    if (image->saturation > 0) opts.saturation = image->saturation;
    if (!all) opts.find = SCRY_DEFECT_SATURATED;
    scry_status st = scry_defects_find(good, &found, image->pixels, &image->space, &opts, err);
    if (st == SCRY_OK) {
        *excluded = found.unknown;
        for (size_t i = 0; i < n; i++)
            known[i] &= good[i];
        if (found.unknown)
            scry_log_note(log,
                          "left out as not measured: %zu saturated, %zu hot, %zu dead pixels, %zu "
                          "in lines, %zu in blocks",
                          found.saturated, found.hot, found.dead, found.line_pixels,
                          found.block_pixels);
    }
    scry_free(good);
    return st;
}

scry_status scry_known_find(unsigned char *known, size_t *excluded, const scry_image *image,
                            scry_defect_choice choice, bool blurred, const scry_log *log,
                            scry_error *err)
{
    const size_t n = scry_space_count(&image->space);
    size_t count = 0;
    *excluded = 0;
    if (choice == SCRY_DEFECTS_AUTO) choice = blurred ? SCRY_DEFECTS_SATURATED : SCRY_DEFECTS_KEEP;
    for (size_t i = 0; i < n; i++)
        known[i] = !image->known || image->known[i];
    if (choice != SCRY_DEFECTS_KEEP) {
        const scry_status st =
            leave_out_defects(known, excluded, image, choice == SCRY_DEFECTS_ALL, log, err);
        if (st != SCRY_OK) return st;
    }
    for (size_t i = 0; i < n; i++)
        count += known[i];
    if (count) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL,
                     "no pixel of %zu is known, expected at least one (nonzero in the mask, not a "
                     "defect)",
                     n);
}
