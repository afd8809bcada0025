"""Reading: from a user's file to weighted points at times.

A file is opened (`sources`, `stores`, `formats`) and checked (`matrices`, `memory`), its days are
understood (`columns`, `labels`, `timepoints`), and so are its values (`expression`, `values`,
`absent`); they become `cells`, which get coordinates (`embedding`), masses and growth that
is expected (`signatures`, `growth`), and are `snapshots`.
"""
