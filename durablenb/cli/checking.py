"""The commands that look for faults: ``repair`` and ``check``."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

from durablenb.cli.reading import print_json
from durablenb.store.repair import repair as repair_file


def repair(options: argparse.Namespace) -> int:
    """Repair a hub that can't be opened; no file is deleted."""
    report = repair_file(options.file)
    if options.json:
        found = asdict(report)
        print_json(found | {"path": str(report.path), "kept": [str(file) for file in report.kept]})
    else:
        print(report)
    return 1 if report.verdict == "unreadable" else 0


def check(options: argparse.Namespace) -> int:
    """Check the orchestrators in files, notebooks and folders, without running them."""
    from durablenb.checks.files import check_files

    report = check_files(options.paths)
    if options.json:
        print_json([one.as_json() for one in report.findings])
    else:
        for finding in report.findings:
            print(finding)
        print(report)
    for problem in report.problems:
        print("durablenb:", problem, file=sys.stderr)
    return 2 if report.problems else int(bool(report.findings))
