#include "lib/cancel.h"

#include <stdatomic.h>

/* A lock-free atomic, which both handlers of signals and other threads may use (C11 7.14.1.1). */
static atomic_int cancelled;

void scry_cancel(void)
{
    atomic_store_explicit(&cancelled, 1, memory_order_relaxed);
}

bool scry_cancelled(void)
{
    return atomic_load_explicit(&cancelled, memory_order_relaxed) != 0;
}

void scry_cancel_clear(void)
{
    atomic_store_explicit(&cancelled, 0, memory_order_relaxed);
}

scry_status scry_cancel_check(scry_error *err)
{
    return scry_cancelled() ? SCRY_FAIL(err, SCRY_ESTOP, "interrupted") : SCRY_OK;
}
