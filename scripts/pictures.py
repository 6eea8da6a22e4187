"""Draws the pictures of the README and of the documentation's front page, in light and in dark colours.

Run it from the root after a change of the views: ``python scripts/pictures.py``. It needs Playwright, and a
Chromium, whose path can be given in the variable CHROMIUM. The scenes are those of the gallery.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import sync_playwright

from durablenb.notebook.themes import DARK
from tests.chromium import chromium

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "_static" / "pictures"
COLOUR = re.compile(r'="(#[0-9a-f]{3,6})"')
SCHEMES = ("light", "dark")
KEYS = ("Home", "PageDown", "PageDown", "ArrowLeft")
"""The way to the step of the explorer that is shown."""


def main() -> None:
    """Draw all pictures."""
    sys.path.insert(0, str(ROOT / "docs" / "_ext"))
    import scenes

    hub = scenes.made()
    FOLDER.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder:
        picture, page = Path(folder, "running.svg"), Path(folder, "page.html")
        hub.handle("thumbnails-june").save(picture)
        hub.handle("season-2026").save(page)
        light = picture.read_text("utf-8")
        dark = COLOUR.sub(lambda match: f'="{DARK.get(match[1], match[1])}"', light)
        for scheme, svg in zip(SCHEMES, (light, dark), strict=True):
            (FOLDER / f"running-{scheme}.svg").write_text(svg, "utf-8", newline="\n")
            (FOLDER / f"explorer-{scheme}.png").write_bytes(explorer(page, scheme))
    hub.close()


def explorer(page: Path, scheme: str) -> bytes:
    """Return a picture of the replays in a saved page."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        context = browser.new_context(
            color_scheme=scheme,
            viewport={"width": 1080, "height": 900},
            device_scale_factor=1.5,
            offline=True,
        )
        opened = context.new_page()
        opened.goto(page.as_uri())
        opened.wait_for_selector("#history tbody tr")
        opened.evaluate("document.querySelector('.dnb-explorer').focus()")
        for key in KEYS:
            opened.keyboard.press(key)
        opened.add_style_tag(content=".dnb-live *:focus-visible { outline: none !important }")
        shot = opened.locator("#replays").screenshot()
        browser.close()
    file = io.BytesIO()
    Image.open(io.BytesIO(shot)).convert("RGB").quantize(96).save(file, "png", optimize=True)
    return file.getvalue()


if __name__ == "__main__":
    main()
