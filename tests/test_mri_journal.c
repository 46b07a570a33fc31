/* Finished problems in a file: those that come back, and those that are refused. */

#include "tests/check.h"

#include "apps/recon/mri/journal.h"
#include "apps/recon/mri/volume_impl.h"
#include "lib/memory.h"
#include "lib/memory_watch.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FRAMES = 2, SLICES = 3, NY = 4, NX = 5, FIRST = 7 };

static void volume(scry_mri_volume *v, bool cplx)
{
    scry_error err = {0};
    const scry_kspace_info info = {.frames = FRAMES, .recon = {1, NY, NX}};
    const scry_mri_volume_request q = {.first = FIRST, .last = FIRST + SLICES - 1, .cplx = cplx};
    assert_ok(scryi_mri_volume_create(v, &info, &q, 1, 0, &err));
}

/* A result whose values say where they belong. */
static void put(scry_mri_volume *v, size_t frame, size_t slice)
{
    const struct scryi_mri_place p = {frame, slice, 0};
    const size_t n = NY * NX, at = scryi_mri_volume_entry(v, &p);
    for (size_t i = 0; i < n * (v->cplx ? 2 : 1); i++)
        v->mean[at * n * (v->cplx ? 2 : 1) + i] = (float)(100 * frame + 10 * slice + i) / 7;
    v->entries[at].done = 1;
    v->entries[at].seconds = (double)(frame + slice);
}

static void name(char *path, size_t size)
{
    char folder[] = "/tmp/scry-journal-XXXXXX";
    assert_non_null(mkdtemp(folder));
    snprintf(path, size, "%s/out.journal", folder);
}

static void clear(char *path)
{
    unlink(path);
    *strrchr(path, '/') = '\0';
    rmdir(path);
}

static void what_is_done_comes_back(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_mri_volume v, again;
    scry_mri_journal *j;
    char path[64];
    size_t count = 0;
    name(path, sizeof path);
    volume(&v, true);
    volume(&again, true);
    assert_ok(scry_mri_journal_open(&j, path, "a run", &v, false, &err));
    put(&v, 1, FIRST + 2);
    assert_ok(scry_mri_journal_add(j, &v, 1, FIRST + 2, 0, &err));
    scry_mri_journal_close(j);
    assert_ok(scry_mri_journal_open(&j, path, "a run", &v, true, &err)); /* goes on */
    put(&v, 0, FIRST);
    assert_ok(scry_mri_journal_add(j, &v, 0, FIRST, 0, &err));
    scry_mri_journal_close(j);
    const scry_mri_volume_request q = {.ranks = 1};
    assert_ok(scry_mri_journal_restore(&again, &count, path, "a run", &q, &err));
    assert_int_equal(count, 2);
    assert_memory_equal(again.mean, v.mean, v.count * 2 * sizeof *v.mean);
    for (size_t i = 0; i < scry_mri_volume_entries(&v); i++) {
        assert_int_equal(again.entries[i].done, v.entries[i].done);
        assert_true(again.entries[i].seconds == v.entries[i].seconds);
    }
    scry_mri_volume_free(&v);
    scry_mri_volume_free(&again);
    clear(path);
}

/* Each process takes the problems that the work list deals to it, once. */
static void ranks_take_their_share(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_mri_volume v, part;
    scry_mri_journal *j;
    char path[64];
    size_t all = 0;
    name(path, sizeof path);
    volume(&v, false);
    assert_ok(scry_mri_journal_open(&j, path, "a run", &v, false, &err));
    for (size_t s = 0; s < SLICES; s++)
        for (size_t f = 0; f < FRAMES; f++) {
            put(&v, f, FIRST + s);
            assert_ok(scry_mri_journal_add(j, &v, f, FIRST + s, 0, &err));
        }
    scry_mri_journal_close(j);
    for (size_t rank = 0; rank < 4; rank++) {
        const scry_mri_volume_request q = {.rank = rank, .ranks = 4};
        size_t count = 0;
        volume(&part, false);
        assert_ok(scry_mri_journal_restore(&part, &count, path, "a run", &q, &err));
        assert_int_equal(count, rank < 2 ? 2 : 1);
        all += count;
        scry_mri_volume_free(&part);
    }
    assert_int_equal(all, FRAMES * SLICES);
    scry_mri_volume_free(&v);
    clear(path);
}

