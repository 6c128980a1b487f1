"""From a post's text to the tokens it names: contract address, then cashtag, then alias in context."""

from __future__ import annotations

from detectors.resolve.lexicon import Lexicon
from detectors.resolve.resolver import Resolver

__all__ = ["Lexicon", "Resolver"]
