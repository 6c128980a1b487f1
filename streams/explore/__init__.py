"""Why a token was or was not told of, what each source is worth, and what other settings would tell.

Everything here runs the engine that runs live; no rule is written a second time.
"""
