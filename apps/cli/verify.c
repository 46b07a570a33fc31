#include "apps/cli/cli.h"

#include "apps/cli/outputs.h"
#include "apps/cli/choices.h"
#include "apps/verify/verify.h"
#include "lib/parallel.h"
#include "solvers/calibration_labels.h"

#include <stdio.h>
#include <string.h>

struct command {
    verify_request request;
    cli_method_values methods;
    char options[256]; /* text of the settings' options */
    int64_t threads;
    bool force;
};

/* Appends ", word" to a list. */
static void list_add(char *list, size_t size, const char *word)
{
    const size_t used = strlen(list);
    snprintf(list + used, size - used, "%s%s", used ? ", " : "", word);
}

static int refuse_method(const cli_command *self, const char *name)
{
    char list[512] = "";
    size_t count;
    const struct scry_method *const *methods = scry_methods(&count);
    for (size_t i = 0; i < count; i++)
        if (methods[i]->kind == SCRY_POSTERIOR) list_add(list, sizeof list, methods[i]->name);
    return cli_usage(self,
                     "--method '%s' is no posterior sampler, nor an estimate that uses a "
                     "measurement; expected one of %s",
                     name, list);
}

static int refuse_operator(const cli_command *self, const struct command *c)
{
    char list[512] = "";
    for (const verify_part *const *p = verify_parts; *p; p++) {
        if (c->request.part && c->request.part != *p) continue;
        for (const char *const *o = (*p)->operators; *o; o++)
            if (!strstr(list, *o)) list_add(list, sizeof list, *o);
    }
    return cli_usage(self, "--operator '%s' is not known%s%s; expected one of %s",
                     c->request.settings.operator_, c->request.part ? " to " : "",
                     c->request.part ? c->request.part->name : "", list);
}

/* The options of the method, checked and in one line. */
static int check_options(const cli_command *self, struct command *c, const struct scry_method *m)
{
    scry_options opts;
    scry_error err = {0};
    c->request.settings.options = c->options;
    for (size_t i = 0; i < c->methods.count; i++) {
        if (!c->methods.texts[i]) continue;
        if (!m)
            return cli_usage(self, "--%s is an option of methods: expected --method NAME with it",
                             c->methods.names[i]);
        if (c->request.settings.accurate)
            return cli_usage(self, "--accurate has the settings of the label: --%s goes without it",
                             c->methods.names[i]);
    }
    if (!m) return CLI_OK;
    if (method_options(&opts, m, &c->methods, &err) == SCRY_OK)
        scry_options_text(&opts, c->options, sizeof c->options, &err);
    if (err.code != SCRY_OK) return cli_usage(self, "%s", err.text);
    if (c->request.settings.accurate && !scry_calibration_label_settings(m, 0))
        return cli_usage(self, "--accurate: the label of %s is of its defaults only", m->name);
    return CLI_OK;
}

static int verify_check_options(const cli_command *self, struct command *c, const cli_parse *p,
                                int64_t chains)
{
    const verify_settings *s = &c->request.settings;
    bool known = !s->operator_;
    if (p->count > 1) return cli_usage(self, "%d parts named, expected at most one", p->count);
    if (p->count == 1 && !(c->request.part = verify_part_find(p->args[0]))) {
        char list[128] = "";
        for (const verify_part *const *part = verify_parts; *part; part++)
            list_add(list, sizeof list, (*part)->name);
        return cli_usage(self, "'%s' is not a part; expected one of %s", p->args[0], list);
    }
    const struct scry_method *m = s->method ? scry_method_find(s->method) : NULL;
    if (s->method && !(m && m->kind != SCRY_UNCONDITIONAL)) return refuse_method(self, s->method);
    if (s->accurate && c->request.part && !c->request.part->labelled)
        return cli_usage(self,
                         "--accurate: there are no labels for %s, expected gaussian or mixture",
                         c->request.part->name);
    for (const verify_part *const *part = verify_parts; *part; part++)
        if ((!c->request.part || c->request.part == *part) && s->operator_)
            known = known || verify_part_knows(*part, s->operator_);
    if (!known) return refuse_operator(self, c);
    for (const verify_part *const *part = verify_parts; *part; part++)
        if (chains != -1 && verify_takes_part(&c->request, *part) &&
            (chains < (*part)->min_chains || chains > (*part)->max_chains))
            return cli_usage(self, "--chains %lld, expected %lld to %lld in %s", (long long)chains,
                             (long long)(*part)->min_chains, (long long)(*part)->max_chains,
                             (*part)->name);
    if (s->seed < 0 || c->threads < 0 || c->threads > 1024)
        return cli_usage(self, "--seed %lld --threads %lld, expected 0 or more and 0 to 1024",
                         (long long)s->seed, (long long)c->threads);
    c->request.settings.chains = chains == -1 ? 0 : chains;
    return check_options(self, c, m);
}

