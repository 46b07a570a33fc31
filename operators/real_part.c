#include "operators/real_part.h"

#include "lib/given.h"
#include "lib/memory.h"
#include "operators/op_impl.h"

struct real_part {
    scry_op base;
    float beside;
};

static scry_status real_part_apply(const scry_op *A, float *y, const float *x, void *work,
                                   scry_error *err)
{
    const size_t n = scry_space_count(&A->dom);
    const float beside = ((const struct real_part *)A)->beside;
    (void)work;
    (void)err;
    for (size_t i = 0; i < n; i++) {
        y[2 * i] = x[2 * i];
        y[2 * i + 1] = beside * x[2 * i + 1];
    }
    return SCRY_OK;
}

static void real_part_destroy(scry_op *A)
{
    scry_free(A);
}

static const struct scry_op_ops real_part_ops = {.name = "real part",
                                                 .forward = real_part_apply,
                                                 .adjoint = real_part_apply,
                                                 .destroy = real_part_destroy};

scry_status scry_real_part_create(scry_op **out, const scry_space *s, double beside,
                                  scry_error *err)
{
    if (out) *out = NULL;
    if (SCRY_MISSING(err, out, s)) return SCRY_EINVAL;
    if (!s->cplx) return SCRY_FAIL(err, SCRY_ESHAPE, "real part of a real image, expected complex");
    if (!(beside >= 0 && beside <= 1))
        return SCRY_FAIL(err, SCRY_EINVAL, "imaginary part times %g, expected 0 to 1", beside);
    struct real_part *P = scry_alloc(1, sizeof *P);
    if (!P) return SCRY_FAIL(err, SCRY_ENOMEM, "real part");
    P->base = (scry_op){.ops = &real_part_ops, .dom = *s, .cod = *s};
    P->beside = (float)beside;
    *out = &P->base;
    return SCRY_OK;
}
