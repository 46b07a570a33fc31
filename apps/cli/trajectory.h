#ifndef SCRY_APPS_CLI_TRAJECTORY_H
#define SCRY_APPS_CLI_TRAJECTORY_H

#include "apps/recon/trajectory.h"

/* What `sample --trajectory` writes: a figure (PNG), and its numbers beside it as JSON. */

/* "t.png" to "t.json", into `size` characters. EINVAL: another ending, or too long. */
scry_status trajectory_json_path(char *out, size_t size, const char *png, scry_error *err);

scry_status trajectory_write_json(const char *path, const scry_trajectory *t,
                                  const scry_trajectory_request *request, const char *prior,
                                  scry_error *err);
scry_status trajectory_write_figure(const char *path, const scry_trajectory *t,
                                    const scry_trajectory_request *request, scry_error *err);

#endif