static scry_status verify_start(const struct command *c, scry_error *err)
{
    const char *const outputs[] = {c->request.json, c->request.plot};
    const scry_status st = outputs_check(&(output_names){outputs, NULL, 2, 0}, c->force, err);
    if (st != SCRY_OK) return st;
    scry_threads_set((int)c->threads);
    return verify_run(&c->request, err);
}

static int verify_command(const cli_command *self, int argc, char **argv)
{
    struct command c = {0};
    int64_t chains = -1;
    verify_settings *s = &c.request.settings;
    const cli_option options[] = {
        {"method", CLI_TEXT, &s->method, "METHOD",
         "one method; of a point estimate only the bias counts, since it has no spread [all "
         "posterior samplers]"},
        {"operator", CLI_TEXT, &s->operator_, "NAME", "one operator of the part [all of them]"},
        {"accurate", CLI_FLAG, &s->accurate, NULL,
         "at the settings beside the defaults that 'scry methods' lists"},
        {"chains", CLI_INTEGER, &chains, "K",
         "samples of each posterior, 2 or more [as many as the part's precision needs]"},
        {"full", CLI_FLAG, &s->full, NULL,
         "levy: all six processes of the paper, its Gibbs sampling and up to 40 of its 1000 "
         "signals, "
         "about an hour on two cores; elsewhere four times the measurements"},
        {"seed", CLI_INTEGER, &s->seed, "N", "of the problems and of the samplers [0]"},
        {"json", CLI_TEXT, &c.request.json, "FILE",
         "write all numbers with their standard errors, costs of a sample, processor seconds"},
        {"plot", CLI_TEXT, &c.request.plot, "FILE",
         "write a PNG: maps of all numbers, methods downwards and problems across (white is "
         "right, blue too small, red too large, grey not measured), and histograms of ranks"},
        {"check", CLI_FLAG, &c.request.check, NULL,
         "fail when a method has left the band that 'scry methods' prints, beyond Monte Carlo "
         "error"},
        {"threads", CLI_INTEGER, &c.threads, "N", "chains at a time [all processors]"},
        {"force", CLI_FLAG, &c.force, NULL, "replace existing outputs"},
        {"quiet", CLI_FLAG, &s->quiet, NULL, "no progress"},
        {0},
    };
    cli_parse p;
    scry_error err = {0};
    int status = cli_begin(&p, self, argc, argv, options, &c.methods,
                           1u << SCRY_POSTERIOR | 1u << SCRY_CLASSICAL);
    if (status != CLI_OK) return status < 0 ? CLI_OK : status;
    status = verify_check_options(self, &c, &p, chains);
    if (status == CLI_OK && verify_start(&c, &err) != SCRY_OK) status = cli_failed(self, &err);
    cli_end(&p);
    return status;
}

const cli_command cli_verify = {
    "verify",
    "[options] [gaussian|mixture|levy|calibration]",
    "measure how right the posterior samplers are",
    "Runs the samplers, at their defaults or as given, on problems whose posterior is known, and "
    "prints by how much their means, spreads and intervals are off, each with its Monte Carlo "
    "error, and the cost of a sample. Denoisers are exact, so that only the algorithm is judged.",
    verify_command,
};
