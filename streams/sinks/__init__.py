"""Where alerts go once they are decided."""
