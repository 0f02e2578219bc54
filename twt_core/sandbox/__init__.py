"""Programs that nobody has read, run in processes that can compute and do nothing else. Start at `contained`.

`launch` and what it imports run without site-packages: they use the standard library alone.
"""
