"""Executors: who does the independent jobs of a command: this process, others, or a cluster.

What is long is cut into jobs that know nothing of each other: blocks of a coupling, sums over parts
of a path, chunks of cells that are followed, refits without a day. Random numbers belong to the job
and results are put together in the order of the jobs, so that an answer has the same bytes whoever
did them (`executor`), in how many processes (`processes`) or on how many machines (`cluster`).
"""
