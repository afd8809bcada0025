"""Reading: cells of a file with all that is known of them, and by day.

They are read once (`cells`, `cell_types`, `design`), with clones, velocities and growth that is
known or expected where a file has them (`clones`, `velocity`, `growth`), and become `snapshots`:
weighted points at times. `new_cells` are read as those of a fit were.
"""
