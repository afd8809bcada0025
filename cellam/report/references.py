"""References: what the methods of a report cite, by the keys that descriptions use."""

from __future__ import annotations

REFERENCES = {
    "am": "Neklyudov K, Brekelmans R, Severo D, Makhzani A. Action Matching: learning stochastic "
    "dynamics from samples. International Conference on Machine Learning (2023). "
    "arXiv:2210.06662.",
    "scanpy": "Wolf FA, Angerer P, Theis FJ. SCANPY: large-scale single-cell gene expression data "
    "analysis. Genome Biology 19, 15 (2018).",
    "anndata": "Virshup I, Rybakov S, Theis FJ, Angerer P, Wolf FA. anndata: access and store "
    "annotated data matrices. Journal of Open Source Software 9, 4371 (2024).",
    "pot": "Flamary R, Courty N, Gramfort A, et al. POT: Python Optimal Transport. Journal of "
    "Machine Learning Research 22(78), 1–8 (2021).",
    "sinkhorn": "Séjourné T, Vialard FX, Peyré G. Faster unbalanced optimal transport: translation "
    "invariant Sinkhorn and 1-D Frank–Wolfe. International Conference on Artificial Intelligence "
    "and Statistics (2022).",
    "spline": "Chewi S, Clancy J, Le Gouic T, Rigollet P, Stepaniants G, Stromme A. Fast and "
    "smooth interpolation on Wasserstein space. International Conference on Artificial "
    "Intelligence and Statistics (2021).",
    "features": "Rahimi A, Recht B. Random features for large-scale kernel machines. Advances in "
    "Neural Information Processing Systems 20 (2007).",
    "adamw": "Loshchilov I, Hutter F. Decoupled weight decay regularization. International "
    "Conference on Learning Representations (2019).",
    "energy": "Székely GJ, Rizzo ML. Energy statistics: a class of statistics based on distances. "
    "Journal of Statistical Planning and Inference 143, 1249–1272 (2013).",
    "mmd": "Gretton A, Borgwardt KM, Rasch MJ, Schölkopf B, Smola A. A kernel two-sample test. "
    "Journal of Machine Learning Research 13, 723–773 (2012).",
    "subsampling": "Politis DN, Romano JP. Large sample confidence regions based on subsamples "
    "under minimal assumptions. Annals of Statistics 22, 2031–2050 (1994).",
    "wot": "Schiebinger G, Shu J, Tabaka M, et al. Optimal-transport analysis of single-cell gene "
    "expression identifies developmental trajectories in reprogramming. Cell 176, 928–943 (2019).",
    "moscot": "Klein D, Palla G, Lange M, et al. Mapping cells through time and space with moscot. "
    "Nature 638, 1065–1075 (2025).",
    "division": "Tirosh I, Izar B, Prakadan SM, et al. Dissecting the multicellular ecosystem of "
    "metastatic melanoma by single-cell RNA-seq. Science 352, 189–196 (2016).",
    "hallmark": "Liberzon A, Birger C, Thorvaldsdóttir H, et al. The Molecular Signatures Database "
    "Hallmark gene set collection. Cell Systems 1, 417–425 (2015).",
    "velocity": "Bergen V, Lange M, Peidli S, Wolf FA, Theis FJ. Generalizing RNA velocity to "
    "transient cell states through dynamical modeling. Nature Biotechnology 38, 1408–1414 (2020).",
}
