#!/usr/bin/env python3
"""solvers/measured.inc from runs of the scorecard.

    scry verify gaussian --json gaussian.json
    scry verify mixture --json mixture.json
    python3 tests/bench/bands.py gaussian.json mixture.json > solvers/measured.inc

One document with both parts does as well. Of a row in several documents the last one counts, so
that single methods can be measured again. Methods that could not serve are left out.
"""
import json
import sys

KEYS = ("bias_prior", "sd_low", "sd_median", "sd_high", "cover90")


def initializer(part, row):
    values = [row["metrics"][key] for key in KEYS]
    if any(v["value"] is None or v["error"] is None for v in values):
        return None
    names = ", ".join('"%s"' % s for s in (row["method"], part, row["operator"], row["problem"]))
    numbers = ["{ %.3f, %.3f }" % (v["value"], v["error"]) for v in values]
    cost = ", ".join("%.0f" % row["cost"][key] for key in ("denoise", "vjp", "apply"))
    return "    { %s, %s,\n      %s },\n" % (names, cost, ", ".join(numbers))


def main(paths):
    rows = {}
    for path in paths:
        with open(path) as f:
            document = json.load(f)
        for part in document["parts"]:
            if not all(key in part["metrics"] for key in KEYS):
                continue
            for row in part["rows"]:
                problem = (row["method"], part["part"], row["operator"], row["problem"])
                rows.pop(problem, None)
                if "metrics" in row:
                    rows[problem] = row
    print("/* Written by tests/bench/bands.py from `scry verify --json`. */")
    for (_, part, _, _), row in sorted(rows.items()):
        sys.stdout.write(initializer(part, row) or "")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
