#ifndef SCRY_TESTS_OWN_METHOD_LANDWEBER_H
#define SCRY_TESTS_OWN_METHOD_LANDWEBER_H

#include "solvers/registry.h"

extern const struct scry_method scry_method_landweber;

#endif
