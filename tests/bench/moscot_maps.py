"""Transport maps of moscot's lineage problem for clones that it has not seen.

`python tests/bench/moscot_maps.py DATA HIDDEN.json FOLDER` runs in an environment of its own: for
each list of clones in HIDDEN.json the days are coupled one after the other (moslin [1]_) without
their barcodes, and the chained map from all earlier cells to those of the last day is written to
FOLDER (`barcodes.py` reads them).

moslin compares lineages within a day with lineages within the next. Barcodes of larry are static,
so two cells of a day are 0 apart if they are of one clone, and 1 if not, the Hamming distance of
barcodes up to its scale; a cell whose barcode is hidden is 1 from all others. The expression term
is in the coordinates of the file. All parameters are those that moscot has by default, but for the
number of iterations: by default it does not converge here.

References
----------
.. [1] Lange et al., Mapping lineage-traced cells across time points with moslin, Genome Biology
   2024.
"""

from __future__ import annotations

import functools
import itertools
import json
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd

CLONE, DAY = "clone_id", "time_info"
UNTIL = {"max_iterations": 500, "linear_solver_kwargs": {"max_iterations": 20_000}}


def main() -> None:
    """Infer and write a map for each list of hidden clones."""
    from moscot.problems.time import LineageProblem

    data, hidden, folder = map(Path, sys.argv[1:4])
    whole = anndata.read_h5ad(data)
    clone = whole.obs[CLONE].astype(object).to_numpy()
    time = whole.obs[DAY].astype(str).astype(float).to_numpy()
    days = np.unique(time)
    for k, names in enumerate(json.loads(hidden.read_text(encoding="utf-8"))):
        seen = whole.obs[CLONE].notna().to_numpy() & ~np.isin(clone.astype(str), names)
        apart = np.where(clone[:, None] == clone[None, :], 0.0, 1.0)
        apart[~seen], apart[:, ~seen] = 1.0, 1.0
        np.fill_diagonal(apart, 0.0)
        adata = anndata.AnnData(
            whole.X,
            obs=pd.DataFrame({DAY: pd.Categorical(time, ordered=True)}, index=whole.obs_names),
            obsm={"X_pca": np.asarray(whole.obsm["X_pca"])},
            obsp={"cost_matrices": apart},
        )
        problem = LineageProblem(adata).prepare(time_key=DAY, joint_attr="X_pca").solve(**UNTIL)
        if not all(found.converged for found in problem.solutions.values()):
            sys.exit(f"moscot did not converge without the clones of list {k}")
        steps = [
            np.asarray(problem.solutions[pair].transport_matrix, dtype=float)
            for pair in itertools.pairwise(days)
        ]
        steps = [step / step.sum(1, keepdims=True) for step in steps]
        tables = []
        for j, day in enumerate(days[:-1]):
            chained = functools.reduce(np.matmul, steps[j:])
            early, late = (whole.obs_names[time == t] for t in (day, days[-1]))
            i, l = np.nonzero(chained > 1e-7)  # noqa: E741
            tables.append(pd.DataFrame({"early": early[i], "late": late[l], "mass": chained[i, l]}))
        pd.concat(tables).to_csv(folder / f"map{k}.tsv", sep="\t", index=False)


if __name__ == "__main__":
    main()
