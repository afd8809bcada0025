"""Runs: a model on disk, whole or not at all (`archive`, `claims`, `run`)."""
