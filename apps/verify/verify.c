#include "apps/verify/verify.h"

#include "apps/cli/batch.h"
#include "apps/cli/choices.h"
#include "apps/cli/monitor.h"
#include "lib/memory.h"
#include "lib/parallel.h"
#include "solvers/calibration_labels.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const verify_part *const verify_parts[] = {&verify_gaussian, &verify_mixture, &verify_levy,
                                           &verify_calibration, NULL};

enum { MAX_PARTS = 8 };

struct command {
    verify_settings settings;
    cli_method_values methods;
    char options[256]; /* what settings.options points to */
    const char *json, *plot;
    int64_t threads;
    bool force, check;
    const verify_part *part; /* NULL: all */
};

verify_row *verify_add(verify_table *table, const char *method, const char *operator_,
                       const char *problem)
{
    if (table->count == table->capacity) {
        const size_t capacity = table->capacity ? 2 * table->capacity : 64;
        verify_row *rows = scry_alloc(capacity, sizeof *rows);
        if (!rows) return NULL;
        if (table->count) memcpy(rows, table->rows, table->count * sizeof *rows);
        scry_free(table->rows);
        table->rows = rows;
        table->capacity = capacity;
    }
    verify_row *row = &table->rows[table->count++];
    *row =
        (verify_row){.method = method, .operator_ = operator_, .problem = problem, .options = ""};
    return row;
}

bool verify_selected(const verify_settings *settings, const struct scry_method *method)
{
    return settings->method ? !strcmp(settings->method, method->name)
                            : method->kind == SCRY_POSTERIOR;
}

bool verify_operator(const verify_settings *settings, const char *operator_)
{
    return !settings->operator_ || !strcmp(settings->operator_, operator_);
}

const char *verify_options(const verify_settings *settings, const struct scry_method *method,
                           size_t number)
{
    if (settings->accurate) return scry_calibration_label_settings(method, number);
    return number ? NULL : settings->options;
}

void verify_say(const verify_settings *settings, const verify_table *table)
{
    const verify_row *r = &table->rows[table->count - 1];
    if (settings->quiet) return;
    fprintf(stderr, "%s: %s%s%s, %s, %s: ", table->part->name, r->method, *r->options ? " " : "",
            r->options, r->operator_, r->problem);
    if (r->served)
        fprintf(stderr, "%zu samples, %.1f s\n", r->chains, r->seconds);
    else
        fprintf(stderr, "%s\n", r->note);
}

static const verify_part *find_part(const char *name)
{
    for (const verify_part *const *p = verify_parts; *p; p++)
        if (!strcmp((*p)->name, name)) return *p;
    return NULL;
}

static bool part_knows(const verify_part *part, const char *operator_)
{
    for (const char *const *o = part->operators; *o; o++)
        if (!strcmp(*o, operator_)) return true;
    return false;
}

/* Whether the command runs this part. */
static bool takes_part(const struct command *c, const verify_part *part)
{
    return (!c->part || c->part == part) && (!c->settings.accurate || part->labelled) &&
           (!c->settings.operator_ || part_knows(part, c->settings.operator_));
}

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
        if (c->part && c->part != *p) continue;
        for (const char *const *o = (*p)->operators; *o; o++)
            if (!strstr(list, *o)) list_add(list, sizeof list, *o);
    }
    return cli_usage(self, "--operator '%s' is not known%s%s; expected one of %s",
                     c->settings.operator_, c->part ? " to " : "", c->part ? c->part->name : "",
                     list);
}

/* The options of the method, checked and in one line. */
static int check_options(const cli_command *self, struct command *c, const struct scry_method *m)
{
    scry_options opts;
    scry_error err = {0};
    c->settings.options = c->options;
    for (size_t i = 0; i < c->methods.count; i++) {
        if (!c->methods.texts[i]) continue;
        if (!m)
            return cli_usage(self, "--%s is an option of methods: expected --method NAME with it",
                             c->methods.names[i]);
        if (c->settings.accurate)
            return cli_usage(self, "--accurate has the settings of the label: --%s goes without it",
                             c->methods.names[i]);
    }
    if (!m) return CLI_OK;
    if (method_options(&opts, m, &c->methods, &err) == SCRY_OK)
        scry_options_text(&opts, c->options, sizeof c->options, &err);
    if (err.code != SCRY_OK) return cli_usage(self, "%s", err.text);
    if (c->settings.accurate && !scry_calibration_label_settings(m, 0))
        return cli_usage(self, "--accurate: the label of %s tells of its defaults only", m->name);
    return CLI_OK;
}

