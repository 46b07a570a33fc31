#ifndef SCRY_TESTS_CHECK_H
#define SCRY_TESTS_CHECK_H

/* Included by every test: cmocka in the order it wants, and comparisons in double. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <math.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/status.h"
#include "lib/memory_watch.h"

#define assert_near(a, b, tol)                                                                     \
    do {                                                                                           \
        const double a_ = (a), b_ = (b), tol_ = (tol);                                             \
        if (!(fabs(a_ - b_) <= tol_)) {                                                            \
            print_error("%s = %.9g, expected %.9g within %.3g (off by %.3g)\n", #a, a_, b_, tol_,  \
                        a_ - b_);                                                                  \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

#define assert_below(a, limit)                                                                     \
    do {                                                                                           \
        const double a_ = (a), limit_ = (limit);                                                   \
        if (!(a_ < limit_)) {                                                                      \
            print_error("%s = %.9g, expected below %.9g\n", #a, a_, limit_);                       \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

/* The call succeeds, or the test prints its message. Needs `scry_error err` in scope, {0}. */
#define assert_ok(call)                                                                            \
    do {                                                                                           \
        if ((call) != SCRY_OK) {                                                                   \
            print_error("%s: %s: %s\n", #call, err.where, err.text);                               \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

/* The call fails with this code and says something; clears err for the next. */
#define assert_fails(call, expected)                                                               \
    do {                                                                                           \
        const scry_status st_ = (call);                                                            \
        if (st_ != (expected) || !err.text[0]) {                                                   \
            print_error("%s gave %s (\"%s\"), expected %s\n", #call, scry_status_name(st_),        \
                        err.text, scry_status_name(expected));                                     \
            fail();                                                                                \
        }                                                                                          \
        err = (scry_error){0};                                                                     \
    } while (0)

/* Data that the repository does not carry: $SCRY_SHARED, else ../shared beside the repository,
 * which is the parent of the directory that ctest runs tests in. NULL when the file is not there:
 * then the test calls skip(), after naming the missing data. */
static inline const char *shared_path(const char *name)
{
    static char path[4096];
    const char *root = getenv("SCRY_SHARED");
    snprintf(path, sizeof path, "%s/%s", root ? root : "../../shared", name);
    if (access(path, R_OK) == 0) return path;
    print_message("skipped: %s is not there\n", path);
    return NULL;
}

#endif
