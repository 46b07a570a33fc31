#!/usr/bin/env python3
"""solvers/measured.inc from runs of the scorecard.

    scry verify gaussian --json gaussian.json
    scry verify mixture --json mixture.json
    python3 tests/bench/bands.py gaussian.json mixture.json > solvers/measured.inc

One document with both parts does as well. Rows of methods that could not serve are left out.
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
    rows = []
    for path in paths:
        with open(path) as f:
            document = json.load(f)
        for part in document["parts"]:
            if not all(key in part["metrics"] for key in KEYS):
                continue
            rows += [(part["part"], row) for row in part["rows"] if "metrics" in row]
    methods = list(dict.fromkeys(row["method"] for _, row in rows))
    rows.sort(key=lambda r: (methods.index(r[1]["method"]), r[0]))
    print("/* Written by tests/bench/bands.py from `scry verify --json`. */")
    sys.stdout.write("".join(filter(None, (initializer(*r) for r in rows))))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
