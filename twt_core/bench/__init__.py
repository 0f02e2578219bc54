"""Alternatives side by side: one config with a grid, a run for each combination of it."""
