#include "apps/cli/mri_journal.h"

#include "apps/cli/processes.h"
#include "apps/recon/mri/journal.h"
#include "lib/instructions.h"
#include "lib/memory.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAX_NAME = 4096 + 32 };

static const char *journal_name(char *name, const char *out, int rank)
{
    int used = snprintf(name, MAX_NAME, "%s.journal", out);
    if (rank && used < MAX_NAME) snprintf(name + used, (size_t)(MAX_NAME - used), "-%d", rank);
    return name;
}

bool mri_journal_exists(const char *out)
{
    char name[MAX_NAME];
    return !access(journal_name(name, out, 0), F_OK);
}

/* Options that change no value of an image, and whether they take one. */
static const struct {
    const char *name;
    bool value;
} no_matter[] = {{"resume", false}, {"force", false}, {"quiet", false}, {"threads", true}};

/* How many words of the command line from `word` on do not matter. */
static int words_that_do_not_matter(const char *word)
{
    if (strncmp(word, "--", 2) != 0) return 0;
    for (size_t i = 0; i < sizeof no_matter / sizeof *no_matter; i++) {
        const size_t n = strlen(no_matter[i].name);
        if (strncmp(word + 2, no_matter[i].name, n) != 0) continue;
        if (word[2 + n] == '=') return 1;
        if (!word[2 + n]) return no_matter[i].value ? 2 : 1;
    }
    return 0;
}

char *mri_journal_words(int argc, char **argv)
{
    const char *const program[] = {"scry", SCRY_VERSION, scry_instructions()};
    size_t size = 1, used = 0;
    for (int i = 0; i < 3; i++)
        size += strlen(program[i]) + 1;
    for (int i = 0; i < argc; i++)
        size += strlen(argv[i]) + 1;
    char *words = scry_alloc(size, 1);
    for (int i = 0; words && i < 3; i++)
        used += (size_t)snprintf(words + used, size - used, "%s%s", i ? " " : "", program[i]);
    for (int i = 0; words && i < argc; i++) {
        const int skip = i ? words_that_do_not_matter(argv[i]) : 0;
        if (skip)
            i += skip - 1;
        else
            used += (size_t)snprintf(words + used, size - used, " %s", argv[i]);
    }
    return words;
}

static scry_status journal_restore(scry_mri_volume *v, const scry_mri_volume_request *what,
                                   const char *out, const char *words, size_t *count,
                                   scry_error *err)
{
    char name[MAX_NAME];
    scry_status st = SCRY_OK;
    for (int rank = 0; st == SCRY_OK; rank++) {
        if (access(journal_name(name, out, rank), F_OK)) break;
        st = scry_mri_journal_restore(v, count, name, words, what, err);
    }
    return st;
}

scry_status mri_journal_begin(scry_mri_volume *v, scry_mri_volume_request *what, const char *out,
                              const char *words, bool resume, const scry_log *log, scry_error *err)
{
    char name[MAX_NAME];
    size_t count = 0;
    scry_status st = SCRY_OK;
    if (scry_mri_volume_entries(v) < 2) return SCRY_OK;
    if (resume) st = journal_restore(v, what, out, words, &count, err);
    if (processes_worst(st) != SCRY_OK) return st != SCRY_OK ? st : SCRY_ESTOP;
    if (resume && count)
        scry_log_note(log, "%s: %zu of %zu slices are done already", journal_name(name, out, 0),
                      count, scry_mri_volume_share(v, what));
    else if (resume)
        scry_log_note(log, "%s: nothing to resume, the run begins at its start",
                      journal_name(name, out, 0));
    return scry_mri_journal_open(&what->journal, journal_name(name, out, processes_rank()), words,
                                 v, resume, err);
}

void mri_journal_end(scry_mri_volume_request *what, const char *out, bool complete)
{
    char name[MAX_NAME];
    scry_mri_journal_close(what->journal);
    what->journal = NULL;
    for (int rank = 0; complete && !processes_rank(); rank++)
        if (unlink(journal_name(name, out, rank))) break;
}
