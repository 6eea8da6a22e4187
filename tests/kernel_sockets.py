"""The ports of kernels in tests.

Jupyter's client looks for free ports, closes them, and starts the kernel, which binds them: with many kernels
and servers at a time, another process may have taken one meanwhile. Here each process of the tests has ports
of its own, below those that the system gives away.
"""

import os
import socket
from itertools import count

from traitlets.config import Config

_NAMES = ("shell_port", "iopub_port", "stdin_port", "hb_port", "control_port")
_EACH = 4_000

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_numbers = count(os.getpid() % _EACH)


def kernel_config() -> Config:
    """For a `KernelManager` or a `NotebookClient`."""
    return Config(KernelManager=Config({name: _port() for name in _NAMES}, cache_ports=False))


def _port() -> int:
    while True:
        port = 10_000 + _worker % 5 * _EACH + next(_numbers) % _EACH
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
