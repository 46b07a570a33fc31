#include "apps/cli/kspace.h"
#include "lib/io/kspace/kspace_write.h"
#include "lib/text.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

const cli_command *const kspace_subcommands[] = {
    &kspace_info, &kspace_convert, &kspace_undersample, &kspace_simulate, &kspace_maps, NULL};

scry_status kspace_output_format(scry_kspace_format *f, const char *path, const char *word,
                                 scry_error *err)
{
    static const char *const names[] = {[SCRY_KSPACE_FASTMRI] = "fastmri",
                                        [SCRY_KSPACE_ISMRMRD] = "ismrmrd",
                                        [SCRY_KSPACE_CFL] = "cfl",
                                        [SCRY_KSPACE_NPY] = "npy"};
    for (int i = 0; i <= SCRY_KSPACE_NPY && word; i++)
        if (names[i] && !strcmp(word, names[i])) {
            *f = (scry_kspace_format)i;
            return SCRY_OK;
        }
    if (scry_text_ends_with(path, ".cfl"))
        *f = SCRY_KSPACE_CFL;
    else if (scry_text_ends_with(path, ".npy"))
        *f = SCRY_KSPACE_NPY;
    else if (scry_text_ends_with(path, ".mrd"))
        *f = SCRY_KSPACE_ISMRMRD;
    else if (!scry_text_ends_with(path, ".h5") && !scry_text_ends_with(path, ".hdf5"))
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: k-space is written to .h5, .hdf5, .mrd, .cfl or .npy, or "
                         "give --format",
                         path);
    else if (*f != SCRY_KSPACE_ISMRMRD)
        *f = SCRY_KSPACE_FASTMRI;
    return SCRY_OK;
}

/* A .cfl takes its .hdr with it. */
static bool is_there(const char *path, scry_kspace_format f)
{
    struct stat about;
    char name[4096];
    const size_t n = strlen(path);
    const bool ending = scry_text_ends_with(path, ".cfl") || scry_text_ends_with(path, ".hdr");
    if (f != SCRY_KSPACE_CFL) return !stat(path, &about);
    snprintf(name, sizeof name, "%.*s.cfl", (int)(ending ? n - 4 : n), path);
    if (!stat(name, &about)) return true;
    snprintf(name, sizeof name, "%.*s.hdr", (int)(ending ? n - 4 : n), path);
    return !stat(name, &about);
}

scry_status kspace_output(scry_kspace_writer **out, const char *path, scry_kspace_info *info,
                          const char *word, bool force, scry_error *err)
{
    const bool from_cfl = info->format == SCRY_KSPACE_CFL;
    scry_status st = kspace_output_format(&info->format, path, word, err);
    *out = NULL;
    if (st != SCRY_OK) return st;
    if (!force && is_there(path, info->format))
        return SCRY_FAIL(err, SCRY_EIO, "%s exists; --force replaces it", path);
    if (from_cfl && info->format == SCRY_KSPACE_CFL) info->readout = 2;
    return scry_kspace_create(out, path, info, err);
}

void kspace_warnings(const cli_command *self, scry_kspace_reader *r)
{
    for (const char *text; (text = scry_kspace_warning(r));)
        fprintf(stderr, "scry %s: warning: %s\n", self->name, text);
}

/* "info" of "kspace info" */
static const char *second_word(const cli_command *c)
{
    return strchr(c->name, ' ') + 1;
}

static void kspace_print_usage(const cli_command *self, FILE *to)
{
    fprintf(to, "usage: scry %s %s\n\n%s\n\n", self->name, self->synopsis, self->summary);
    for (const cli_command *const *c = kspace_subcommands; *c; c++)
        fprintf(to, "  %-10s %s\n", second_word(*c), (*c)->summary);
    fprintf(to, "\n'scry kspace <subcommand> --help' lists the options of one.\n");
}

static int kspace_run(const cli_command *self, int argc, char **argv)
{
    if (argc < 2) {
        kspace_print_usage(self, stderr);
        return CLI_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
        kspace_print_usage(self, stdout);
        return CLI_OK;
    }
    for (const cli_command *const *c = kspace_subcommands; *c; c++)
        if (!strcmp(argv[1], second_word(*c))) return (*c)->run(*c, argc - 1, argv + 1);
    fprintf(stderr, "scry kspace: '%s' is not a subcommand; expected one of", argv[1]);
    for (const cli_command *const *c = kspace_subcommands; *c; c++)
        fprintf(stderr, " %s%s", second_word(*c), c[1] ? "," : "\n");
    return CLI_USAGE;
}

const cli_command cli_kspace = {"kspace", "<subcommand> [options] in... out",
                                "inspect, convert, undersample and simulate k-space of MR", NULL,
                                kspace_run};
