"""Matrix: cells by genes, read a few cells at a time in the same passes from disk or memory.

It is checked (`matrices`, `absent`) and read in chunks (`rows`); one pass tells what the values
are (`survey`, `amounts`, `values`, `parts`), others their means and variances (`moments`) and a
digest of the data (`digests`). `expression` is the matrix as the rest of the package sees it.
"""
