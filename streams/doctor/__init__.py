"""``goldendog doctor``: what on this machine would keep goldendog from working, and what to do."""
