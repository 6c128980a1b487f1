"""What an interrupt (Ctrl-C) leaves, told in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from schemas.errors import GoldendogError


class InterruptError(GoldendogError):
    """A command was interrupted; the message says what is known of what it leaves.

    >>> str(InterruptError(KeyboardInterrupt()))
    'interrupted'
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__("; ".join(["interrupted", *getattr(error, "__notes__", ())]))


@contextmanager
def nothing_written() -> Iterator[None]:
    """Have an interrupt say that nothing was written, which whoever uses this makes true.

    >>> try:
    ...     with nothing_written():
    ...         raise KeyboardInterrupt
    ... except KeyboardInterrupt as error:
    ...     print(InterruptError(error))
    interrupted; nothing was written
    """
    try:
        yield
    except KeyboardInterrupt as error:
        error.add_note("nothing was written")
        raise
