"""Simhash of what a post says: near texts have near hashes, by the number of bits that differ.

Every run of four letters is hashed to 61 bits, and each bit of the simhash is what most runs have there. The
expected distance is 61 times the angle between the texts' counts of runs, over pi.

References
----------
Charikar (2002), Similarity estimation techniques from rounding algorithms, STOC.
Manku, Jain & Das Sarma (2007), Detecting near-duplicates for web crawling, WWW.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

import numpy as np

LETTERS_MIN: Final = 4
"""Fewer letters are too little to tell."""
WORD_MAX: Final = 8
"""Letters of a word of ASCII that count: posts that share a contract address share little text."""
GRAMS_MAX: Final = 255
"""A text is told by so many grams from its beginning, so that a long one costs no more."""
GRAMS_LONG: Final = 16
"""Texts of fewer grams are near each other by chance: they are copies only where they are equal."""
NEAR: Final = 11
"""Most bits in which copies differ."""
WIDE: Final = 0x2E80
"""Letters from here on (Chinese, Japanese, Korean) say as much as two."""
GRAM_BITS: Final = 64
LETTER_BITS: Final = 16
LONG: Final = 2
"""Bit of a fingerprint that says that its text is long enough to have near copies."""
KEPT: Final = (1 << 63) - 4
"""Bits of the simhash that a fingerprint keeps."""
MIX: Final = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
"""Odd factors of Steele, Lea & Flood (2014), Fast splittable pseudorandom number generators."""
MIX_SHIFT: Final = 32


def simhash(letters: str) -> int:
    """Fingerprint of a text's letters, in 0 .. 2**63 - 1; 0 where they are too few.

    >>> simhash("momo"), simhash("mom")
    (8779835799419560061, 0)
    >>> a = simhash("thisisthenextbigrunnerwatchthevolumetoday")
    >>> b = simhash("thisisthenextbigrunnerwatchitsvolumetoday")
    >>> c = simhash("topwalletsaresellingintoitandthepoolisthin")
    >>> (a ^ b).bit_count(), (a ^ c).bit_count()
    (11, 30)
    """
    if len(letters) < LETTERS_MIN:
        return 0
    mixed = np.array(list(islice(_grams(letters), GRAMS_MAX)), "<u8")
    for factor in MIX:
        mixed *= np.uint64(factor)
        mixed ^= mixed >> np.uint64(MIX_SHIFT)
    n = len(mixed)
    bits = np.unpackbits(mixed.view(np.uint8).reshape(n, 8), axis=1, bitorder="little")
    most = np.packbits(2 * bits.sum(axis=0, dtype=np.int64) > n, bitorder="little")
    long = LONG if n >= GRAMS_LONG else 0
    return int.from_bytes(most.tobytes(), "little") & KEPT | long | 1


def _grams(letters: str) -> Iterator[int]:
    """Each run of four letters, of which a wide one counts for two, as 64 bits."""
    gram = filled = 0
    for letter in map(ord, letters):
        width = LETTER_BITS if letter < WIDE else 2 * LETTER_BITS
        gram = (gram << width ^ letter) & (1 << GRAM_BITS) - 1
        filled += width
        if filled >= GRAM_BITS:
            yield gram
