"""Records of plain form, scanned: what is one, and what a batch of one kind is."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.batch.resolver import BatchResolver
from detectors.batch.text_table import TextTable
from detectors.batch.wire import ANY_KIND, scan_records
from detectors.columns import MENTION, TICK
from detectors.hashing import hash64
from schemas.decode import encode_record
from schemas.platforms import platform_number
from schemas.records import Mention, Tick
from tests.helpers.records import LEXICON, T0, TOKENS, plain, rows_one_by_one


def test_part_of_scanned_records() -> None:
    tick = Tick("t", T0, TOKENS[1], 0.5, 10, "sell", "w")
    raws = [encode_record(r) for r in (Mention("m", T0, "x", "ann", "$MOMO"), tick)]
    part = scan_records([b"{}", *raws, b"{}"]).part(1, 3)
    assert part.plain.all() and part.kind.tolist() == [0, 1]
    assert not scan_records([b'{"id":"m', b'{"id']).plain.any()
    line = raws[1]
    for change in (
        (b'"trader_id":"w"', b'"trader_id":""'),
        (b'"token":"' + TOKENS[1].encode(), b'"token":"'),
        (b'"side":"sell"', b'"side":"swap"'),
        (b'"id":"t"', b'"id":""'),
        (f'"ts_event_ms":{T0}'.encode(), b'"ts_event_ms":17'),
        (b',"trader_id":"w"', b""),
        (b',"side"', b',"text":"","side"'),
        (b'"id":"t"', b'"id":"t","ts_log_ms":17'),
        (f'"ts_event_ms":{T0}'.encode(), f'"ts_event_ms":17,"ts_log_ms":{T0}'.encode()),
        (b'"id":"t"', b'"id":"t","order":4700000000000000000'),
        (b'"price_usd":0.5', b'"price_usd":0.' + b"0" * 290 + b"5"),
        (b'"price_usd":0.5', b'"price_usd":"0.5"' + b" " * 3 + b"x"),
        (b'"price_usd":0.5', b'"price_usd":"0.5'),
        (b'"value_usd":10', b'"value_usd":-5'),
    ):
        assert change[0] in line
        assert not scan_records([line.replace(*change)]).plain.any(), change
    for change in ((b'"text"', b'"ts_post_ms":17,"text"'), (b'"text"', b'"reach":-1,"text"'), (b'"x"', b'"' + b"x" * 33 + b'"'),
                   (b'"ann"', b'""'), (b'"text"', b'"side":"buy","text"')):  # fmt: skip
        assert change[0] in raws[0]
        assert not scan_records([raws[0].replace(*change)]).plain.any(), change


@pytest.mark.parametrize("kind", [MENTION, TICK])
def test_a_batch_of_one_kind_is_what_it_is_among_others(kind: int) -> None:
    made: list[Mention | Tick] = [
        Mention(f"m{i}", T0, "x", "ann", f"$MOMO {'龙' * i}", reach=i)
        if kind == MENTION
        else Tick(f"t{i}", T0, TOKENS[i % 2], "0.5", i, "sell", "w", liquidity_usd=7)
        for i in range(5)
    ]
    raws = [encode_record(record) for record in made]
    whole = []
    for among in ([], [b'{"type":"gap"}']):
        scanned = scan_records([*among, *raws], kind if not among else ANY_KIND)
        assert scanned.only == (kind if not among else ANY_KIND)
        rows, resolver = np.flatnonzero(scanned.plain), BatchResolver(LEXICON)
        flat = scanned.flat(rows, scanned.ts_log_ms[rows], resolver.token_numbers)
        whole.append(plain(flat.columns(resolver)[0]))
    assert whole[0] == whole[1] == rows_one_by_one(made)
    assert not scan_records(raws, TICK if kind == MENTION else MENTION).plain.any()


def test_platforms_of_scanned_posts_however_they_are_spelled() -> None:
    names = ["x", "RedNote", "usenet", "twitter", " TikTok", "xiaohongshu", "other", "x ", ""]
    raws = [
        encode_record(Mention(f"m{i}", T0, name, "ann", "$MOMO")) for i, name in enumerate(names)
    ]
    scanned = scan_records(raws)
    assert scanned.plain.all()
    n = len(names)
    flat = scanned.flat(np.arange(n), np.full(n, T0), TextTable(hash64))
    assert flat.aux.tolist() == [platform_number(name) for name in names]
