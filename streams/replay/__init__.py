"""Recorded logs through the very same detectors, and the difference between two runs.

``streams.replay.api.replay`` is the way in from Python.
"""
