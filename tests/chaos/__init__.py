"""Real workers on a real broker, in every kind of trouble."""

from streams.numba_cache import prepare_numba_cache

prepare_numba_cache()  # before anything imports the core
