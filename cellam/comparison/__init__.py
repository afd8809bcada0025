"""Comparison: whether, where and by how much the dynamics of two conditions differ."""
