"""Which partition a key belongs to: murmur2, as every Kafka client but librdkafka does it.

Producers, the embedded log and the workers must agree, or a token's mentions and ticks part ways.
librdkafka (confluent clients) agrees when told ``partitioner=murmur2_random``.
"""

from __future__ import annotations

from typing import Final

_MASK: Final = 0xFFFF_FFFF
_SEED: Final = 0x9747_B28C
_M: Final = 0x5BD1_E995


def murmur2(data: bytes) -> int:
    """32-bit murmur2 hash of ``data``, unsigned, with Kafka's seed.

    >>> hex(murmur2(b"21"))  # the reference value of the Java client's own test, as unsigned
    '0xc5f2f8ec'
    """
    length = len(data)
    h = (_SEED ^ length) & _MASK
    whole = length & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * _M & _MASK
        k = (k ^ (k >> 24)) * _M & _MASK
        h = (h * _M & _MASK) ^ k
    if tail := data[whole:]:
        h = (h ^ int.from_bytes(tail, "little")) * _M & _MASK
    h = (h ^ (h >> 13)) * _M & _MASK
    return h ^ (h >> 15)


def partition_of(key: bytes, n: int) -> int:
    """Partition, in ``0..n-1``, of ``key`` in a topic of ``n`` partitions.

    >>> partition_of(b"solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp/token:MOMO", 1)
    0
    >>> sorted({partition_of(str(i).encode(), 4) for i in range(100)})
    [0, 1, 2, 3]
    """
    return (murmur2(key) & 0x7FFF_FFFF) % n
