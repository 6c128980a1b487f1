"""Stable 63-bit hashes of ids, and fingerprints of text."""

from __future__ import annotations

import re
from typing import Final

from xxhash import xxh64_intdigest

from detectors.resolve.normalise import LINK, normalise
from detectors.simhash import WORD_MAX, simhash

MASK63: Final = (1 << 63) - 1
_NAMES: Final = re.compile(r"[@#$]\w+")
_LONG: Final = re.compile(rf"(?<![a-z0-9])((?:[0-9]*+[a-z]){{{WORD_MAX}}})[a-z0-9]+")
_NOISE: Final = re.compile(r"[\W\d_]+")


def hash64(text: str) -> int:
    """Hash of a text in 0 .. 2**63 - 1 (XXH64), the same on every machine.

    >>> hash64("alice")
    8332761332120969289
    """
    return xxh64_intdigest(text.encode("utf-8", "surrogatepass")) & MASK63


def text_fingerprint(text: str) -> int:
    """Simhash of what is left of a post without links, handles, tags, digits, case, spaces, punctuation.

    Of a word of ASCII, as addresses are, the first ``WORD_MAX`` letters count. Nor does it matter
    what one cannot see: zero-width characters, lookalike letters, full width. Posts of one
    fingerprint are copies of each other, and so are long ones of near fingerprints:
    ``detectors.kernels.lanes.near_marks`` tells. 0 means too little text to tell.

    >>> text_fingerprint("BUY $MOMO now!! https://a.io") == text_fingerprint("buу $WIF  nоw")
    True
    >>> text_fingerprint("$MOMO !!!")
    0
    """
    words = _LONG.sub(r"\1", _NAMES.sub(" ", LINK.sub(" ", normalise(text))))
    return simhash(_NOISE.sub("", words))
