"""What the newer commands cost: `python tests/bench/commands.py` writes COMMANDS.md.

CPU seconds, peak memory and the last line that says something of each command, on larry (781 cells
with barcodes) and on cite (29,394 cells in ready components), both from ../shared/data; one thread.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import h5py
from measuring import measured

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
TABLE = Path(__file__).with_name("COMMANDS.md")
FACTORS = ["Gata1", "Gata2", "Cebpa", "Cebpe", "Irf8", "Klf4", "Myc", "Runx1", "Meis1", "Gfi1"]
SHOWN = {
    "larry": "larry.h5ad",
    "cite": "cite.h5ad",
    "factors": "factors.txt",
    "h5mu": "larry.h5mu/rna",
}
LARRY = (
    "fit {larry} --time-key day --no-report",
    "fit {larry} --time-key day --clones clone_id --no-report --name clones",
    "fit {h5mu} --time-key day --no-report --name modality",
    "fates --find-states --run larry",
    "fates --clones clone_id --run larry",
    "drivers --of fate:Monocyte --tf {factors} --run larry",
    "jacobian -g Gata2 -g Elane -g Mpo --run larry",
    "suggest --run larry",
    "simulate --from 2 --discrete --run larry",
    "eval --holdout 4 --sweep --no-report --run larry",
)
CITE = (
    "fit {cite} --time-key day --use-rep X_pca --n-pcs 20 --no-report",
    "fates --find-states --run cite",
    "suggest --run cite",
    "simulate --from 2 --discrete --turnover 0.2 --run cite",
    "eval --holdout 3 --sweep --no-report --run cite",
)


def as_modality(data: Path, to: Path) -> None:
    """The same data as the modality "rna" of an .h5mu file."""
    with h5py.File(data) as source, h5py.File(to, "w") as target:
        target.attrs["encoding-type"], target.attrs["encoding-version"] = "MuData", "0.1.0"
        for name in ("obs", "var"):
            source.copy(name, target)
        source.copy(source["/"], target.create_group("mod"), "rna")


def main() -> None:
    """Write the table."""
    began = time.strftime("%-d %B %Y")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {
            "larry": folder / "larry.h5ad",
            "cite": folder / "cite.h5ad",
            "factors": folder / "factors.txt",
            "h5mu": folder / "larry.h5mu",
        }
        files["larry"].symlink_to(SHARED / "larry_clones_781.h5ad")
        files["cite"].symlink_to(SHARED / "cite.h5ad")
        files["factors"].write_text("\n".join(FACTORS))
        as_modality(files["larry"], files["h5mu"])
        files["h5mu"] = files["h5mu"] / "rna"
        rows = []
        for text in (*LARRY, *CITE):
            cost = measured(*text.format(**files).split(), folder=folder)
            shown = text.format(**SHOWN)
            print(f"$ cellam {shown}\n{cost.out}{cost.err}\n", flush=True)
            rows.append(f"| `{shown}` | {cost.cpu:.1f} | {cost.peak:,.0f} |")
    head = (
        "# What the newer commands cost\n\nWritten by `python tests/bench/commands.py`, "
        f"{began}; one thread.\n\n| cellam | CPU s | MB |\n|---|---|---|\n"
    )
    TABLE.write_text(head + "\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
