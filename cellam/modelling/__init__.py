"""Modelling: from cells to a fitted model.

`pipeline` is a fit from beginning to end: what has to be chosen is chosen on the training days
(`selection`), whether the motion is a gradient's is asked (`rotation`), and the fit is repeated
to know how sure it is (`ensemble`, and for scores `refits`). What it leaves behind is a `model`.
"""
