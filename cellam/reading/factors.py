"""Factors: which genes are transcription factors, by a list of the user or of JASPAR.

JASPAR [1]_ holds the binding profiles of transcription factors, so its names are those of factors
with a known motif, no complete census. A profile of a dimer ("FOS::JUN") names two of them. A motif
that both species have is filed under one of them (that of SPI1 under the mouse), and their symbols
are mostly the same but for case. So the names are those of both, whichever of them is asked for.

References
----------
.. [1] JASPAR 2026, CORE collection (CC BY 4.0), by the package pyjaspar (MIT; Khan and Mathelier).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cellam.errors import ConfigError

RELEASE = "JASPAR2026"
HINT = "Give human, mouse, or a text file with one name a line."
SPECIES = {"human": "9606", "mouse": "10090"}  # by taxon
LONGEST = 40  # characters of a symbol; a longer line is no name


@dataclass(frozen=True)
class Factors:
    """Names of transcription factors.

    Parameters
    ----------
    names : frozenset of str
        In lower case: a name is the same in any.
    source : str
        Where they are from, in words.
    """

    names: frozenset[str]
    source: str

    def among(self, genes: Sequence[str]) -> list[bool]:
        """Whether each gene is one of them.

        Examples
        --------
        >>> Factors(frozenset({"gata1"}), "a list").among(["Gata1", "Hba-a1"])
        [True, False]
        """
        return [gene.lower() in self.names for gene in genes]


def read_factors(of: str | Path | Iterable[str]) -> Factors:
    """The transcription factors of human and mouse, of a file, or of a list.

    Parameters
    ----------
    of : str, path or several str
        "human" or "mouse" (needs the extra `factors`), a text file with one name a line (empty
        lines and those that begin with # do not count), or the names themselves.

    Raises
    ------
    ConfigError
        If the extra is not installed, or the file cannot be read or holds no names.
    """
    if isinstance(of, str) and of.lower() in SPECIES:
        return Factors(_of_jaspar(of.lower()), RELEASE)
    if of == "":
        raise ConfigError("`tf` is empty.", HINT)
    if isinstance(of, str | Path):
        return Factors(_of_file(Path(of)), str(of))
    names = frozenset(name.strip().lower() for name in of) - {""}
    if not names:
        raise ConfigError("`tf` names no transcription factor.", "Give at least one name.")
    return Factors(names, f"a list of {len(names):,}")


def _of_jaspar(species: str) -> frozenset[str]:
    try:
        from pyjaspar import jaspardb
    except ImportError:
        raise ConfigError(
            f"`tf={species!r}`: the list of transcription factors is not installed.",
            "In a clone of cellam: pip install '.[factors]'. Or give a file with one name a line.",
        ) from None
    found = jaspardb(release=RELEASE).fetch_motifs(
        collection="CORE", species=list(SPECIES.values())
    )
    return frozenset(name.lower() for motif in found for name in motif.name.split("::"))


def _of_file(path: Path) -> frozenset[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = "is no text" if isinstance(error, UnicodeDecodeError) else str(error.strerror).lower()
        raise ConfigError(f"`tf={str(path)!r}` cannot be read: {why}.", HINT) from None
    lines = [(n, line.strip()) for n, line in enumerate(text.splitlines(), 1)]
    names = [(n, line) for n, line in lines if line and not line.startswith("#")]
    for n, name in names:
        if len(name) > LONGEST or len(name.split()) > 1 or "," in name or ";" in name:
            shown = name if len(name) <= LONGEST else f"{name[:LONGEST]}…"
            raise ConfigError(f"Line {n} of {path} is not one name: {shown!r}.", HINT)
    if not names:
        raise ConfigError(f"{path} names no transcription factor.", HINT)
    return frozenset(name.lower() for _, name in names)
