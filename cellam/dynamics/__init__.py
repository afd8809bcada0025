"""Dynamics: Action Matching itself, on points and times alone.

Cells of one day go with cells of the next (`couplings`) along lines (`curves`); that is a density
at every time (`paths`), as the draws of any sampler are (`samplers`): both are `samples`. An
action (`actions`) is fitted to them by an objective (`objectives`), in closed form (`fitting`) or
by gradients (`training`), and particles follow it (`simulation`). `matching` is all of that for a
user without cells, `distances` says how far two clouds are apart.
"""
