"""Sentence vectors, each computed once and kept on disk for all runs of a project folder."""
