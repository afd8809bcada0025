"""Files: opening what a user gives, on disk or in memory, before anything large is read.

A path or an object is a source (`sources`), of a kind that is told from its bytes (`formats`) and
whose elements are found by name (`stores`, `inner_paths`, `modalities`); what they would take
(`sizes`) is held against what is free (`memory`).
"""
