"""The demo: the RedNote wave played through the embedded run, watched live, and summed up."""
