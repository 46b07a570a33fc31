#include "apps/cli/methods.h"

#include "apps/cli/cli.h"

#include "solvers/calibration_labels.h"

#include <stdio.h>

static const char *const kind_names[] = {[SCRY_CLASSICAL] = "classical",
                                         [SCRY_UNCONDITIONAL] = "unconditional",
                                         [SCRY_POSTERIOR] = "posterior"};

/* The label that `scry verify` measured at these settings; false: none. */
static bool print_bands(const struct scry_method *m, const char *settings, const char *head)
{
    static const char *const parts[] = {"gaussian", "mixture"};
    bool any = false;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const scry_calibration_band b = scry_calibration_summary(m, parts[i], settings);
        if (!b.problems) continue;
        printf("    %-11s %s, %zu problem%s: mean off by up to %.3f of the prior's sd, sd %.2f to "
               "%.2f of the exact\n                one, 90 %% intervals hold %.1f to %.1f %%; "
               "%.0f D, %.0f VJP, %.0f A a sample\n",
               any ? "" : head, parts[i], b.problems, b.problems > 1 ? "s" : "", b.bias, b.sd_low,
               b.sd_high, 100 * b.cover_low, 100 * b.cover_high, b.denoise, b.vjp, b.apply);
        any = true;
    }
    return any;
}

static void print_measured(const struct scry_method *m)
{
    const char *settings;
    if (!print_bands(m, "", "measured") && m->kind == SCRY_POSTERIOR)
        printf("    measured    not measured\n");
    for (size_t k = 0; (settings = scry_calibration_label_settings(m, k)); k++) {
        printf("    with        %s\n", settings);
        print_bands(m, settings, "");
    }
}

const char *method_kind_name(const struct scry_method *method)
{
    return kind_names[method->kind];
}

const char *method_needs(char *text, size_t size, const struct scry_method *method)
{
    static const struct {
        unsigned bit;
        const char *text;
    } needs[] = {{SCRY_NEEDS_DENOISER, "a denoiser"},
                 {SCRY_NEEDS_VJP, "its vector-Jacobian product"},
                 {SCRY_NEEDS_SVD, "an operator with a known SVD"},
                 {SCRY_NEEDS_GAUSSIAN, "Gaussian noise (others by their local Gaussian)"},
                 {SCRY_NEEDS_MODEL, "a Gaussian model of the images"},
                 {SCRY_NEEDS_POSITIVE, "non-negative intensities"},
                 {SCRY_NEEDS_LINES, "lines of k-space (scry mri)"},
                 {SCRY_NEEDS_SERIES, "a series of complex images (scry mri)"}};
    size_t used = 0;
    for (size_t i = 0; i < sizeof needs / sizeof *needs && used < size; i++)
        if (method->needs & needs[i].bit)
            used +=
                (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", needs[i].text);
    if (!used) snprintf(text, size, "nothing more than the likelihood");
    return text;
}

const char *method_option_range(char *text, size_t size, const scry_option *o)
{
    char value[40];
    size_t used =
        (size_t)snprintf(text, size, "%s; ", scry_option_print(o, o->value, value, sizeof value));
    if (!o->choices && used < size)
        used += (size_t)snprintf(text + used, size - used, "%g to %g", o->low, o->high);
    for (int w = (int)o->low; o->choices && w <= (int)o->high && used < size; w++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", o->choices[w],
                                 w < (int)o->high ? ", " : "");
    if (o->alias && used < size) snprintf(text + used, size - used, "; or --%s", o->alias);
    return text;
}

static void print_method(const struct scry_method *m)
{
    char text[256];
    printf("%s  (%s)\n    what it is  %s\n    needs       %s\n    source      %s\n", m->name,
           m->title, m->exact, method_needs(text, sizeof text, m), m->citation);
    print_measured(m);
    if (scry_method_multi_draw(m))
        printf("    draws       a chain goes on from its first draw to --draws of them, "
               "--thin steps apart\n");
    for (const scry_option *o = m->options; o->name; o++)
        printf("    --%-16s %s [%s]\n", o->name, o->help,
               method_option_range(text, sizeof text, o));
    printf("\n");
}

static int methods_run(const cli_command *self, int argc, char **argv)
{
    const cli_option options[] = {{0}};
    cli_parse p;
    int status = cli_begin(&p, self, argc, argv, options, NULL, 0);
    if (status != CLI_OK) return status < 0 ? CLI_OK : status;
    if (p.count > 1) {
        status = cli_usage(self, "%d arguments, expected at most one method", p.count);
        goto done;
    }
    if (p.count == 1) {
        const struct scry_method *m = scry_method_find(p.args[0]);
        if (m)
            print_method(m);
        else
            status = cli_usage(self, "'%s' is not a method", p.args[0]);
        goto done;
    }
    size_t count;
    const struct scry_method *const *list = scry_methods(&count);
    for (int kind = SCRY_POSTERIOR; kind >= SCRY_CLASSICAL; kind--) {
        printf("== %s ==\n\n", kind_names[kind]);
        for (size_t i = 0; i < count; i++)
            if ((int)list[i]->kind == kind) print_method(list[i]);
    }
done:
    cli_end(&p);
    return status;
}

const cli_command cli_methods = {"methods", "[METHOD]",
                                 "list the methods: what each is, needs, cites, how right it is",
                                 NULL, methods_run};
