"""Trust: whether to believe a fit.

Days that were held out (`evaluation`) are scored (`scoring`, `skill`) beside what needs no model
(`baselines`), fates are held against lineage barcodes (`validation`), and what in the data or the
fit is a reason for doubt is said (`caveats`), some of it before a fit (`checks`).
"""
