#include "datasets/datasets.h"
typedef int scry_datasets_empty;
