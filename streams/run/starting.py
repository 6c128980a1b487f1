"""What makes the start of a process short: nothing looks for garbage, or for a BLAS, meanwhile."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_BLAS: Final = "scipy.linalg"


@contextmanager
def starting() -> Iterator[Callable[[], None]]:
    """Until the function given is called, or the block ends, let garbage lie.

    What modules and kernels make at a start lives as long as the process: looking through it again and
    again is a seventh of loading the modules, and whoever collects later need not look at it either.

    >>> with starting() as over:
    ...     before = gc.isenabled()
    ...     over()
    ...     before, gc.isenabled()
    (False, True)
    """
    collecting = gc.isenabled()
    gc.disable()

    def over() -> None:
        nonlocal collecting
        if collecting:
            collecting = False
            gc.freeze()
            gc.enable()

    try:
        yield over
    finally:
        over()


def load_numba_without_blas() -> None:
    """Load what numba loads before its first kernel, without scipy, which it asks for matrix products.

    None of our kernels has one; scipy's part is a third of what loading kernels takes. For a process
    that does nothing else with numba or scipy; without effect where scipy is loaded already.
    """
    if _BLAS in sys.modules:
        return
    sys.modules[_BLAS] = None  # type: ignore[assignment] # so an import of it fails
    try:
        import numba.np.arraymath  # noqa: F401 is loaded once, now
    finally:
        del sys.modules[_BLAS]
