"""Programs that nobody has read, run in a process that can compute and do nothing else. Start at `contained`.

`inside` and what it imports run in that process, without site-packages: they use the standard library alone.
"""
