"""Runs the fast part of the tests on the other Pythons that are here: python scripts/pythons.py [3.12 ...].

`make test` runs all of them on this Python. Each of the others gets a virtual environment of its
own, .venv-3.x, with what pip gives for it now.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
PART = (
    *("tests/engine", "tests/client", "tests/entities", "tests/values", "tests/store", "tests/replay"),
    *("tests/traps", "tests/changing", "tests/activities", "tests/caching"),
    *("tests/core", "tests/test_gallery.py", "tests/hub/test_task_hub.py", "tests/notebook/test_magics.py"),
)
"""Of the tests that see what the Pythons do differently: code that is read, threads, values, files."""

ABOUT = "import ensurepip, sys, venv; print('.'.join(map(str, sys.version_info[:3])))"
SUMMARY = re.compile(r"^=*\s*((?:\d+ \w+,? ?)+ in [\d.]+s.*?)\s*=*$", re.MULTILINE)


def main() -> int:
    """The command; 1 if a test failed, or a Python that was named isn't here."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("versions", nargs="*", metavar="3.x", help=f"which ones of {', '.join(VERSIONS)}")
    parser.add_argument(
        "--environments", type=Path, default=ROOT, metavar="FOLDER", help="where .venv-3.x go"
    )
    parser.add_argument("--workers", default=str(1 + (os.cpu_count() or 1)), metavar="N", help="of pytest")
    asked = parser.parse_args()
    unknown = [version for version in asked.versions if version not in VERSIONS]
    if unknown:
        parser.error(f"{', '.join(unknown)}: expected some of {', '.join(VERSIONS)}")
    told, is_sound = [], True
    this = "{}.{}".format(*sys.version_info)
    for version in asked.versions or [one for one in VERSIONS if one != this]:
        python = found(version)
        if python is None:
            told.append(f"{version}: not here")
            is_sound = is_sound and version not in asked.versions
            continue
        place = asked.environments / f".venv-{version}"
        print(f"--- {version}: {python} in {place}", flush=True)
        try:
            done = tested(prepared(place, python), asked.workers)
        except subprocess.CalledProcessError as error:
            told.append(f"{full_version(python)}: no environment could be made: {error}")
            is_sound = False
            continue
        print(done.stdout if done.returncode else "", done.stderr, sep="", flush=True)
        summary = SUMMARY.findall(done.stdout)
        told.append(f"{full_version(python)}: {summary[-1] if summary else 'the tests did not begin'}")
        is_sound = is_sound and done.returncode == 0
    print(*told, sep="\n")
    return 0 if is_sound else 1


def candidates(version: str) -> Iterator[str]:
    """Where such a Python may be: on the path, pyenv's, the system's, and the one that runs this."""
    name = f"python{version}"
    yield from filter(None, (shutil.which(name), shutil.which("python3"), sys.executable))
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for folder in sorted((pyenv / "versions").glob(f"{version}.*"), reverse=True):
        yield str(folder / "bin" / name)
    for folder in ("/usr/local/bin", "/usr/bin"):
        yield f"{folder}/{name}"


def found(version: str) -> str | None:
    """A Python of this version that can make environments."""
    return next(
        (one for one in candidates(version) if f"{full_version(one)}.".startswith(f"{version}.")), None
    )


def full_version(python: str) -> str:
    """Its version; empty if it doesn't run, as pyenv's shims may, or can't make environments."""
    try:
        return subprocess.run(
            [python, "-c", ABOUT], capture_output=True, text=True, cwd=Path(sys.prefix), check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def prepared(place: Path, python: str) -> Path:
    """The Python of the environment, with all that the tests need."""
    inside = place / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    wanted = hashlib.sha256(
        (ROOT / "pyproject.toml").read_bytes() + full_version(python).encode()
    ).hexdigest()
    stamp = place / ".made"
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([python, "-m", "venv", "--clear", place], check=True)
        pip = [inside, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        subprocess.run([*pip, "--editable", f"{ROOT}[test]"], check=True)
        stamp.write_text(wanted)
    return inside


def tested(python: Path, workers: str) -> subprocess.CompletedProcess[str]:
    """What the tests say."""
    return subprocess.run(
        [
            *(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", workers),
            *PART,
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        # IPython warns of an environment that is active and isn't its own.
        env={name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"},
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main())
