"""Days: which cell was measured when, from whatever a column holds.

Of the columns of a table some may tell time (`columns`, `time_key`, `candidates`), by labels
(`labelled`, `time_labels`, `hints`) or as numbers (`timepoints`), with replicates among them
(`replicates`); what is understood is a `timeline`.
"""
