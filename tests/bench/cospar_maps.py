"""Transition maps of CoSpar for clones that it has not seen: runs in an environment of its own.

`python tests/bench/cospar_maps.py DATA HIDDEN.json FOLDER`: for each list of clones in HIDDEN.json,
a map from all earlier cells to those of the last day is inferred without their barcodes, with the
parameters of CoSpar's examples, and written to FOLDER (`barcodes.py` reads them).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

CLONE, DAY, STATE = "clone_id", "time_info", "state_info"


def main() -> None:
    """Infer and write a map for each list of hidden clones."""
    import cospar

    data, hidden, folder = map(Path, sys.argv[1:4])
    whole = anndata.read_h5ad(data)
    obs = whole.obs.astype(dict.fromkeys((CLONE, DAY, STATE), str))
    days = sorted(obs[DAY].unique(), key=float)
    barcoded = whole.obs[CLONE].notna().to_numpy()
    cospar.settings.verbosity = 0
    cospar.settings.data_path = str(folder / "data")
    cospar.settings.figure_path = str(folder / "figures")
    for k, names in enumerate(json.loads(hidden.read_text(encoding="utf-8"))):
        seen = np.flatnonzero(barcoded & ~obs[CLONE].isin(names).to_numpy())
        clone = np.unique(obs[CLONE].to_numpy()[seen], return_inverse=True)[1]
        adata = cospar.pp.initialize_adata_object(
            X_state=whole.X,
            gene_names=np.array(whole.var_names),
            cell_names=np.array(whole.obs_names),
            X_clone=sparse.csr_matrix(
                (np.ones(len(seen)), (seen, clone)), (len(obs), clone.max() + 1)
            ),
            X_pca=whole.obsm["X_pca"],
            X_emb=whole.obsm["X_spring"],
            time_info=obs[DAY].to_numpy(),
            state_info=obs[STATE].to_numpy(),
            data_des=f"hidden{k}",
        )
        cospar.hf.update_time_ordering(adata, updated_ordering=list(days))
        found = cospar.tmap.infer_Tmap_from_multitime_clones(
            adata,
            clonal_time_points=list(days),  # which CoSpar changes
            later_time_point=days[-1],
            smooth_array=[15, 10, 5],
            sparsity_threshold=0.2,
            intraclone_threshold=0.2,
            max_iter_N=10,
            epsilon_converge=0.01,
            compute_new=True,
        )
        early, late = (found.obs_names[found.uns[f"Tmap_cell_id_t{t}"]] for t in (1, 2))
        whole_map = sparse.coo_matrix(found.uns["transition_map"])
        table = {"early": early[whole_map.row], "late": late[whole_map.col], "mass": whole_map.data}
        pd.DataFrame(table).to_csv(folder / f"map{k}.tsv", sep="\t", index=False)


if __name__ == "__main__":
    main()
