"""Which slot holds which token. The slot a token gets never shows in an alert."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.hashing import hash64
from detectors.layout import STATE


class Slots:
    """Slots of tokens, their keys and their state records; slots of evicted tokens are reused.

    >>> slots = Slots()
    >>> slots.of(["a", "b", "a"]).tolist(), len(slots)
    ([0, 1, 0], 2)
    >>> slots.free(0)
    >>> slots.of(["c"]).tolist(), slots.token(0)
    ([0], 'c')
    """

    def __init__(self, capacity: int = 64) -> None:
        self.state = np.zeros(capacity, STATE)
        self.hashes = np.zeros(capacity, np.int64)
        self._slot: dict[str, int] = {}
        self._token: list[str | None] = []
        self._unused: list[int] = []
        self._last: tuple[Sequence[str], int, NDArray[np.int32]] | None = None

    def __len__(self) -> int:
        return len(self._slot)

    @property
    def used(self) -> int:
        """Slots ever used: all live ones lie below."""
        return len(self._token)

    @property
    def held(self) -> NDArray[np.bool_]:
        """Which of the slots ever used hold a token; shape (used,)."""
        return np.array([token is not None for token in self._token], np.bool_)

    def token(self, slot: int) -> str:
        """The token a slot holds; KeyError where it holds none."""
        token = self._token[slot]
        if token is None:
            raise KeyError(slot)
        return token

    def tokens(self) -> list[tuple[str, int]]:
        """Every live token and its slot, in the tokens' order."""
        return sorted(self._slot.items())

    def of(self, tokens: Sequence[str]) -> NDArray[np.int32]:
        """Slots of tokens, new ones where needed; shape (len(tokens),).

        The answer for the same list object, if it only grew, is reused.
        """
        known: list[int] = []
        if self._last is not None and self._last[0] is tokens and self._last[1] <= len(tokens):
            if self._last[1] == len(tokens):
                return self._last[2]
            known = self._last[2].tolist()
        for token in tokens[len(known) :]:
            slot = self._slot.get(token)
            known.append(self._new(token) if slot is None else slot)
        slots = np.array(known, np.int32)
        self._last = (tokens, len(tokens), slots)
        return slots

    def free(self, slot: int) -> None:
        """Forget a token; its state is zeroed."""
        token = self.token(slot)
        del self._slot[token]
        self._token[slot] = None
        self.state[slot] = np.zeros((), STATE)
        self._unused.append(slot)
        self._last = None

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
        self.hashes[slot] = hash64(token)
        return slot

    def _grow(self) -> None:
        more = len(self.state) + max(64, len(self.state) // 2)
        state, hashes = np.zeros(more, STATE), np.zeros(more, np.int64)
        state[: len(self.state)] = self.state
        hashes[: len(self.hashes)] = self.hashes
        self.state, self.hashes = state, hashes
