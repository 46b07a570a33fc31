#include "apps/cli/kspace.h"

#include "lib/memory.h"
#include "operators/sensitivity.h"

#include <stdio.h>
#include <string.h>

static const char *kspace_info_plural(size_t n)
{
    return n == 1 ? "" : "s";
}

static void print_layout(const scry_kspace_info *i)
{
    printf("  %-14s %s, samples in %s\n", "format", scry_kspace_format_name(i->format), i->dataset);
    printf("  %-14s %zu frame%s, %zu slice%s, %zu coil%s\n", "axes", i->frames,
           kspace_info_plural(i->frames), i->slices, kspace_info_plural(i->slices), i->coils,
           kspace_info_plural(i->coils));
    if (i->scattered)
        printf("  %-14s %zu readouts of %zu samples off the grid (%s), matrix %zu x %zu (y, x)\n",
               "trajectory", i->ny, i->nx, i->trajectory, i->grid[1], i->grid[2]);
    else if (i->nz > 1)
        printf("  %-14s %zu x %zu x %zu (z, y, x), readout along %s\n", "matrix", i->nz, i->ny,
               i->nx, i->readout == 1 ? "y" : "x");
    else
        printf("  %-14s %zu x %zu (y, x), readout along %s\n", "matrix", i->ny, i->nx,
               i->readout == 1 ? "y" : "x");
    for (int a = 0; a < 3; a++)
        if (i->image_axis[a])
            printf("  %-14s %c is in the image domain already\n", "transformed", "zyx"[a]);
    printf("  %-14s %zu x %zu x %zu pixels (z, y, x)\n", "image", i->recon[0], i->recon[1],
           i->recon[2]);
}

/* The readout's field of view over that of the image, where the file says either. */
static void print_field_of_view(const scry_kspace_info *i)
{
    const double *e = i->encoded_fov, *r = i->recon_fov;
    const size_t n = i->scattered ? i->grid[2] : i->readout == 1 ? i->ny : i->nx;
    if (e[2] > 0 && e[1] > 0)
        printf("  %-14s %.6g x %.6g x %.6g mm encoded (z, y, x)\n", "field of view", e[0], e[1],
               e[2]);
    if (r[2] > 0 && r[1] > 0)
        printf("  %-14s %.6g x %.6g x %.6g mm of the image\n", "", r[0], r[1], r[2]);
    if (e[i->readout] > 0 && r[i->readout] > 0)
        printf("  %-14s %.3g times along the readout\n", "oversampling",
               e[i->readout] / r[i->readout]);
    else if (i->recon[i->readout] < n)
        printf("  %-14s %.3g times along the readout\n", "oversampling",
               (double)n / (double)i->recon[i->readout]);
    else
        printf("  %-14s of the readout: not stated\n", "oversampling");
    if (i->geometry.known)
        printf("  %-14s centre of the first slice (%.4g, %.4g, %.4g) mm (LPS)\n", "position",
               i->geometry.position[0], i->geometry.position[1], i->geometry.position[2]);
}

static void print_protocol(const scry_kspace_info *i)
{
    if (i->acquisition[0]) printf("  %-14s %s\n", "acquisition", i->acquisition);
    if (i->system[0] || i->field_strength > 0) {
        printf("  %-14s %s", "scanner", i->system);
        if (i->field_strength > 0) printf("%s%.4g T", i->system[0] ? ", " : "", i->field_strength);
        printf("\n");
    }
    if (i->tr > 0 || i->te > 0)
        printf("  %-14s TR %.6g ms, TE %.6g ms (0 unknown)\n", "timing", i->tr, i->te);
    if (i->averages > 1) printf("  %-14s up to %zu of a line\n", "averages", i->averages);
    if (i->noise_samples)
        printf("  %-14s %zu samples a coil, variance of the image's %.4g times theirs\n",
               "noise scans", i->noise_samples, i->noise_ratio);
    else
        printf("  %-14s none\n", "noise scans");
    if (i->has_calibration) printf("  %-14s lines for calibration only\n", "calibration");
    if (i->has_target) printf("  %-14s a reference reconstruction\n", "target");
}

