#include "apps/recon/mri/journal.h"

#include "apps/recon/mri/volume_impl.h"
#include "lib/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A line of text, then the head, the words of the run, and records: index of the entry, the entry
 * itself, the values of its plane, and a sum over all of them. */
static const char first_line[] = "scry mri journal 1\n";

struct journal_head {
    uint64_t words, entry, entries, floats; /* bytes of the words and of an entry, counts */
};

struct scry_mri_journal {
    FILE *file;
    char *path;
    bool failed;
};

static struct journal_head journal_head_of(const scry_mri_volume *v, const char *run)
{
    return (struct journal_head){strlen(run), sizeof(scry_mri_entry), scry_mri_volume_entries(v),
                                 scryi_mri_volume_plane_floats(v)};
}

/* FNV-1a, 64 bits: tells a record that was cut off from a whole one. */
static uint64_t journal_sum(uint64_t sum, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    if (!sum) sum = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < n; i++)
        sum = (sum ^ p[i]) * UINT64_C(0x100000001b3);
    return sum;
}

/* ---- reading ---- */

/* Of which run the journal is: words, or NULL with a reason. */
static scry_status journal_read_head(struct journal_head *head, char **words, FILE *f,
                                     const char *path, scry_error *err)
{
    enum { MAX_WORDS = 1 << 20 };
    char line[sizeof first_line] = "";
    *words = NULL;
    if (fread(line, 1, sizeof first_line - 1, f) != sizeof first_line - 1 ||
        strcmp(line, first_line) != 0 || fread(head, sizeof *head, 1, f) != 1 ||
        head->words > MAX_WORDS)
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: is no journal of scry mri", path);
    if (!(*words = scry_alloc((size_t)head->words + 1, 1)))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: its words", path);
    if (fread(*words, 1, (size_t)head->words, f) == head->words) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EFORMAT, "%s: is cut off in its head", path);
}

static scry_status journal_check(FILE *f, const char *path, const char *run,
                                 const scry_mri_volume *v, scry_error *err)
{
    const struct journal_head want = journal_head_of(v, run);
    struct journal_head head;
    char *words;
    scry_status st = journal_read_head(&head, &words, f, path, err);
    if (st == SCRY_OK && strcmp(words, run) != 0)
        st = SCRY_FAIL(err, SCRY_EINVAL,
                       "%s: is of another run (%s), expected that of this one (%s); --force begins "
                       "anew",
                       path, words, run);
    else if (st == SCRY_OK && memcmp(&head, &want, sizeof head) != 0)
        st = SCRY_FAIL(err, SCRY_EINVAL,
                       "%s: is of %llu problems of %llu values, expected %llu of %llu; --force "
                       "begins anew",
                       path, (unsigned long long)head.entries, (unsigned long long)head.floats,
                       (unsigned long long)want.entries, (unsigned long long)want.floats);
    scry_free(words);
    return st;
}

/* One record, whole: false at the end, or where it is cut off. */
static bool journal_next(FILE *f, uint64_t *index, scry_mri_entry *entry, float *values, size_t n)
{
    uint64_t sum = 0, stored = 0;
    if (fread(index, sizeof *index, 1, f) != 1 || fread(entry, sizeof *entry, 1, f) != 1 ||
        fread(values, sizeof *values, n, f) != n || fread(&stored, sizeof stored, 1, f) != 1)
        return false;
    sum = journal_sum(sum, index, sizeof *index);
    sum = journal_sum(sum, entry, sizeof *entry);
    return journal_sum(sum, values, n * sizeof *values) == stored;
}

scry_status scry_mri_journal_restore(scry_mri_volume *v, size_t *count, const char *path,
                                     const char *run, const scry_mri_volume_request *request,
                                     scry_error *err)
{
    const size_t n = scryi_mri_volume_plane_floats(v), ranks = request->ranks ? request->ranks : 1;
    scry_mri_entry entry;
    uint64_t index;
    FILE *f = fopen(path, "rb");
    if (!f) return SCRY_FAIL(err, SCRY_EIO, "%s: %s", path, strerror(errno));
    float *values = scry_alloc(n, sizeof *values);
    scry_status st = values ? journal_check(f, path, run, v, err)
                            : SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu values", path, n);
    while (st == SCRY_OK && journal_next(f, &index, &entry, values, n)) {
        if (index >= scry_mri_volume_entries(v)) continue;
        const struct scryi_mri_place p = scryi_mri_volume_place_of(v, (size_t)index);
        if (scryi_mri_volume_item(v, &p) % ranks != request->rank || v->entries[index].done)
            continue;
        scryi_mri_volume_plane(v, &p, values, true);
        v->entries[index] = entry;
        ++*count;
    }
    scry_free(values);
    fclose(f);
    return st;
}

