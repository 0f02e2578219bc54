"""Measuring answers: of a run's students, and of any other model (`twt evaluate`, `twt compare`)."""
