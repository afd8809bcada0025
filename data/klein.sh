#!/bin/sh
# From counts to fates: sh data/klein.sh klein_mesc_counts.h5ad (an absolute path)
. "$(dirname "$0")/steps.sh"
cat > states.py <<'END'
import sys
import anndata
import scanpy as sc

cells = anndata.read_h5ad(sys.argv[1])
logged = sc.pp.log1p(sc.pp.normalize_total(cells, copy=True), copy=True)
markers = {
    "pluripotent": ["Zfp42", "Esrrb", "Tdh", "Dppa5a", "Sox2"],
    "epithelial": ["Krt8", "Krt18", "Krt19", "Anxa2", "S100a6"],
    "endoderm": ["Col4a1", "Col4a2", "Sparc", "Serpinh1"],
}
for state, genes in markers.items():
    sc.tl.score_genes(logged, genes, score_name=state)
scores = logged.obs[list(markers)]
cells.obs["state"] = ((scores - scores.mean()) / scores.std()).idxmax(axis=1)
cells.write_h5ad("klein.h5ad")
END
printf '\n$ cat states.py\n'
cat states.py
run python -W ignore states.py "$data"
run cellam check klein.h5ad
run cellam fit klein.h5ad --time-key timepoint
run cellam eval --holdout d4 --metrics W1,energy
run cellam fates --from d2
run cellam drivers --of growth -n 3
