#include "apps/cli/cli.h"

#include "solvers/calibration_labels.h"

#include <stdio.h>

static const char *const kind_names[] = {[SCRY_CLASSICAL] = "classical",
                                         [SCRY_UNCONDITIONAL] = "unconditional",
                                         [SCRY_POSTERIOR] = "posterior"};

/* What `scry verify` measured at these settings; false: nothing. */
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

/* "--fresh-noise  share of fresh noise in a step [0.8; 0 to 1; or --zeta]" */
static void print_option(const scry_option *o)
{
    char value[40];
    printf("    --%-16s %s [%s; ", o->name, o->help,
           scry_option_print(o, o->value, value, sizeof value));
    if (!o->words) printf("%g to %g", o->low, o->high);
    for (int w = (int)o->low; o->words && w <= (int)o->high; w++)
        printf("%s%s", o->words[w], w < (int)o->high ? ", " : "");
    printf("%s%s]\n", o->alias ? "; or --" : "", o->alias ? o->alias : "");
}

static void print_method(const struct scry_method *m)
{
    static const struct {
        unsigned bit;
        const char *text;
    } needs[] = {{SCRY_NEEDS_DENOISER, "a denoiser"},
                 {SCRY_NEEDS_VJP, "its vector-Jacobian product"},
                 {SCRY_NEEDS_SVD, "an operator with a known SVD"},
                 {SCRY_NEEDS_GAUSSIAN, "Gaussian noise (others by their local Gaussian)"},
                 {SCRY_NEEDS_MODEL, "a Gaussian model of the images"},
                 {SCRY_NEEDS_POSITIVE, "non-negative intensities"}};
    printf("%s  (%s)\n    what it is  %s\n    needs       ", m->name, m->title, m->exact);
    int n = 0;
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
        if (m->needs & needs[i].bit) printf("%s%s", n++ ? ", " : "", needs[i].text);
    printf("%s\n    source      %s\n", n ? "" : "nothing more than the likelihood", m->citation);
    print_measured(m);
    if (scry_method_multi_draw(m))
        printf("    draws       a chain goes on from its first draw to --draws of them, "
               "--thin steps apart\n");
    for (const scry_option *o = m->options; o->name; o++)
        print_option(o);
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
