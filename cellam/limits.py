"""Limits: how many cells, days and repetitions a computation makes do with, whatever the data.

They stand together, apart from what they limit, as `check` counts with them and must not load a
model for it.
"""

INNER = 6  # days held out at most to choose the path, spread evenly
REFITS = 8  # fits to half of the cells, of which intervals of scores are made
REFITTED = 1_500  # cells of a day in one: enough to see the scatter; its size is known for fewer
FEW = 10  # cells of a type: what is said of fewer is marked as not reliable
N_MAX = 1_000  # cells in a cloud; exact transport of two such clouds takes less than a second
DRAWS = 4  # clouds of a day
MOST_FOLLOWED = DRAWS * N_MAX  # cells of a day beside the held-out one
CLONES = 10  # with cells on both of two days; of fewer nothing is learnt
