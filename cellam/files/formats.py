"""Formats: what a file is that is not an AnnData, and the call that makes one of it.

Other formats are told from their first bytes and, within HDF5, from the names at the root. They
are named and never converted: which column holds the days is for the user to say. Only the
first bytes are looked at, so that nothing in such a file is ever run or unpacked.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from cellam.errors import DataError

HDF5 = b"\x89HDF\r\n\x1a\n"
HEAD = 1024  # bytes that tell one format from another
_UNPACKERS = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}


def _python(call: str) -> str:
    return f"In Python: adata = {call}; adata.obs['day'] = ...; adata.write_h5ad('data.h5ad')"


_SAVE = "Save the data with adata.write_h5ad('data.h5ad')."
_R = "In R: zellkonverter::writeH5AD(as.SingleCellExperiment(object), 'data.h5ad')"

# First bytes: what it is, and what to do. {path} is quoted.
_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (
        b"version https://git-lfs.github.com/spec/",
        "a Git-LFS pointer: the data themselves were not fetched",
        "Fetch them: git lfs pull",
    ),
    (b"\x1f\x8b", "compressed with gzip", "Unpack it: gunzip {path}"),
    (b"BZh", "compressed with bzip2", "Unpack it: bunzip2 {path}"),
    (b"\xfd7zXZ\x00", "compressed with xz", "Unpack it: unxz {path}"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "Unpack it: unzstd {path}"),
    (b"PAR1", "a parquet table", _python("anndata.AnnData(pd.read_parquet({path}))")),
    (b"ARROW1", "a feather table", _python("anndata.AnnData(pd.read_feather({path}))")),
    (b"\x93NUMPY", "a numpy array", _python("anndata.AnnData(np.load({path}))")),
    (b"%%MatrixMarket", "a matrix in MatrixMarket format (.mtx)", ""),
    (b"RDX2\n", "an R .RData file", _R),
    (b"RDX3\n", "an R .RData file", _R),
    (b"X\n\x00\x00\x00", "an R .rds file", _R),
    (
        b"MATLAB 5.0",
        "a MATLAB .mat file",
        _python("anndata.AnnData(scipy.io.loadmat({path})['NAME'])"),
    ),
    (
        b"\xd0\xcf\x11\xe0",
        "an Excel workbook (.xls)",
        _python("anndata.AnnData(pd.read_excel({path}, index_col=0))"),
    ),
    (b"%PDF", "a PDF document", "Use the data that it describes."),
)

# Names at the root of an HDF5 file that tell what wrote it, and what to do.
_HDF5_KINDS: tuple[tuple[frozenset[str], str, str], ...] = (
    (
        frozenset({"matrix", "row_attrs", "col_attrs"}),
        "a loom file",
        _python("anndata.io.read_loom({path})"),
    ),
    (frozenset({"model_weights"}), "a Keras model", "Use the data that it was trained on."),
    (
        frozenset({"cell.names", "assays"}),
        "a Seurat file (.h5seurat)",
        "In R: SeuratDisk::Convert({path}, dest = 'h5ad')",
    ),
    (
        frozenset({"molecule_info"}),
        "a 10x molecule_info.h5",
        "Use the filtered_feature_bc_matrix.h5 of the same run.",
    ),
)


def file_error(path: Path) -> DataError:
    """Say what a regular file is that HDF5 cannot open."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        return DataError(f"{path} is empty (0 bytes).", "Copy or download it again.")
    if head.startswith(HDF5):
        return DataError(
            f"{path} is not a complete .h5ad file: it is truncated or damaged ({size:,} bytes).",
            "Copy or download it again, and compare the sizes.",
        )
    what, hint = _recognise(head, path)
    return DataError(f"{path} is not an .h5ad file: it is {what} ({size:,} bytes).", hint)


def hdf5_error(path: Path, file: Any) -> DataError:
    """Say what an HDF5 file is that is no AnnData."""
    names = frozenset(file)
    call = repr(str(path))
    if "mod" in names:
        return _modalities(path, sorted(_children(file, "mod")))
    for known, what, hint in _HDF5_KINDS:
        if known <= names:
            return DataError(f"{path} is {what}, not an AnnData.", hint.format(path=call))
    tables = [name for name in names if "barcodes" in _children(file, name)]
    if tables:
        return DataError(
            f"{path} is a 10x matrix (.h5), not an AnnData.",
            _python(f"sc.read_10x_h5({call}); adata.var_names_make_unique()"),
        )
    if "PYTABLES_FORMAT_VERSION" in file.attrs:
        return DataError(
            f"{path} is a pandas table (PyTables), not an AnnData.",
            _python(f"anndata.AnnData(pd.read_hdf({call}))"),
        )
    shown = ", ".join(repr(name) for name in sorted(names)[:6]) or "nothing"
    return DataError(
        f"{path} is an HDF5 file but not an AnnData: it has no 'obs'; at its root: {shown}.",
        "Convert it to an AnnData, and save that with adata.write_h5ad('data.h5ad').",
    )


def _modalities(path: Path, names: list[str]) -> DataError:
    """Which modalities a MuData file has, and how one of them is named."""
    example = "rna" if "rna" in names else names[0] if names else "MODALITY"
    named = path.with_suffix(".h5mu")
    rename = "" if named == path else f"Rename it to {named.name}. "
    return DataError(
        f"{path} is a MuData file with several modalities: {', '.join(names) or 'none'}.",
        f"{rename}Name one of them: {named}/{example}",
    )


