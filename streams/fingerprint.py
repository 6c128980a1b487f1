"""What decided an alert, as one short hash: settings, model, lexicon, code, Unicode version."""

from __future__ import annotations

import hashlib
import json
import unicodedata

from detectors.model import Model
from detectors.settings import EngineSettings
from streams.sources_hash import sources_hash


def fingerprint_parts(
    settings: EngineSettings, model: Model, lexicon_sha256: str
) -> dict[str, str]:
    """The parts by name, each a hash or a version: what ``goldendog diff`` compares.

    >>> from detectors.model import blank_model
    >>> sorted(fingerprint_parts(EngineSettings(), blank_model(), ""))
    ['code', 'lexicon', 'model', 'settings', 'unicode']
    """
    canonical = json.dumps(settings.canonical(), sort_keys=True)
    return {
        "settings": hashlib.sha256(canonical.encode()).hexdigest()[:16],
        "model": model.sha256[:16],
        "lexicon": lexicon_sha256[:16],
        "code": sources_hash()[:16],
        "unicode": unicodedata.unidata_version,
    }


def fingerprint(settings: EngineSettings, model: Model, lexicon_sha256: str = "") -> str:
    """Sixteen hex digits over all parts.

    >>> from detectors.model import blank_model
    >>> len(fingerprint(EngineSettings(), blank_model(), "ab"))
    16
    """
    parts = fingerprint_parts(settings, model, lexicon_sha256)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
