#!/usr/bin/env python3
"""solvers/calibration_labels.inc from runs of the scorecard.

    scry verify gaussian --json gaussian.json
    scry verify mixture --json mixture.json
    scry verify gaussian --method mmps --steps 60 --full --json accurate.json
    python3 tests/bench/bands.py solvers/calibration_labels.inc \\
        gaussian.json mixture.json accurate.json

Brings the file up to date: a row of a document replaces the one of the same method, part, problem
and settings; the others stay. Of a row in several documents the last one counts. Methods that could
not serve are left out. With --forget METHOD[,METHOD] all older rows of a method go first.
"""
import argparse
import json
import re

KEYS = ("bias_prior", "sd_low", "sd_median", "sd_high", "cover90")
HEAD = "/* Written by tests/bench/bands.py from `scry verify --json`. */\n"
ROW = re.compile(r'    \{ "(.*?)", "(.*?)", "(.*?)", "(.*?)", "(.*?)", .*\n.*\n')


def initializer(key, row):
    values = [row["metrics"][name] for name in KEYS]
    if any(v["value"] is None or v["error"] is None for v in values):
        return None
    names = ", ".join('"%s"' % s for s in key)
    numbers = ["{ %.3f, %.3f }" % (v["value"], v["error"]) for v in values]
    cost = ", ".join("%.0f" % row["cost"][name] for name in ("denoise", "vjp", "apply"))
    return "    { %s, %s,\n      %s },\n" % (names, cost, ", ".join(numbers))


def add_document(rows, path):
    with open(path) as f:
        document = json.load(f)
    for part in document["parts"]:
        if not all(key in part["metrics"] for key in KEYS):
            continue
        for row in part["rows"]:
            key = (row["method"], part["part"], row["operator"], row["problem"], row["settings"])
            rows.pop(key, None)
            text = initializer(key, row) if "metrics" in row else None
            if text:
                rows[key] = text


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", help="calibration_labels.inc")
    parser.add_argument("documents", nargs="*", help="JSON of scry verify")
    parser.add_argument("--forget", default="", metavar="METHODS")
    args = parser.parse_args()
    with open(args.table) as f:
        rows = {m.groups(): m.group(0) for m in ROW.finditer(f.read())}
    for key in [k for k in rows if k[0] in args.forget.split(",")]:
        del rows[key]
    for path in args.documents:
        add_document(rows, path)
    with open(args.table, "w") as f:
        f.write(HEAD)
        for key in sorted(rows, key=lambda k: (k[0], k[4], k[1], k[2], k[3])):
            f.write(rows[key])


if __name__ == "__main__":
    main()
