"""A stretch of a live log in one file, with all that decided its alerts."""
