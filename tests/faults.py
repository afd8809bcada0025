"""Bad and odd inputs: files that are no AnnData, damaged ones, hostile ones, strange numbers.

Each `Fault` makes one input in an empty folder from a small sound AnnData, and says what
`cellam fit` must make of it: the exit code and a phrase of the message, or that it works.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import pickle  # noqa: TID251 - to see it refused
import socket
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import zarr
from scipy import sparse

N_DAY, N_GENES = 16, 12
DAYS = ("day0", "day2", "day4")


def sound() -> anndata.AnnData:
    """48 cells of three days that move, 12 genes, counts; two representations; a layer."""
    rng = np.random.default_rng(0)
    code = np.repeat(range(3), N_DAY)
    rate = np.exp(rng.normal(size=N_GENES) * 0.5 + 0.4 * code[:, None] * rng.normal(size=N_GENES))
    counts = rng.poisson(4 * rate).astype(np.float32) + 1
    counts[:, 0] += 1
    adata = anndata.AnnData(sparse.csr_matrix(counts))
    adata.obs_names = [f"cell{k}" for k in range(adata.n_obs)]
    adata.var_names = [f"gene{k}" for k in range(N_GENES)]
    adata.obs["day"] = pd.Categorical([DAYS[k] for k in code])
    adata.obsm["X_rep"] = (rng.normal(size=(adata.n_obs, 3)) + code[:, None]).astype(np.float32)
    adata.layers["spare"] = counts.copy()
    return adata


@dataclass(frozen=True)
class Fault:
    """One input: what makes it, and what has to come of it."""

    name: str
    make: Callable[[Path], Path]  # from an empty folder to the path to give to `fit`
    phrase: str  # of the message; of the output where the code is 0
    code: int = 1
    args: tuple[str, ...] = ()


FAULTS: list[Fault] = []
REP = ("--use-rep", "X_rep")


def fault(
    name: str, phrase: str, *, code: int = 1, args: tuple[str, ...] = ()
) -> Callable[[Callable[[Path], Path]], Callable[[Path], Path]]:
    def register(make: Callable[[Path], Path]) -> Callable[[Path], Path]:
        FAULTS.append(Fault(name, make, phrase, code, args))
        return make

    return register


def written(content: bytes, name: str = "x.h5ad") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def saved(
    change: Callable[[anndata.AnnData], object] = lambda adata: None, name: str = "x.h5ad"
) -> Callable[[Path], Path]:
    """A sound AnnData, changed in memory and written."""

    def make(folder: Path) -> Path:
        adata = sound()
        other = change(adata)
        adata = other if isinstance(other, anndata.AnnData) else adata
        adata.write_h5ad(folder / name)
        return folder / name

    return make


def edited(change: Callable[[h5py.File], object]) -> Callable[[Path], Path]:
    """A sound file, changed on disk."""

    def make(folder: Path) -> Path:
        path = saved()(folder)
        with h5py.File(path, "r+") as file:
            change(file)
        return path

    return make


def add(name: str, make: Callable[[Path], Path], phrase: str, **options: object) -> None:
    FAULTS.append(Fault(name, make, phrase, **options))  # type: ignore[arg-type]


@cache
def h5ad_bytes() -> bytes:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        return saved()(Path(folder)).read_bytes()


# ------------------------------------------------------------------------- other formats

HDF5_HEAD = b"\x89HDF\r\n\x1a\n" + b"\0" * 200
TABLE = b"gene,cell1,cell2\nActb,1,2\n"
add("empty", written(b""), "is empty")
add("zeros", written(b"\0" * 4096), "nothing but zeros")
add("noise", written(np.random.default_rng(0).bytes(4096)), "unknown format")
add("lfs", written(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "git lfs pull")
add("html", written(b"\n<!DOCTYPE html>\n<html><body>404"), "error page of a download")
add("xml", written(b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'), "error page")
add("json", written(b'{"message": "not found"}'), "reply of a server")
add("csv", written(TABLE, "x.csv"), "sc.read_csv(")
add("csv-named-h5ad", written(TABLE), "a comma between columns")
add("tsv", written(TABLE.replace(b",", b"\t"), "x.tsv"), "delimiter='\\t'")
add("txt", written(b"hello\n", "x.txt"), "'hello'")
add("latin1", written("gène\n".encode("latin-1")), "unknown format")
add("mtx", written(b"%%MatrixMarket matrix coordinate\n1 1 1\n", "x.mtx"), "sc.read_mtx(")
add("matrix.mtx", written(b"%%MatrixMarket matrix\n", "matrix.mtx"), "sc.read_10x_mtx(")
add("mtx.gz", written(gzip.compress(b"%%MatrixMarket matrix\n"), "matrix.mtx.gz"), "read_10x_mtx(")
add(
    "fragments",
    written(gzip.compress(b"# id=x\nchr1\t100\t200\tAAAC-1\t2\n"), "fragments.tsv.gz"),
    "10x fragments",
)
add("parquet", written(b"PAR1\x15\x04" + b"\0" * 40, "x.parquet"), "pd.read_parquet(")
add("npy", written(b"\x93NUMPY\x01\0" + b"\0" * 40, "x.npy"), "np.load(")
add("rds", written(gzip.compress(b"X\n\0\0\0\x03" + b"\0" * 40), "x.rds"), "zellkonverter")
add("rdata", written(gzip.compress(b"RDX3\nX\n\0\0"), "x.RData"), "R .RData file")
add("pickle", written(pickle.dumps({"a": 1}), "x.pkl"), "was not opened")
add("mat", written(b"MATLAB 5.0 MAT-file" + b" " * 120, "x.mat"), "loadmat(")
add("pdf", written(b"%PDF-1.7\n"), "PDF")
add("tar", written(b"x.h5ad".ljust(257, b"\0") + b"ustar\x00", "x.tar"), "tar -xf")
add("gzip", lambda d: written(gzip.compress(h5ad_bytes()), "x.h5ad.gz")(d), "gunzip")
add("bzip2", lambda d: written(bz2.compress(h5ad_bytes()), "x.h5ad.bz2")(d), "bunzip2")
add("xz", lambda d: written(lzma.compress(h5ad_bytes(), preset=0), "x.h5ad.xz")(d), "unxz")
add("zstd", written(b"\x28\xb5\x2f\xfd" + b"\0" * 40, "x.h5ad.zst"), "unzstd")
add("gzip-broken", written(b"\x1f\x8b\x08garbage", "x.h5ad.gz"), "gunzip")
add("hdf5-head", written(HDF5_HEAD), "truncated or damaged")
for share in (0.2, 0.6, 0.95):
    add(
        f"truncated-{share}",
        lambda d, share=share: written(h5ad_bytes()[: int(share * len(h5ad_bytes()))])(d),
        "truncated or damaged",
    )


def zipped(*names: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        with zipfile.ZipFile(folder / "x.zip", "w") as file:
            for name in names:
                file.writestr(name, "x")
        return folder / "x.zip"

    return make


add("xlsx", zipped("[Content_Types].xml", "xl/workbook.xml"), "pd.read_excel(")
add("zarr-zip", zipped(".zgroup", "obs/.zgroup"), "zip archive of a zarr store")
add("zip", zipped("x.h5ad"), "unzip")
add("npz", zipped("data.npy"), "load_npz(")


def hdf5(*names: str, name: str = "x.h5", **attrs: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        with h5py.File(folder / name, "w") as file:
            for inner in names:
                file[inner] = np.zeros(3)
            file.attrs.update(attrs)
        return folder / name

    return make


add("10x", hdf5("matrix/barcodes", "matrix/data"), "sc.read_10x_h5(")
add("10x-v2", hdf5("GRCh38/barcodes", "GRCh38/gene_names"), "sc.read_10x_h5(")
add("loom", hdf5("matrix", "row_attrs/Gene", "col_attrs/CellID", name="x.loom"), "read_loom(")
add("h5mu", hdf5("mod/rna/X", "obs/x", name="x.h5mu"), "x.h5mu/rna")
add("keras", hdf5("model_weights/dense"), "Keras model")
add("h5seurat", hdf5("assays/RNA", "cell.names"), "SeuratDisk")
add("molecule-info", hdf5("molecule_info/x"), "filtered_feature_bc_matrix.h5")
add("pandas", hdf5("table/x", PYTABLES_FORMAT_VERSION="2.1"), "pd.read_hdf(")
add("other-hdf5", hdf5("weights"), "at its root: 'weights'")
add("empty-hdf5", hdf5(), "at its root: nothing")


# ---------------------------------------------------------------------------- what is there


@fault("missing", "Did you mean")
def missing(folder: Path) -> Path:
    saved(name="data.h5ad")(folder)
    return folder / "dta.h5ad"


add("missing-folder", lambda d: d / "no" / "x.h5ad", "there is no such file")
add("name-too-long", lambda d: d / ("x" * 300 + ".h5ad"), "there is no such file")
add("inside-a-file", lambda d: saved()(d) / "x.h5ad", "there is no such file")


@fault("broken-link", "is a link to nowhere.h5ad, which does not exist")
def broken_link(folder: Path) -> Path:
    (folder / "x.h5ad").symlink_to("nowhere.h5ad")
    return folder / "x.h5ad"


@fault("link-to-itself", "points back to itself")
def circle(folder: Path) -> Path:
    (folder / "x.h5ad").symlink_to("x.h5ad")
    return folder / "x.h5ad"


@fault("pipe", "is not a file but a pipe")
def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "x.h5ad")
    return folder / "x.h5ad"


@fault("socket", "is not a file but a socket")
def unix_socket(folder: Path) -> Path:
    here = Path.cwd()
    os.chdir(folder)  # the path of a socket is short
    try:
        socket.socket(socket.AF_UNIX).bind("s")
    finally:
        os.chdir(here)
    return folder / "s"


add("device", lambda d: Path("/dev/null"), "is not a file but a device")
add("empty-folder", lambda d: d, "not an AnnData in zarr format")


@fault("folder-of-data", "Did you mean")
def folder_of_data(folder: Path) -> Path:
    saved()(folder)
    return folder


@fault("10x-folder", "sc.read_10x_mtx(")
def tenx_folder(folder: Path) -> Path:
    written(b"", "matrix.mtx.gz")(folder)
    return folder


# ----------------------------------------------------------------------- damaged and hostile


def attribute(element: str, name: str, value: object) -> Callable[[h5py.File], None]:
    return lambda file: file[element].attrs.__setitem__(name, value)


def put(path: str, value: object, *, keep: bool = True) -> Callable[[h5py.File], None]:
    """Replace one array; its attributes are kept or not."""

    def change(file: h5py.File) -> None:
        attrs = dict(file[path].attrs) if keep else {}
        del file[path]
        file.create_dataset(path, data=value).attrs.update(attrs)

    return change


def declared(path: str, shape: tuple[int, ...]) -> Callable[[h5py.File], None]:
    """Replace one array by an empty one that claims to be huge."""

    def change(file: h5py.File) -> None:
        of = f"{path}/values" if isinstance(file[path], h5py.Group) else path  # text and a mask
        attrs, dtype = dict(file[of].attrs), file[of].dtype
        del file[of]
        chunks = tuple(min(n, 1000) for n in shape)
        file.create_dataset(of, shape, dtype, chunks=chunks).attrs.update(attrs)

    return change


HUGE = 10**13
add("future", edited(attribute("obs", "encoding-version", "9.9.9")), "pip install -U anndata")
add("unknown-type", edited(attribute("X", "encoding-type", "tensor")), "does not know")
add("no-time-map", edited(lambda f: f["obs"].attrs.__delitem__("column-order")), "'obs' cannot be")
add("obs-array", edited(put("obs", np.zeros(3), keep=False)), "its obs is empty")
add(
    "obs-before-0.7",
    edited(put("obs", np.zeros(3, dtype=[("index", "S5"), ("day", "f4")]), keep=False)),
    "anndata before 0.7",
)
add("codes", edited(lambda f: f["obs/day/codes"].__setitem__(0, 99)), "'obs' cannot be read")
add("columns-twice", edited(attribute("obs", "column-order", ["day", "day"])), "column 'day'")
add("indices-out", edited(lambda f: f["X/indices"].__setitem__(3, 10**6)), "is corrupt")
add("indices-negative", edited(lambda f: f["X/indices"].__setitem__(3, -1)), "is corrupt")
add("indices-float", edited(lambda f: put("X/indices", f["X/indices"][:] * 1.5)(f)), "float64")
add("indices-short", edited(lambda f: put("X/indices", f["X/indices"][:-5])(f)), "is corrupt")
add(
    "indptr-short",
    edited(lambda f: put("X/indptr", f["X/indptr"][:-1])(f)),
    "indptr has 48 numbers",
)
add("indptr-falls", edited(lambda f: f["X/indptr"].__setitem__(5, 0)), "is corrupt")
add("indptr-large", edited(lambda f: f["X/indptr"].__setitem__(-1, 10**6)), "indptr ends at")
add("indptr-low", edited(lambda f: f["X/indptr"].__setitem__(-1, 500)), "indptr ends at 500")
add("indptr-start", edited(lambda f: f["X/indptr"].__setitem__(0, 1)), "is corrupt")
add("data-short", edited(lambda f: put("X/data", f["X/data"][:-5])(f)), "values and")
add("data-missing", edited(lambda f: f["X"].__delitem__("data")), "no data")
add("shape-rows", edited(attribute("X", "shape", [HUGE, N_GENES])), "is corrupt")
add("shape-columns", edited(attribute("X", "shape", [48, 13])), "13 columns for 12 genes")
add("shape-negative", edited(attribute("X", "shape", [-48, 12])), "its shape is")
add("shape-of-three", edited(attribute("X", "shape", [48, 12, 1])), "its shape is")
add("rows-lost", edited(lambda f: put("obsm/X_rep", np.zeros((47, 3)))(f)), "47 rows", args=REP)
add("huge-dense", edited(declared("layers/spare", (HUGE, 12))), "PB", args=("--layer", "spare"))
add(
    "huge-data",
    edited(lambda f: [declared(f"X/{part}", (HUGE,))(f) for part in ("data", "indices")]),
    "indptr ends at 576",
)
add("huge-indptr", edited(declared("X/indptr", (HUGE,))), "is corrupt")
add("huge-rep", edited(declared("obsm/X_rep", (48, HUGE))), "PB", args=REP)
add("huge-codes", edited(declared("obs/day/codes", (HUGE,))), "TB")
add("huge-categories", edited(declared("obs/day/categories", (HUGE,))), "TB")
add("huge-names", edited(declared("var/_index", (HUGE,))), "TB")


def link(path: str, to: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[path]
        file[path] = to

    return change


add("external-link", edited(link("X", h5py.ExternalLink("/etc/passwd", "/X"))), "'/etc/passwd'")
add("soft-link", edited(link("X", h5py.SoftLink("/obsm/X_rep"))), "is a link to '/obsm/X_rep'")
add("link-inside", edited(link("obs/day", h5py.ExternalLink("b.h5", "/x"))), "'b.h5'")


@fault("cycle-of-groups", "without end")
def cycle(folder: Path) -> Path:
    return edited(lambda f: f["obs"].__setitem__("again", f["obs"]))(folder)


@fault("external-storage", "external storage", args=REP)
def external(folder: Path) -> Path:
    def change(file: h5py.File) -> None:
        del file["obsm/X_rep"]
        raw = [("/etc/passwd", 0, 48 * 3 * 4)]
        made = file.create_dataset("obsm/X_rep", (48, 3), np.float32, external=raw)
        made.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})

    return edited(change)(folder)


@fault("virtual-data", "virtual storage", args=REP)
def virtual(folder: Path) -> Path:
    def change(file: h5py.File) -> None:
        del file["obsm/X_rep"]
        layout = h5py.VirtualLayout((48, 3), np.float32)
        layout[:] = h5py.VirtualSource("other.h5", "x", (48, 3))
        made = file.create_virtual_dataset("obsm/X_rep", layout)
        made.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})

    return edited(change)(folder)


@fault("unknown-filter", "HDF5 filter 32001", args=REP)
def unknown_filter(folder: Path) -> Path:
    def change(file: h5py.File) -> None:
        attrs = dict(file["obsm/X_rep"].attrs)
        del file["obsm/X_rep"]
        created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        created.set_chunk((48, 3))
        created.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple((48, 3))
        kind = h5py.h5t.IEEE_F32LE
        h5py.h5d.create(file["obsm"].id, b"X_rep", kind, space, dcpl=created)
        file["obsm/X_rep"].attrs.update(attrs)

    return edited(change)(folder)


# ------------------------------------------------------------------------------------- zarr


def zarr_store(
    change: Callable[[Path], object] = lambda path: None, version: int = 2
) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        root = zarr.open_group(folder / "x.zarr", mode="w", zarr_format=version)
        anndata.io.write_elem(root, "/", sound())
        change(folder / "x.zarr")
        return folder / "x.zarr"

    return make


def names(path: Path) -> Path:
    """The array of the names of all cells; as pandas 3 has them beside a mask."""
    index = path / "obs" / "_index"
    return index / "values" if (index / "values").exists() else index


def metadata(array: str | Callable[[Path], Path], **fields: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        header = (path / array if isinstance(array, str) else array(path)) / ".zarray"
        header.write_text(json.dumps(json.loads(header.read_text()) | fields))

    return change


class Trap:
    """Unpickled, it makes a file."""

    path = ""

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, (self.path, "w"))


def trapped(path: Path) -> None:
    trap = Trap()
    Trap.path = str(path.parent / "TRAPPED")
    filters = [{"id": "vlen-utf8"}, {"id": "pickle", "protocol": 4}]
    metadata(names, filters=filters, compressor=None)(path)
    (names(path) / "0").write_bytes(pickle.dumps(trap))


add("zarr-pickle", zarr_store(trapped), "encoded with pickle")
add("zarr-object", zarr_store(metadata(names, filters=[{"id": "pickle"}])), "cannot be read")
add("zarr-codec", zarr_store(metadata(names, filters=[{"id": "xyz"}])), "cannot be read")
add(
    "zarr-huge",
    zarr_store(metadata("layers/spare", shape=[HUGE, 12])),
    "PB",
    args=("--layer", "spare"),
)
add("zarr-chunk", zarr_store(metadata("obsm/X_rep", chunks=[HUGE, 3])), "TB", args=REP)
add(
    "zarr-huge-data",
    zarr_store(lambda p: [metadata(f"X/{part}", shape=[HUGE])(p) for part in ("data", "indices")]),
    "indptr ends at 576",
)


def replaced(by: Callable[[Path], object]) -> Callable[[Path], Path]:
    """A store in which one chunk is something else."""

    def change(path: Path) -> None:
        chunk = path / "X" / "data" / "0"
        chunk.unlink()
        by(chunk)

    return zarr_store(change)


add("zarr-pipe", replaced(os.mkfifo), "neither a file nor a folder")
add("zarr-broken-link", replaced(lambda p: p.symlink_to("nowhere")), "neither a file nor a folder")
add("zarr-indices", zarr_store(lambda p: (p / "X/indices/0").write_bytes(b"")), "cannot be read")
add("zarr-future", zarr_store(lambda p: (p / ".zgroup").write_text('{"zarr_format": 9}')), "zarr")
add("zarr-no-obs", zarr_store(lambda p: (p / "obs").rename(p / "obz")), "not an AnnData in zarr")


@fault("zarr-mudata", "several modalities")
def mudata_store(folder: Path) -> Path:
    zarr.open_group(folder / "x.zarr", mode="w").create_group("mod")
    return folder / "x.zarr"


# ------------------------------------------------------------------------------ bad numbers


def matrix(values: Callable[[np.ndarray], object]) -> Callable[[Path], Path]:
    return saved(lambda adata: setattr(adata, "X", values(adata.X.toarray())))


def cell_value(bad: float, cells: int = 2) -> Callable[[np.ndarray], np.ndarray]:
    def change(x: np.ndarray) -> np.ndarray:
        x = x.astype(np.float64)
        x[:cells, 1] = bad
        return x

    return change


def rep(change: Callable[[np.ndarray], object]) -> Callable[[Path], Path]:
    return saved(lambda a: a.obsm.__setitem__("X_rep", change(a.obsm["X_rep"].astype(float))))


def times(labels: object) -> Callable[[Path], Path]:
    return saved(lambda adata: adata.obs.__setitem__("day", labels))


for value in (np.nan, np.inf, -np.inf):
    add(f"X-{value}", matrix(cell_value(value)), "infinite values in 2 of 48 cells")
    add(f"rep-{value}", rep(cell_value(value, 3)), "infinite values in 3 of 48 cells", args=REP)
    add(
        f"csc-{value}",
        matrix(lambda x, v=value: sparse.csc_matrix(cell_value(v)(x))),
        "in 2 of 48 cells",
    )
add("negative-counts", matrix(cell_value(-1)), "negative ones in 2 of 48 cells")
add("negative-sparse", matrix(lambda x: sparse.csr_matrix(cell_value(-1)(x))), "in 2 of 48 cells")
add("X-1e16", matrix(cell_value(1e16)), "as large as 1e+16 in 2 of 48 cells")
add("X-1e300", matrix(cell_value(-1e300)), "as large as 1e+300 in 2 of 48 cells")
add("rep-1e30", rep(cell_value(1e30)), "as large as 1e+30 in 2 of 48 cells", args=REP)
add("rep-1e10", rep(cell_value(1e10)), "2 of the 48 training cells", args=REP)
add("scaled-1e12", matrix(lambda x: cell_value(1e12)(x - 5.5)), "2 of the 48 training cells")
add("uint64", matrix(lambda x: cell_value(2.0**63)(x).astype(np.uint64)), "9.22e+18 in 2 of 48")
add(
    "empty-cells",
    matrix(lambda x: x * (np.arange(48) > 1)[:, None]),
    "2 of 48 cells have no counts",
)
add("empty-matrix", matrix(lambda x: sparse.csr_matrix(x * 0)), "48 of 48 cells have no counts")
add("log-empty-cell", matrix(lambda x: np.log1p(x) * (np.arange(48) > 0)[:, None]), "filter_cells")
add("constant", matrix(lambda x: np.full_like(x, 3)), "same expression")
add("complex", edited(put("obsm/X_rep", np.zeros((48, 3), complex))), "complex128", args=REP)
add("text", edited(put("obsm/X_rep", np.full((48, 3), b"x"))), "not a matrix of numbers", args=REP)
add("bool-rep", rep(lambda x: x > 0), "type bool", args=REP)
add("one-d", edited(put("obsm/X_rep", np.zeros(48))), "not a matrix of numbers", args=REP)
add("three-d", rep(lambda x: np.zeros((48, 3, 2))), "not a matrix of numbers", args=REP)
add("no-columns", rep(lambda x: x[:, :0]), "no columns", args=REP)
add("constant-rep", rep(lambda x: x * 0 + 2), "same coordinates", args=REP)
add("flat-whiten", rep(lambda x: x * [1, 1, 0]), "1 of 3 coordinates", args=(*REP, "--whiten"))
add("gene-twice", saved(lambda a: setattr(a, "var_names", ["g"] * 12)), "11 repeated gene names")
add("cell-twice", saved(lambda a: setattr(a, "obs_names", ["c"] * 48)), "47 repeated cell names")
add("one-gene", saved(lambda a: a[:, :1].copy()), "too few cells or genes")
add("no-genes", saved(lambda a: a[:, :0].copy()), "no expression matrix in X")
add("no-cells", saved(lambda a: a[:0].copy()), "has no cells")
add("one-day", saved(lambda a: a[:16].copy()), "a single time: 'day0' (16 cells)")
add("one-cell-in-a-day", saved(lambda a: a[15:].copy()), "Day day0 has 1 cell")
add("components", saved(), "at most 11", code=2, args=("--n-pcs", "30"))
add("rep-components", saved(), "has 3 columns", code=2, args=(*REP, "--n-pcs", "4"))
add("no-such-rep", saved(), "--use-rep X_rep", args=("--use-rep", "X_rpe"))
add("no-such-layer", saved(), "its layers are: spare", args=("--layer", "counts"))
add("no-such-column", saved(), "Did you mean 'day'", args=("--time-key", "dya"))
add("time-nan", times(np.where(np.arange(48) < 3, np.nan, np.arange(48) % 3)), "3 cells no time")
add("time-inf", times(np.where(np.arange(48) < 3, np.inf, np.arange(48) % 3)), "3 cells no time")
add("time-bool", times(np.arange(48) % 2 == 0), "holds labels that are not times")
add("time-continuous", times(np.linspace(0, 1, 48) ** 2), "has 1 cell")
add("time-words", times(["early", "late"] * 24), "--time-map")
add("time-mixed", times(["day0", "E8.5"] * 24), "mixes units")
add(
    "time-missing",
    saved(lambda a: a.obs.__delitem__("day")),
    "None reads as times",
)


# --------------------------------------------------------------------------------- odd, but fine


def fine(name: str, make: Callable[[Path], Path], *args: str) -> None:
    add(name, make, "cellam simulate", code=0, args=args)


fine("zarr-2", zarr_store())
fine("zarr-3", zarr_store(version=3))
fine("csc", matrix(sparse.csc_matrix))
fine("all-zero-genes", matrix(lambda x: x * (np.arange(12) > 2)))
fine("bool", matrix(lambda x: x > np.median(x)), "--n-pcs", "2")
fine("float16-uint8-longdouble", matrix(lambda x: x.astype(np.float16)))
fine("uint64-small", matrix(lambda x: x.astype(np.uint64)))
fine("longdouble", matrix(lambda x: x.astype(np.longdouble)))
fine("constant-column", rep(lambda x: x * [1, 1, 0]), *REP)
fine("large", rep(lambda x: 1e14 * x), *REP)
fine("tiny", rep(lambda x: 1e-30 * x), *REP)
fine("duplicates", edited(lambda f: f["X/indices"].__setitem__(1, 0)))
fine("numbers-for-names", saved(lambda a: setattr(a, "obs_names", list(map(str, range(48))))))
fine("empty-name", saved(lambda a: setattr(a, "obs_names", ["", *a.obs_names[1:]])))
fine(
    "unused-categories",
    saved(lambda a: a.obs.__setitem__("day", a.obs["day"].cat.add_categories(["day9"]))),
)
fine("blanks-and-quotes", saved(name='my "data" it\'s.h5ad'))
fine("newline", saved(name="a\nb.h5ad"))
fine("not-ascii", saved(name="données-数据-🧬.h5ad"))
fine("240-characters", saved(name="x" * 235 + ".h5ad"))
fine("braces-and-percent", saved(name="{0}%s[red].h5ad"))
fine("no-suffix", saved(name="data"))


@fault("linked", "cellam simulate", code=0)
def linked(folder: Path) -> Path:
    (folder / "data").mkdir()
    saved()(folder / "data")
    (folder / "x.h5ad").symlink_to(Path("data") / "x.h5ad")
    return folder / "x.h5ad"


@fault("read-only", "cellam simulate", code=0)
def read_only(folder: Path) -> Path:
    path = saved()(folder)
    path.chmod(0o444)
    return path
