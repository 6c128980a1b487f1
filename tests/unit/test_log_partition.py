from __future__ import annotations

import random
from unittest.mock import Mock

import pytest
from aiokafka.partitioner import DefaultPartitioner as AiokafkaPartitioner
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner import DefaultPartitioner as KafkaPythonPartitioner

from streams.log.partition import murmur2, partition_of


@given(st.binary(max_size=200), st.integers(1, 64))
def test_agrees_with_both_clients(key: bytes, n: int) -> None:
    numbers = list(range(n))
    ours = partition_of(key, n)
    assert ours == AiokafkaPartitioner()(key, numbers, numbers)
    cluster = Mock(topics=lambda: {"t"}, partitions_for_topic=lambda _t: set(numbers))
    cluster.available_partitions_for_topic = cluster.partitions_for_topic
    assert ours == KafkaPythonPartitioner().partition("t", None, key, None, b"", cluster)


@pytest.mark.parametrize(
    ("data", "signed"),
    [  # from the Java client's UtilsTest
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_java_values(data: bytes, signed: int) -> None:
    assert murmur2(data) == signed % 2**32


def test_spreads_tokens() -> None:
    rng, counts = random.Random(1), [0] * 8
    for _ in range(4000):
        counts[partition_of(b"solana:token:" + rng.randbytes(32), 8)] += 1
    assert min(counts) > 400
