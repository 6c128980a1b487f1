"""The kernels give the same bytes compiled and as plain Python, warnings being errors."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np

from detectors import holdback
from tests.helpers.logs import alert_bytes, deal, play, random_log

ROOT = Path(__file__).parents[2]
SEEDS = (3, 11)


def digest() -> str:
    """Hash over the alerts of a few logs, restarts included."""
    out = hashlib.sha256()
    for seed in SEEDS:
        (inputs,) = deal(random_log(seed, n=350), 2, 1)
        for block in (3, holdback.BLOCK):
            with patch("detectors.holdback.BLOCK", block):
                alerts = play(inputs, np.random.default_rng(seed), restart=0.1)
            for raw in alert_bytes(alerts):
                out.update(raw)
    return out.hexdigest()


def test_uncompiled_kernels_give_the_same_bytes() -> None:
    code = "from tests.property.test_engine_uncompiled import digest; print(digest())"
    env = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", code],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == digest()
