"""The lexicon: which words name which token, in numbered versions.

Each version is whole and in force from a log time on, until the next one's. So a replay of last
month's posts reads them by last month's words.
"""

from __future__ import annotations

import hashlib
import json
import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from detectors.resolve.normalise import normalise
from detectors.resolve.terms import MAX_TERM_CHARS
from schemas.errors import LexiconError, RecordError
from schemas.tokens import canonical_token

LiquidityClass = Literal["high", "medium", "low", "unknown"]
LIQUIDITY_CLASSES: Final = ("unknown", "low", "medium", "high")
"""From the least to the greatest."""
_PATH: Final = re.compile(r"(.*?)(?: - at `\$\.?(.*)`)?\Z", re.DOTALL)


class LexiconToken(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """One token and the words for it.

    Parameters
    ----------
    token : CAIP-19 id.
    symbol : its ticker, without ``$``.
    name : its name as people write it; for display.
    aliases : words that name it without ``$``, at least two characters each.
    context : words beside which an ambiguous alias means the token; added to the common ones.
    ambiguous : whether the aliases also mean something else.
    liquidity_class : which of several tokens of one symbol is meant.
    """

    token: str
    symbol: str
    name: str = ""
    aliases: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    ambiguous: bool = False
    liquidity_class: LiquidityClass = "unknown"


class LexiconVersion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All tokens known from log time ``effective_log_ms`` on, until the next version's."""

    version: int
    effective_log_ms: int
    tokens: tuple[LexiconToken, ...]


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    versions: tuple[LexiconVersion, ...]


_DECODER: Final = msgspec.json.Decoder(_Document)


@dataclass(frozen=True)
class Lexicon:
    """Checked, canonical versions; the order of tokens, aliases and context words is lost.

    Examples
    --------
    >>> lexicon = Lexicon.parse('''{"versions": [{"version": 1, "effective_log_ms": 0, "tokens": [
    ...     {"token": "eip155:1/erc20:0x6982508145454Ce325dDbE47a25d4ec3d2311933",
    ...      "symbol": "PEPE", "aliases": ["pepe the frog"]}]}]}''')
    >>> lexicon.symbols()
    {'eip155:1/erc20:0x6982508145454ce325ddbe47a25d4ec3d2311933': 'PEPE'}
    >>> Lexicon.parse('{"versions": []}')
    Traceback (most recent call last):
    schemas.errors.LexiconError: lexicon: versions is empty; write at least one version
    """

    versions: tuple[LexiconVersion, ...]
    sha256: str

    @classmethod
    def parse(cls, text: bytes | str) -> Lexicon:
        """Read a JSON document; LexiconError names the place of what is wrong and what to write."""
        versions = tuple(_canonical(v, i) for i, v in enumerate(_decode(text)))
        if not versions:
            raise _error("versions is empty", "write at least one version")
        for i in range(1, len(versions)):
            _check_follows(f"versions[{i}]", versions[i - 1], versions[i])
        content = json.dumps(
            msgspec.to_builtins(versions), ensure_ascii=True, separators=(",", ":"), sort_keys=True
        )
        return cls(versions, hashlib.sha256(content.encode()).hexdigest())

    def in_force(self, ts_log_ms: int) -> int:
        """Index of the version in force at a log time; -1 before the first."""
        return bisect_right(self.versions, ts_log_ms, key=lambda v: v.effective_log_ms) - 1

    def followed_by(self, other: Lexicon, from_ms: int) -> Lexicon:
        """Give this one until log time ``from_ms``, and the other from then on, whose hash it has."""
        at = other.in_force(from_ms)
        first = (
            LexiconVersion(version=0, effective_log_ms=from_ms, tokens=())
            if at < 0
            else replace(other.versions[at], effective_log_ms=from_ms)
        )
        before = (v for v in self.versions if v.effective_log_ms < from_ms)
        return Lexicon((*before, first, *other.versions[at + 1 :]), other.sha256)

    def symbols(self) -> Mapping[str, str]:
        """Symbol of every token of every version; the latest version that knows a token decides."""
        return {t.token: t.symbol for version in self.versions for t in version.tokens}


def _error(problem: str, remedy: str) -> LexiconError:
    return LexiconError(f"lexicon: {problem}", remedy)


def _decode(text: bytes | str) -> tuple[LexiconVersion, ...]:
    try:
        raw = text.encode() if isinstance(text, str) else text
        # Editors on Windows begin UTF-8 files with a byte order mark.
        return _DECODER.decode(raw.removeprefix(b"\xef\xbb\xbf")).versions
    except msgspec.ValidationError as error:
        match = _PATH.match(str(error))
        assert match is not None  # the pattern matches any text
        problem, place = match[1].replace("`", "'"), match[2] or "the document"
        raise _error(f"{place}: {problem}", "see docs/lexicon.md for the fields") from None
    except msgspec.DecodeError as error:
        raise _error(f"not JSON: {error}", "write one JSON object in UTF-8") from None
    except UnicodeError:
        raise _error("not UTF-8 text", "save the file as UTF-8") from None


def _check_follows(place: str, before: LexiconVersion, after: LexiconVersion) -> None:
    if after.version <= before.version:
        what = "appears twice" if after.version == before.version else "comes after a later one"
        raise _error(
            f"{place}: version {after.version} {what}", "number versions upwards, each once"
        )
    if after.effective_log_ms <= before.effective_log_ms:
        raise _error(
            f"{place}: effective_log_ms {after.effective_log_ms} is not after version "
            f"{before.version}'s {before.effective_log_ms}",
            "order versions by the time they take effect",
        )


def _canonical(version: LexiconVersion, i: int) -> LexiconVersion:
    tokens: dict[str, LexiconToken] = {}
    for j, entry in enumerate(version.tokens):
        place = f"versions[{i}].tokens[{j}]"
        canonical = _canonical_token(entry, place)
        if canonical.token in tokens:
            raise _error(f"{place}.token: {canonical.token} appears twice", "merge the entries")
        tokens[canonical.token] = canonical
    return LexiconVersion(
        version=version.version,
        effective_log_ms=version.effective_log_ms,
        tokens=tuple(tokens[key] for key in sorted(tokens)),
    )


def _canonical_token(entry: LexiconToken, place: str) -> LexiconToken:
    try:
        token = canonical_token(entry.token)
    except RecordError as error:
        raise _error(f"{place}.token: {error.problem}", error.remedy) from None
    symbol = entry.symbol.strip().removeprefix("$")
    _check_length(normalise(symbol), f"{place}.symbol", "write its ticker, such as MOMO")
    return LexiconToken(
        token=token,
        symbol=symbol,
        name=entry.name,
        aliases=_terms(entry.aliases, f"{place}.aliases", at_least=2),
        context=_terms(entry.context, f"{place}.context", at_least=1),
        ambiguous=entry.ambiguous,
        liquidity_class=entry.liquidity_class,
    )


def _terms(terms: tuple[str, ...], place: str, *, at_least: int) -> tuple[str, ...]:
    """The terms in their matching form, sorted, each once."""
    found = set()
    for k, term in enumerate(terms):
        copy = normalise(term)
        _check_length(copy, f"{place}[{k}]", "delete it")
        if len(copy) < at_least:
            raise _error(
                f"{place}[{k}]: {term!r} is one character, which stands in ordinary words too",
                "write at least two characters",
            )
        found.add(copy)
    return tuple(sorted(found))


def _check_length(copy: str, place: str, remedy: str) -> None:
    if not copy:
        raise _error(f"{place}: is empty or invisible", remedy)
    if len(copy) > MAX_TERM_CHARS:
        raise _error(
            f"{place}: {copy[:20]!r}... has {len(copy)} characters",
            f"write at most {MAX_TERM_CHARS}",
        )
