"""Many records at once, compiled: hashes, fingerprints and tokens of texts, straight from bytes.

Each function here gives what its plain counterpart gives one text at a time (``detectors.hashing``,
``detectors.resolve``), bit for bit; what it cannot be sure of it hands to that counterpart.
"""