/* One line of phase encodes, seen along the readout, in a slice (y, x). */
static unsigned char line_at(const scry_kspace_info *i, const unsigned char *mask, size_t line,
                             size_t k)
{
    return i->readout == 1 ? mask[k * i->nx + line] : mask[line * i->nx + k];
}

/* Lines are whole or missing: *kept of them are there. False for other patterns. */
static bool count_lines(const scry_kspace_info *i, const unsigned char *mask, size_t *kept)
{
    const size_t lines = i->readout == 1 ? i->nx : i->ny;
    const size_t length = i->readout == 1 ? i->ny : i->nx;
    *kept = 0;
    for (size_t l = 0; l < lines; l++) {
        for (size_t k = 1; k < length; k++)
            if (line_at(i, mask, l, k) != line_at(i, mask, l, 0)) return false;
        *kept += line_at(i, mask, l, 0) != 0;
    }
    return true;
}

static void print_sampling(const scry_kspace_info *i, const unsigned char *mask)
{
    size_t all = i->readout == 1 ? i->nx : i->ny, kept, cy, cx;
    const char *what = "lines";
    if (i->nz > 1 || !count_lines(i, mask, &kept)) {
        what = "samples";
        all = i->nz * i->ny * i->nx;
        kept = 0;
        for (size_t k = 0; k < all; k++)
            kept += mask[k] != 0;
    }
    printf("  %-14s acceleration %.3g (%zu of %zu %s)\n", "sampling", (double)all / (double)kept,
           kept, all, what);
    if (i->nz > 1) return;
    if (scry_calibration_region(&cy, &cx, mask, i->ny, i->nx, 0, 1, NULL) == SCRY_OK)
        printf("  %-14s %zu x %zu (y, x) sampled without a gap\n", "centre", cy, cx);
    else
        printf("  %-14s not sampled\n", "centre");
}

/* The sampling, from the first slice; its samples are checked, too. */
static scry_status print_file(const char *path, const scry_kspace_choice *choice, scry_error *err)
{
    scry_kspace_reader *r;
    float complex *data = NULL;
    unsigned char *mask = NULL;
    scry_kspace_choice any = *choice;
    any.own_trajectory = true;
    scry_status st = scry_kspace_open(&r, path, &any, err);
    if (st != SCRY_OK) return st;
    const scry_kspace_info *i = scry_kspace_describe(r);
    const size_t n = i->nz * i->ny * i->nx, bytes = i->coils * n * sizeof *data;
    data = scry_alloc(i->coils * n, sizeof *data);
    mask = scry_alloc(n, 1);
    if (!data || !mask) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%s: a slice of %zu bytes", path, bytes);
        goto done;
    }
    if ((st = scry_kspace_read(r, 0, 0, data, mask, err)) != SCRY_OK) goto done;
    printf("%s\n", path);
    print_layout(i);
    print_field_of_view(i);
    if (!i->scattered) print_sampling(i, mask);
    print_protocol(i);
    printf("  %-14s %.1f MB a slice\n", "memory", (double)bytes / 1e6);
    for (const char *text; (text = scry_kspace_warning(r));)
        printf("  %-14s %s\n", "warning", text);
done:
    scry_free(data);
    scry_free(mask);
    scry_kspace_close(r);
    return st;
}

static int kspace_info_run(const cli_command *self, int argc, char **argv)
{
    scry_kspace_choice choice = {0};
    const cli_option options[] = {
        {"dataset", CLI_TEXT, &choice.dataset, "NAME",
         "complex dataset, or measurement, of an HDF5 file that has several"},
        {0},
    };
    cli_parse p;
    int status = cli_begin(&p, self, argc, argv, options, NULL, 0);
    if (status != CLI_OK) return status < 0 ? CLI_OK : status;
    if (!p.count) status = cli_usage(self, "no file named");
    for (int k = 0; k < p.count && status != CLI_USAGE; k++) {
        scry_error err = {0};
        if (print_file(p.args[k], &choice, &err) != SCRY_OK) status = cli_failed(self, &err);
    }
    cli_end(&p);
    return status;
}

const cli_command kspace_info = {"kspace info", "[options] file...",
                                 "print the contents and the sampling of k-space files", NULL,
                                 kspace_info_run};
