#include "apps/cli/pages.h"

#include "apps/cli/kspace.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <stdlib.h>
#include <time.h>

const cli_command *const *pages_subcommands(const cli_command *command)
{
    return command == &cli_kspace ? kspace_subcommands : NULL;
}

void pages_each(pages_visit *visit, void *ctx)
{
    for (const cli_command *const *c = cli_commands; *c; c++) {
        visit(ctx, *c);
        for (const cli_command *const *s = pages_subcommands(*c); s && *s; s++)
            visit(ctx, *s);
    }
}

/* Today, or the day that builds which repeat themselves give ($SOURCE_DATE_EPOCH, in seconds). */
static void pages_date(char *text, size_t size)
{
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    const time_t now = epoch ? (time_t)strtoll(epoch, NULL, 10) : time(NULL);
    const struct tm *day = gmtime(&now);
    if (!day || !strftime(text, size, "%Y-%m-%d", day)) text[0] = '\0';
}

struct pages {
    const char *folder;
    char date[16];
    scry_error err;
};

static FILE *pages_open(struct pages *p, char *path, size_t size, const char *name)
{
    snprintf(path, size, "%s/%s", p->folder, name);
    FILE *to = fopen(path, "w");
    if (!to) SCRY_FAIL(&p->err, SCRY_EIO, "%s: %s", path, strerror(errno));
    return to;
}

static void pages_close(struct pages *p, const char *path, FILE *to)
{
    const int failed = ferror(to);
    if (fclose(to) || failed) SCRY_FAIL(&p->err, SCRY_EIO, "%s: cannot be written", path);
}

static void pages_folder(struct pages *p, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", p->folder, name);
    if (mkdir(path, 0777) && errno != EEXIST)
        SCRY_FAIL(&p->err, SCRY_EIO, "%s: %s", path, strerror(errno));
}

/* man/man1/scry-kspace-info.1 of "kspace info" */
static void pages_command(void *ctx, const cli_command *command)
{
    struct pages *p = ctx;
    char path[4096], name[96];
    snprintf(name, sizeof name, "man/man1/scry-%s.1", command->name);
    for (char *blank = name; (blank = strchr(blank, ' '));)
        *blank = '-';
    FILE *to = p->err.code == SCRY_OK ? pages_open(p, path, sizeof path, name) : NULL;
    if (!to) return;
    man_command(to, command, p->date);
    pages_close(p, path, to);
}

int pages_main(int argc, char **argv)
{
    static const char *const folders[] = {"man", "man/man1", "man/man7"};
    struct pages p = {.folder = argc == 2 ? argv[1] : ""};
    char path[4096];
    FILE *to;
    if (argc != 2) {
        fprintf(stderr, "scry: --pages takes one folder, got %d words\n", argc - 1);
        return CLI_USAGE;
    }
    pages_date(p.date, sizeof p.date);
    for (size_t i = 0; i < sizeof folders / sizeof *folders && p.err.code == SCRY_OK; i++)
        pages_folder(&p, folders[i]);
    if (p.err.code == SCRY_OK && (to = pages_open(&p, path, sizeof path, "man/man1/scry.1"))) {
        man_program(to, p.date);
        pages_close(&p, path, to);
    }
    pages_each(pages_command, &p);
    if (p.err.code == SCRY_OK &&
        (to = pages_open(&p, path, sizeof path, "man/man7/scry-methods.7"))) {
        man_methods(to, p.date);
        pages_close(&p, path, to);
    }
    if (p.err.code == SCRY_OK && (to = pages_open(&p, path, sizeof path, "tables.bash"))) {
        completion_tables(to);
        pages_close(&p, path, to);
    }
    if (p.err.code == SCRY_OK) return CLI_OK;
    fprintf(stderr, "scry: %s\n", p.err.text);
    return CLI_FAILED;
}