/* ---- writing ---- */

/* The end of the last whole record. */
static scry_status journal_end(long *end, FILE *f, const scry_mri_volume *v, const char *path,
                               const char *run, scry_error *err)
{
    const size_t n = scryi_mri_volume_plane_floats(v);
    scry_mri_entry entry;
    uint64_t index;
    float *values = scry_alloc(n, sizeof *values);
    if (!values) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu values", path, n);
    scry_status st = journal_check(f, path, run, v, err);
    *end = ftell(f);
    while (st == SCRY_OK && journal_next(f, &index, &entry, values, n))
        *end = ftell(f);
    scry_free(values);
    return st;
}

static scry_status journal_begin(scry_mri_journal *j, const scry_mri_volume *v, const char *run,
                                 bool keep, scry_error *err)
{
    const struct journal_head head = journal_head_of(v, run);
    long end = 0;
    j->file = keep ? fopen(j->path, "rb+") : NULL;
    if (j->file) {
        const scry_status st = journal_end(&end, j->file, v, j->path, run, err);
        if (st != SCRY_OK) return st;
        if (!ftruncate(fileno(j->file), end) && !fseek(j->file, end, SEEK_SET)) return SCRY_OK;
    } else if ((j->file = fopen(j->path, "wb"))) {
        if (fwrite(first_line, 1, sizeof first_line - 1, j->file) == sizeof first_line - 1 &&
            fwrite(&head, sizeof head, 1, j->file) == 1 &&
            fwrite(run, 1, strlen(run), j->file) == strlen(run) && !fflush(j->file))
            return SCRY_OK;
    }
    return SCRY_FAIL(err, SCRY_EIO, "%s: %s", j->path, strerror(errno));
}

scry_status scry_mri_journal_open(scry_mri_journal **out, const char *path, const char *run,
                                  const scry_mri_volume *v, bool keep, scry_error *err)
{
    scry_mri_journal *j = scry_alloc(1, sizeof *j);
    *out = NULL;
    if (j) j->path = scry_copy(path, strlen(path) + 1);
    scry_status st = j && j->path ? journal_begin(j, v, run, keep, err)
                                  : SCRY_FAIL(err, SCRY_ENOMEM, "%s: journal", path);
    if (st == SCRY_OK)
        *out = j;
    else
        scry_mri_journal_close(j);
    return st;
}

void scry_mri_journal_close(scry_mri_journal *j)
{
    if (!j) return;
    if (j->file) fclose(j->file);
    scry_free(j->path);
    scry_free(j);
}

scry_status scry_mri_journal_add(scry_mri_journal *j, const scry_mri_volume *v, size_t frame,
                                 size_t slice, size_t index, scry_error *err)
{
    const struct scryi_mri_place p = {frame, slice, index};
    const size_t n = scryi_mri_volume_plane_floats(v);
    const uint64_t at = scryi_mri_volume_entry(v, &p);
    const scry_mri_entry *entry = &v->entries[at];
    if (j->failed) return SCRY_OK;
    float *values = scry_alloc(n, sizeof *values);
    if (!values) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu values", j->path, n);
    scryi_mri_volume_plane((scry_mri_volume *)v, &p, values, false);
    uint64_t sum = journal_sum(0, &at, sizeof at);
    sum = journal_sum(sum, entry, sizeof *entry);
    sum = journal_sum(sum, values, n * sizeof *values);
    const bool written = fwrite(&at, sizeof at, 1, j->file) == 1 &&
                         fwrite(entry, sizeof *entry, 1, j->file) == 1 &&
                         fwrite(values, sizeof *values, n, j->file) == n &&
                         fwrite(&sum, sizeof sum, 1, j->file) == 1 && !fflush(j->file);
    scry_free(values);
    if (written) return SCRY_OK;
    j->failed = true;
    return SCRY_FAIL(err, SCRY_EIO, "%s: %s: slices from here on cannot be resumed", j->path,
                     strerror(errno));
}
