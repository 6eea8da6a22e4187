"""The Chromium of the browser tests and of the stored pictures."""

import os
import shutil


def chromium() -> str:
    """The path that the variable CHROMIUM has, or of the headless shell, or of any Chromium on PATH."""
    named = os.environ.get("CHROMIUM")
    found = named or shutil.which("chromium-headless-shell") or shutil.which("chromium")
    assert found, "Install Debian's chromium-headless-shell, or name a Chromium in the variable CHROMIUM."
    return found
