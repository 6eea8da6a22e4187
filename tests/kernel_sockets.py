"""The ports of kernels in tests.

Jupyter's client looks for free ports, closes them, and starts the kernel, which binds them: with many kernels
and servers at a time, another process may have taken one meanwhile. Here each process of the tests has a
block of ports of its own, below those that the system gives away. It holds the first one for as long as it
lives, so that no other process of tests, of whichever run, takes the block.
"""

import atexit
import socket
from functools import cache
from itertools import cycle

from traitlets.config import Config

_NAMES = ("shell_port", "iopub_port", "stdin_port", "hb_port", "control_port")
_FIRST = 10_000
_EACH = 220
_BLOCKS = 100


def kernel_config() -> Config:
    """For a `KernelManager` or a `NotebookClient`."""
    return Config(KernelManager=Config({name: _port() for name in _NAMES}, cache_ports=False))


def _port() -> int:
    _, ports = _block()
    for port in ports:
        if (bound := _bound(port)) is not None:
            bound.close()
            break
    return port


@cache
def _block() -> tuple[socket.socket, "cycle[int]"]:
    """The socket that holds the block, and its other ports, over and over."""
    for first in range(_FIRST, _FIRST + _BLOCKS * _EACH, _EACH):
        if (holder := _bound(first)) is not None:
            atexit.register(holder.close)
            return holder, cycle(range(first + 1, first + _EACH))
    raise RuntimeError(f"All {_BLOCKS} blocks of ports are taken. Wait for the end of other test runs.")


def _bound(port: int) -> socket.socket | None:
    """A socket bound to the port; None if another process has it."""
    bound = socket.socket()
    try:
        bound.bind(("127.0.0.1", port))
    except OSError:
        bound.close()
        return None
    return bound
