#ifndef SCRY_APPS_CLI_CLI_H
#define SCRY_APPS_CLI_CLI_H

#include "solvers/registry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One command of the program, and one option of a command. These tables drive the parser and print
 * the help: there is no other list. */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 }; /* exit statuses */

typedef enum cli_kind { CLI_FLAG, CLI_INTEGER, CLI_REAL, CLI_TEXT } cli_kind;

typedef struct cli_option {
    const char *name; /* "read-noise"; ends the table when NULL */
    cli_kind kind;
    void *to; /* bool, int64_t, double, const char *: left alone when not given */
    /* The value, alternatives with | between them: placeholders in capitals ("E", "FILE",
     * METHOD) and words ("auto|FACTOR"). A text of words alone ("open|periodic") must be one. */
    const char *arg;
    const char *help;
} cli_option;

/* An option whose value is a member of a struct of settings: entries of a static table. */
typedef struct cli_setting {
    const char *name; /* ends the table when NULL */
    cli_kind kind;
    size_t offset; /* of the member */
    const char *arg, *help;
} cli_setting;

/* Writes the options of the table for `settings`, without an end; returns their number. */
size_t cli_bind(cli_option *options, const cli_setting *table, void *settings);

/* Settings that all commands have which run a method; `type` has the members. */
#define CLI_RUN_SETTINGS(type)                                                                     \
    {"class", CLI_TEXT, offsetof(type, class_name), "NAME",                                        \
     "of the images, for a prior that knows classes, or none [chosen from each image or slice]"},  \
        {"guidance", CLI_REAL, offsetof(type, guidance), "W", "weight of the class [1]"},          \
        {"seed", CLI_INTEGER, offsetof(type, seed), "N",                                           \
         "of the random numbers; the run is a function of it [0]"},                                \
        {"fft", CLI_TEXT, offsetof(type, fft), "rows|measure",                                     \
         "rows: the same bytes in every run; measure: FFTW's measured plans, kept in the user's "  \
         "cache [rows]"},                                                                          \
        {"force", CLI_FLAG, offsetof(type, force), NULL, "replace existing outputs"},              \
    {                                                                                              \
        "quiet", CLI_FLAG, offsetof(type, quiet), NULL, "errors and warnings only"                 \
    }

typedef struct cli_command {
    const char *name, *synopsis, *summary;
    const char *details; /* paragraphs for --help, or NULL */
    int (*run)(const struct cli_command *self, int argc, char **argv);
} cli_command;

extern const cli_command cli_deblur, cli_denoise, cli_inpaint, cli_mri, cli_kspace, cli_simulate,
    cli_compare, cli_sample, cli_figure, cli_info, cli_methods, cli_train, cli_verify;
extern const cli_command *const cli_commands[]; /* ends with NULL */

/* Options of methods on the command line, by name and alias. */
typedef struct cli_method_values {
    size_t count;
    unsigned kinds; /* 1 << scry_method_kind */
    const char *names[96];
    const char *texts[96]; /* NULL when not given; they live as long as the parse */
} cli_method_values;

enum { CLI_MAX_OPTIONS = 64 };

/* Parses argv[1..]. Options of `methods` (may be NULL) are those of the registry, by kind mask
 * 1 << scry_method_kind. Returns CLI_OK, CLI_USAGE after printing the error, or -1 when --help
 * was printed and the command is to end with 0. *args is argv-like and ends with NULL; it lives as
 * long as the parse: cli_end frees it. */
typedef struct cli_parse {
    const char **args;
    int count;
    void *popt;
    char **values; /* of options, one after another; NULL ends them */
    const cli_option *options;
    bool given[CLI_MAX_OPTIONS]; /* by its place in options */
} cli_parse;
int cli_begin(cli_parse *p, const cli_command *command, int argc, char **argv,
              const cli_option *options, cli_method_values *methods, unsigned kinds);
void cli_end(cli_parse *p);
/* Gives the tables of a command that has some, those that its --help prints, to `reader`; they live
 * during the call. */
typedef void cli_reader(void *ctx, const cli_command *command, const cli_option *options,
                        const cli_method_values *methods);
void cli_read_tables(const cli_command *command, cli_reader *reader, void *ctx);
/* "diffpir, jfps: levels of the noise schedule [16]", a line for each wording that the methods of
 * these kinds have for an option; "" for an alias. Returns text. */
const char *cli_method_option_help(char *text, size_t size, const char *name, unsigned kinds);
/* Whether the command line has this option of the command. */
bool cli_given(const cli_parse *p, const char *name);

/* "scry deblur: text" on stderr, and the status to return. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
int cli_usage(const cli_command *command, const char *fmt, ...);
int cli_failed(const cli_command *command, const scry_error *err);

#endif
