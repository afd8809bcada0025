"""Checks: what in the data, or in a fit, makes its answers less to be believed."""
