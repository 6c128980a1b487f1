"""Compiled kernels are kept between test runs; the folder must be set before they are imported."""

from __future__ import annotations

from streams.numba_cache import prepare_numba_cache

prepare_numba_cache()
