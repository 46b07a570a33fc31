#include "tests/check.h"

#include "apps/recon/mri/volume.h"
#include "lib/cancel.h"
#include "lib/memory.h"
#include "solvers/roles.h"

#include <string.h>

/* Slices of a file into a volume: ranks share the work without a trace in the result, slices keep
 * their numbers, and the flag of lib/cancel.h ends the work. */

struct run {
    scry_scan_file *file;
    scry_reconstructor *rec;
    scry_mri_request request;
    scry_mri_volume_request what;
    scry_mri_volume volume;
    size_t steps, total;
};

static void count(size_t more, size_t total, void *ctx)
{
    struct run *r = ctx;
    r->steps += more;
    r->total = total;
}

static void open_run(struct run *r, const char *path)
{
    scry_error err = {0};
    *r = (struct run){.request = {.coil_maps = SCRY_COILS_NONE,
                                  .noise = SCRY_COIL_NOISE_NONE,
                                  .method = scry_role_method(SCRY_ROLE_ADJOINT)->name}};
    assert_ok(scry_scan_file_open(&r->file, &(scry_scan_file_request){.path = path}, &err));
    assert_ok(scry_reconstructor_create(&r->rec, &r->request, scry_scan_file_scan(r->file), &err));
    r->what = (scry_mri_volume_request){.last = scry_scan_file_info(r->file)->slices - 1,
                                        .zero_filled = true,
                                        .threads = 1,
                                        .steps = count,
                                        .ctx = r};
}

static void close_run(struct run *r)
{
    scry_mri_volume_free(&r->volume);
    scry_reconstructor_free(r->rec);
    scry_scan_file_close(r->file);
}

static void run_all(struct run *r)
{
    scry_error err = {0};
    assert_ok(scry_mri_volume_prepare(&r->volume, r->rec, r->file, &r->what, &err));
    scry_mri_volume_run(&r->volume, r->rec, r->file, &r->what);
}

static void ranks_share_the_slices(void **state)
{
    (void)state;
    struct run whole, part;
    char place[96];
    open_run(&whole, "golden/kspace/multi.h5");
    run_all(&whole);
    const scry_mri_volume *v = &whole.volume;
    assert_int_equal(scry_mri_volume_entries(v), 3);
    assert_int_equal(whole.steps, whole.total);
    assert_int_equal(whole.total % 3, 0);
    assert_string_equal(scry_mri_volume_place(v, 2, place, sizeof place), "slice 2");
    float *sum = scry_alloc(v->count, sizeof *sum);
    for (size_t rank = 0; rank < 2; rank++) {
        open_run(&part, "golden/kspace/multi.h5");
        part.what.rank = rank;
        part.what.ranks = 2;
        run_all(&part);
        assert_int_equal(scry_mri_volume_share(&part.volume, &part.what), 2 - rank);
        assert_int_equal(part.volume.entries[1].done, rank);
        assert_int_equal(part.volume.entries[2].done, !rank);
        for (size_t i = 0; i < v->count; i++)
            sum[i] += part.volume.mean[i];
        close_run(&part);
    }
    assert_memory_equal(sum, v->mean, v->count * sizeof *sum);
    for (size_t i = 0; i < v->count / 3; i++) /* the method is the one of the preview */
        assert_near(v->zero_filled[i], v->mean[v->count / 3 + i], 1e-6 * fabs(v->zero_filled[i]));
    scry_free(sum);
    close_run(&whole);
}

static void slices_keep_their_numbers(void **state)
{
    (void)state;
    struct run whole, last;
    char place[96];
    open_run(&whole, "golden/kspace/multi.h5");
    run_all(&whole);
    open_run(&last, "golden/kspace/multi.h5");
    last.what.first = 2;
    run_all(&last);
    const size_t n = last.volume.count;
    assert_int_equal(n, whole.volume.count / 3);
    assert_memory_equal(last.volume.mean, whole.volume.mean + 2 * n, n * sizeof(float));
    assert_string_equal(scry_mri_volume_place(&last.volume, 0, place, sizeof place), "slice 2");
    close_run(&last);
    close_run(&whole);
}

static void what_is_cancelled_is_not_done(void **state)
{
    (void)state;
    struct run r;
    scry_error err = {0};
    open_run(&r, "golden/kspace/multi.h5");
    assert_ok(scry_mri_volume_prepare(&r.volume, r.rec, r.file, &r.what, &err));
    scry_cancel();
    scry_mri_volume_run(&r.volume, r.rec, r.file, &r.what);
    scry_cancel_clear();
    assert_int_equal(r.steps, 0);
    assert_int_equal(r.volume.entries[0].done, 0);
    close_run(&r);
}

static void a_scan_without_a_slice_that_can_be_read_is_refused(void **state)
{
    (void)state;
    struct run r;
    scry_error err = {0};
    open_run(&r, "golden/kspace/bad_nan.h5");
    assert_fails(scry_mri_volume_prepare(&r.volume, r.rec, r.file, &r.what, &err), SCRY_ENUMERIC);
    close_run(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_share_the_slices),
        cmocka_unit_test(slices_keep_their_numbers),
        cmocka_unit_test(what_is_cancelled_is_not_done),
        cmocka_unit_test(a_scan_without_a_slice_that_can_be_read_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
