"""The part of a traceback that is the user's: without the frames of pydantic-ai around it."""

from __future__ import annotations

import sysconfig
from pathlib import Path
from types import TracebackType

import pydantic_ai

_LIBRARIES = (
    str(Path(__file__).parent.parent),
    str(Path(pydantic_ai.__file__).parent.parent),
    sysconfig.get_path("stdlib"),
    "<frozen ",
)
"""The beginnings of the names of files that aren't the user's."""


def own_part(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback from its first frame in the user's code on; None if it has no such frame.

    The lines of a tool, or of a function that an agent calls, are at the end of dozens of frames of
    pydantic-ai. Of a traceback that is recorded only the last frames are kept.
    """
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_LIBRARIES):
        trace = trace.tb_next
    return trace
