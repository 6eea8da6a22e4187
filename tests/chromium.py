"""The Chromium of the browser tests and of the stored pictures."""

import os
import shutil


def chromium() -> str:
    """The one that the variable CHROMIUM names, or one on PATH: without windows, it takes half the time."""
    named = os.environ.get("CHROMIUM")
    found = named or shutil.which("chromium-headless-shell") or shutil.which("chromium")
    assert found, "Install Debian's chromium-headless-shell, or name a Chromium in the variable CHROMIUM."
    return found
