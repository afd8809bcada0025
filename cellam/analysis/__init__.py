"""Analysis: what a fitted model is asked about cells and genes.

Where cells go (`transitions`, `composition`, `fates`, `terminal`), what would change that
(`perturbation`), which genes go with it (`drivers`, `trends`) or before it (`leads`, `regulators`),
how sure it is (`uncertainty`), and all of it for each cell as keys of an AnnData (`results`) or in
the two coordinates of a map (`basis`).
"""
