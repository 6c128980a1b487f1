"""Which slot holds which token. The slot a token gets never shows in an alert."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.grown import copy_records, lines
from detectors.hashing import hash64
from detectors.kernels import intake
from detectors.layout import STATE

RESERVED: Final = 1 << 16
"""Slots to begin with: address space alone, until a token writes to one; growing copies."""


class Slots:
    """Slots of tokens, their keys and their state records; slots of evicted tokens are reused.

    >>> slots = Slots()
    >>> slots.of(["a", "b", "c"], np.array([0, 2, 0])).tolist(), len(slots)
    ([0, -1, 1], 2)
    >>> slots.free([0])
    >>> slots.of(["d"], np.array([0])).tolist(), slots.token(0)
    ([0], 'd')
    """

    def __init__(self, capacity: int = RESERVED) -> None:
        self.state = lines(capacity, STATE)
        self.hashes = np.zeros(capacity, np.int64)
        self._held = np.zeros(capacity, np.bool_)
        self._slot: dict[str, int] = {}
        self._token: list[str | None] = []
        self._unused: list[int] = []
        self._last: Sequence[str] = ()
        self._known: NDArray[np.int32] = np.empty(0, np.int32)
        self._gaps = 0  # how many of those are -1

    def __len__(self) -> int:
        return len(self._slot)

    @property
    def used(self) -> int:
        """Slots ever used: all live ones lie below."""
        return len(self._token)

    @property
    def held(self) -> NDArray[np.bool_]:
        """Which of the slots ever used hold a token; shape (used,)."""
        return self._held[: self.used]

    def token(self, slot: int) -> str:
        """The token a slot holds; KeyError where it holds none."""
        token = self._token[slot]
        if token is None:
            raise KeyError(slot)
        return token

    def tokens(self) -> list[tuple[str, int]]:
        """Every live token and its slot, in the tokens' order."""
        return sorted(self._slot.items())

    def of(self, tokens: Sequence[str], rows: NDArray[np.integer]) -> NDArray[np.int32]:
        """Slots of the tokens that ``rows`` index, new ones where needed; shape (len(tokens),).

        Tokens that no row names may have -1 and get no slot. For the same list object, if it only
        grew, what is known is reused; a batch's own short list in between does not change that.
        """
        before = self._known
        if self._last is tokens and len(before) == len(tokens) and not self._gaps:
            return before
        same = self._last is tokens and len(before) <= len(tokens)
        known, gaps = (before, self._gaps) if same else (before[:0], 0)
        begun = len(known)
        if begun < len(tokens):
            slots = map(self._slot.get, tokens[begun:], repeat(-1))
            new = np.fromiter(slots, np.int32, len(tokens) - begun)
            known = np.concatenate([known, new])
            gaps += int(np.count_nonzero(new < 0))
        if gaps:
            missing = np.empty(len(rows), np.int64)
            n_missing = intake.without_slot(known, rows, missing)
            absent = np.sort(missing[:n_missing])
            known[absent] = -1
            for row in absent.tolist():
                slot = self._slot.get(tokens[row])
                known[row] = self._new(tokens[row]) if slot is None else slot
                gaps -= 1
        if self._last is tokens or len(tokens) > min(len(rows), len(before)):
            self._last, self._known, self._gaps = tokens, known, gaps
        return known

    def free(self, slots: Sequence[int]) -> None:
        """Forget the tokens of some slots; their state is zeroed."""
        if not slots:
            return
        for slot in slots:
            del self._slot[self.token(slot)]
            self._token[slot] = None
        self.state.view(np.uint8).reshape(len(self.state), -1)[slots] = 0
        self._held[slots] = False
        self._unused.extend(slots)
        gone = (self._known >= 0) & ~self._held[self._known]
        self._known[gone] = -1
        self._gaps += int(np.count_nonzero(gone))

    def _new(self, token: str) -> int:
        if self._unused:
            slot = self._unused.pop()
            self._token[slot] = token
        else:
            slot = len(self._token)
            self._token.append(token)
            if slot == len(self.state):
                self._grow()
        self._slot[token] = slot
        self._held[slot] = True
        self.hashes[slot] = hash64(token)
        return slot

    def _grow(self) -> None:
        more = 2 * len(self.state)
        for name in ("state", "hashes", "_held"):
            old = getattr(self, name)
            array = lines(more, old.dtype)
            copy_records(array, old, len(old))
            setattr(self, name, array)