/* A process may die while it writes: a problem cut off is done again, and overwritten. */
static void a_torn_record_is_ignored(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_mri_volume v, again;
    scry_mri_journal *j;
    char path[64];
    name(path, sizeof path);
    volume(&v, false);
    assert_ok(scry_mri_journal_open(&j, path, "a run", &v, false, &err));
    put(&v, 0, FIRST);
    put(&v, 0, FIRST + 1);
    assert_ok(scry_mri_journal_add(j, &v, 0, FIRST, 0, &err));
    assert_ok(scry_mri_journal_add(j, &v, 0, FIRST + 1, 0, &err));
    scry_mri_journal_close(j);
    FILE *f = fopen(path, "rb+");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    assert_int_equal(ftruncate(fileno(f), ftell(f) - 5), 0);
    fclose(f);
    const scry_mri_volume_request q = {.ranks = 1};
    for (int repaired = 0; repaired < 2; repaired++) {
        size_t count = 0;
        volume(&again, false);
        assert_ok(scry_mri_journal_restore(&again, &count, path, "a run", &q, &err));
        assert_int_equal(count, 1 + repaired);
        assert_int_equal(again.entries[1].done, repaired);
        scry_mri_volume_free(&again);
        if (repaired) break;
        assert_ok(scry_mri_journal_open(&j, path, "a run", &v, true, &err));
        assert_ok(scry_mri_journal_add(j, &v, 0, FIRST + 1, 0, &err));
        scry_mri_journal_close(j);
    }
    scry_mri_volume_free(&v);
    clear(path);
}

static void other_runs_are_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_mri_volume v, other;
    scry_mri_journal *j;
    char path[64];
    size_t count = 0;
    name(path, sizeof path);
    volume(&v, false);
    volume(&other, true);
    const scry_mri_volume_request q = {.ranks = 1};
    assert_fails(scry_mri_journal_restore(&v, &count, path, "a run", &q, &err), SCRY_EIO);
    assert_ok(scry_mri_journal_open(&j, path, "a run", &v, false, &err));
    scry_mri_journal_close(j);
    err = (scry_error){0};
    assert_int_equal(scry_mri_journal_restore(&v, &count, path, "another", &q, &err), SCRY_EINVAL);
    assert_non_null(strstr(err.text, "is of another run (a run), expected that of this one"));
    err = (scry_error){0};
    assert_int_equal(scry_mri_journal_restore(&other, &count, path, "a run", &q, &err),
                     SCRY_EINVAL);
    assert_non_null(strstr(err.text, "is of 6 problems of 20 values, expected 6 of 40"));
    FILE *f = fopen(path, "wb");
    fputs("something else", f);
    fclose(f);
    assert_fails(scry_mri_journal_restore(&v, &count, path, "a run", &q, &err), SCRY_EFORMAT);
    assert_fails(scry_mri_journal_open(&j, path, "a run", &v, true, &err), SCRY_EFORMAT);
    assert_int_equal(count, 0);
    scry_mri_volume_free(&v);
    scry_mri_volume_free(&other);
    clear(path);
    const size_t live = scry_memory_live();
    scry_memory_fail_at(1);
    err = (scry_error){0};
    assert_int_equal(scry_mri_journal_open(&j, path, "a run", &v, true, &err), SCRY_ENOMEM);
    scry_memory_fail_at(0);
    assert_int_equal(scry_memory_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_done_comes_back),
        cmocka_unit_test(ranks_take_their_share),
        cmocka_unit_test(a_torn_record_is_ignored),
        cmocka_unit_test(other_runs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