def folder_error(path: Path) -> DataError:
    """Say what a folder is that is no AnnData in zarr format."""
    names = {p.name for p in path.iterdir()}
    if names & {"matrix.mtx", "matrix.mtx.gz"}:
        return DataError(
            f"{path} is a 10x folder (matrix.mtx), not an AnnData.",
            _python(f"sc.read_10x_mtx({str(path)!r})"),
        )
    if "mod" in names:
        return DataError(
            f"{path} is a MuData store with several modalities, not an AnnData.",
            f"In Python: mudata.read_zarr({str(path)!r})['rna'].write_h5ad('data.h5ad')",
        )
    files = sorted(p.name for p in path.iterdir() if p.suffix in (".h5ad", ".zarr"))
    return DataError(
        f"{path} is a folder but not an AnnData in zarr format.",
        f"Did you mean {path / files[0]}?"
        if files
        else "Use an .h5ad file, or a folder written by adata.write_zarr.",
    )


def _recognise(head: bytes, path: Path) -> tuple[str, str]:
    """What a file is, and what to do, from its first bytes."""
    call = repr(str(path))
    for magic, what, hint in _MAGIC:
        if not head.startswith(magic):
            continue
        if magic == b"%%MatrixMarket":
            return _matrix_market(path)
        name = what.removeprefix("compressed with ")
        if name in _UNPACKERS:
            inner = _first_bytes(path, name)
            if not inner.startswith(HDF5) and inner:
                within, how = _recognise(inner, path)
                return f"{within}, compressed with {name}", how
            what = f"an .h5ad compressed with {name}" if inner else what
        return what, hint.format(path=call)
    if head.startswith(b"PK\x03\x04"):
        return _zip(head, call)
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05":
        return (
            "a pickle, which was not opened because it can run any code",
            "Ask whoever made it for adata.write_h5ad('data.h5ad').",
        )
    if head[257:262] == b"ustar":
        return "a tar archive", f"Unpack it: tar -xf {call}"
    if not head.strip(b"\0"):
        return (
            "nothing but zeros: its copy or download was interrupted",
            "Copy or download it again.",
        )
    return _text(head, path)


def _first_bytes(path: Path, name: str) -> bytes:
    file: BinaryIO
    try:
        with _UNPACKERS[name](path, "rb") as file:  # type: ignore[operator]
            return file.read(HEAD)
    except (OSError, EOFError, lzma.LZMAError, zlib.error):
        return b""


def _matrix_market(path: Path) -> tuple[str, str]:
    if path.name in ("matrix.mtx", "matrix.mtx.gz"):
        return "the matrix.mtx of a 10x folder", _python(f"sc.read_10x_mtx({str(path.parent)!r})")
    return "a matrix in MatrixMarket format (.mtx)", _python(f"sc.read_mtx({str(path)!r}).T")


def _zip(head: bytes, call: str) -> tuple[str, str]:
    if b"[Content_Types].xml" in head or b"xl/" in head:
        return "an Excel workbook (.xlsx)", _python(
            f"anndata.AnnData(pd.read_excel({call}, index_col=0))"
        )
    if b".npy" in head:
        return "an .npz archive of numpy", _python(
            f"anndata.AnnData(scipy.sparse.load_npz({call}))"
        )
    if b".zgroup" in head or b"zarr.json" in head or b".zattrs" in head:
        return "a zip archive of a zarr store", f"Unpack it: unzip {call} -d data.zarr"
    return "a zip archive", f"Unpack it: unzip {call}"


_PAGE = ("<!doctype html", "<html", "<?xml", "<error", "<head")
# Marks between columns: how they are called, and how scanpy is told of them.
_DELIMITERS = {
    "\t": ("tab", ", delimiter='\\t'"),
    ",": ("comma", ""),
    ";": ("semicolon", ", delimiter=';'"),
}

_PROGRAMS = {
    ".py": "a Python script",
    ".r": "an R script",
    ".rmd": "an R notebook",
    ".ipynb": "a notebook",
    ".sh": "a shell script",
    ".md": "a page of text",
}


def _text(head: bytes, path: Path) -> tuple[str, str]:
    """What a text is; anything else is called unknown."""
    call = repr(str(path))
    try:
        text = head.decode("utf-8-sig", errors="strict" if len(head) < HEAD else "ignore")
    except UnicodeDecodeError:
        text = "\0"
    if text.lstrip()[:200].lower().startswith(_PAGE):
        return "a web page, probably the error page of a download", "Download the data again."
    if any(ord(c) < 9 for c in text):
        return "of an unknown format, or damaged", _SAVE
    if path.suffix.lower() in _PROGRAMS:
        return f"{_PROGRAMS[path.suffix.lower()]}, not data", "Name the file that has the cells."
    first = next((line for line in text.splitlines() if line and not line.startswith("#")), "")
    fields = first.split("\t")
    if len(fields) in (4, 5) and fields[0].startswith("chr") and fields[1].isdigit():
        return (
            "a 10x fragments file, which has no expression matrix",
            "Count genes or peaks first, e.g. snapatac2.pp.make_gene_matrix, and save an .h5ad.",
        )
    if first.startswith(("{", "[")):
        return "a JSON text, probably the reply of a server", "Download the data again."
    for mark, (name, option) in _DELIMITERS.items():
        if mark in first:
            return (
                f"a text table with a {name} between columns",
                f"{_python(f'sc.read_csv({call}{option})')}  # read_csv(…).T if genes are rows",
            )
    return f"a text file that begins with {first[:40]!r}", _SAVE


def _children(file: Any, name: str) -> frozenset[str]:
    """Names within a group; a link is not followed."""
    import h5py

    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        return frozenset()
    node = file[name]
    return frozenset(node) if hasattr(node, "keys") else frozenset()