static int verify_check_options(const cli_command *self, struct command *c, const cli_parse *p,
                                int64_t chains)
{
    const verify_settings *s = &c->settings;
    bool known = !s->operator_;
    if (p->count > 1) return cli_usage(self, "%d parts named, expected at most one", p->count);
    if (p->count == 1 && !(c->part = find_part(p->args[0]))) {
        char list[128] = "";
        for (const verify_part *const *part = verify_parts; *part; part++)
            list_add(list, sizeof list, (*part)->name);
        return cli_usage(self, "'%s' is not a part; expected one of %s", p->args[0], list);
    }
    const struct scry_method *m = s->method ? scry_method_find(s->method) : NULL;
    if (s->method && !(m && m->kind != SCRY_UNCONDITIONAL)) return refuse_method(self, s->method);
    if (s->accurate && c->part && !c->part->labelled)
        return cli_usage(self,
                         "--accurate: labels tell nothing of %s, expected gaussian or mixture",
                         c->part->name);
    for (const verify_part *const *part = verify_parts; *part; part++)
        if ((!c->part || c->part == *part) && s->operator_)
            known = known || part_knows(*part, s->operator_);
    if (!known) return refuse_operator(self, c);
    for (const verify_part *const *part = verify_parts; *part; part++)
        if (chains != -1 && takes_part(c, *part) &&
            (chains < (*part)->min_chains || chains > (*part)->max_chains))
            return cli_usage(self, "--chains %lld, expected %lld to %lld in %s", (long long)chains,
                             (long long)(*part)->min_chains, (long long)(*part)->max_chains,
                             (*part)->name);
    if (s->seed < 0 || c->threads < 0 || c->threads > 1024)
        return cli_usage(self, "--seed %lld --threads %lld, expected 0 or more and 0 to 1024",
                         (long long)s->seed, (long long)c->threads);
    c->settings.chains = chains == -1 ? 0 : chains;
    return check_options(self, c, m);
}

static scry_status verify(const struct command *c, scry_error *err)
{
    verify_table tables[MAX_PARTS] = {0};
    size_t count = 0, out = 0;
    scry_status st = SCRY_OK;
    if (c->json && (st = output_check(c->json, c->force, err)) != SCRY_OK) return st;
    if (c->plot && (st = output_check(c->plot, c->force, err)) != SCRY_OK) return st;
    scry_threads_set((int)c->threads);
    for (const verify_part *const *part = verify_parts; *part && st == SCRY_OK; part++) {
        if (!takes_part(c, *part)) continue;
        verify_table *table = &tables[count++];
        table->part = *part;
        st = (*part)->run(table, &c->settings, err);
        if (st == SCRY_OK && cli_interrupted)
            st = SCRY_FAIL(err, SCRY_EIO, "interrupted in part %s; nothing was written",
                           (*part)->name);
        if (st == SCRY_OK) verify_print(table);
        if (st == SCRY_OK && c->check) out += verify_check(table, &c->settings);
    }
    if (st == SCRY_OK && c->json) st = verify_write_json(c->json, tables, count, &c->settings, err);
    if (st == SCRY_OK && c->plot) st = verify_write_plot(c->plot, tables, count, err);
    if (st == SCRY_OK && out)
        st = SCRY_FAIL(err, SCRY_ENUMERIC, "%zu numbers are not what the labels say", out);
    for (size_t i = 0; i < count; i++)
        scry_free(tables[i].rows);
    return st;
}

static int verify_run(const cli_command *self, int argc, char **argv)
{
    struct command c = {0};
    int64_t chains = -1;
    verify_settings *s = &c.settings;
    const cli_option options[] = {
        {"method", CLI_TEXT, &s->method, "METHOD",
         "one method; of a point estimate the bias tells, and its spread is what it lacks [all "
         "posterior samplers]"},
        {"operator", CLI_TEXT, &s->operator_, "NAME", "one operator of the part [all of them]"},
        {"accurate", CLI_FLAG, &s->accurate, NULL,
         "at the settings beside the defaults that 'scry methods' tells of"},
        {"chains", CLI_INTEGER, &chains, "K",
         "samples of each posterior, 2 or more [as many as the part's precision needs]"},
        {"full", CLI_FLAG, &s->full, NULL,
         "levy: all six processes of the paper, its Gibbs sampling and up to 40 of its 1000 "
         "signals, "
         "about an hour on two cores; elsewhere four times the measurements"},
        {"seed", CLI_INTEGER, &s->seed, "N", "of the problems and of the samplers [0]"},
        {"json", CLI_TEXT, &c.json, "FILE",
         "write all numbers with their standard errors, costs of a sample, processor seconds"},
        {"plot", CLI_TEXT, &c.plot, "FILE",
         "write a PNG: maps of all numbers, methods downwards and problems across (white is "
         "right, blue too small, red too large, grey not measured), and histograms of ranks"},
        {"check", CLI_FLAG, &c.check, NULL,
         "fail when a method has left the band that 'scry methods' tells, beyond Monte Carlo "
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
    if (status == CLI_OK && verify(&c, &err) != SCRY_OK) status = cli_failed(self, &err);
    cli_end(&p);
    return status;
}

const cli_command cli_verify = {
    "verify",
    "[options] [gaussian|mixture|levy|calibration]",
    "measure how right the posterior samplers are",
    "Runs the samplers, at their defaults or as told, on problems whose posterior is known, and "
    "prints by how much their means, spreads and intervals are off, each with its Monte Carlo "
    "error, and what a sample costs. Denoisers are exact, so that only the algorithm is judged.",
    verify_run,
};
