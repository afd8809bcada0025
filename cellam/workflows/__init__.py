"""Workflows: what a command does, as one call on a run, for Python and the command line alike.

A module is named after its command. Its function takes a run, checks everything before the work,
and returns a `Result` that knows its table, its JSON and how a notebook shows it.
"""
