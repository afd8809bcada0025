"""Hold the wheel and the sdist to what they promise: `python tests/package.py DIST REQUIREMENT…`.

The wheel is made from the sdist (`python -m build`). It has to hold every module, type, template and
page of the sources and no test, and to pass the demo where nothing but it and what it asks for is
installed: in a new environment, outside of the checkout. The requirements go to pip before it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
INSTALLED = {"cellam": "cellam", "cli": "cellam_cli"}  # folder here: package there
READ = (".py", ".pyi", ".typed", ".j2", ".md", ".png", ".ipynb")
NOT_INSTALLED = "cellam/guide/site/"  # how the site is built
DEMO = ("data/demo.sh", "data/steps.sh", "data/demo.h5ad")


def version() -> str:
    """The version of the sources, of which there is one."""
    text = (ROOT / "cellam" / "_version.py").read_text(encoding="utf-8")
    return str(re.findall(r'^__version__ = "(.+)"$', text, re.M)[0])


def sources() -> set[str]:
    """What a wheel has to hold, by the names that it has there."""
    files = {
        path.relative_to(ROOT).as_posix()
        for folder in INSTALLED
        for path in (ROOT / folder).rglob("*")
        if path.suffix in READ or path.name == "py.typed"
    }
    return {
        re.sub(r"^\w+", lambda folder: INSTALLED[folder[0]], name)
        for name in files
        if not name.startswith(NOT_INSTALLED)
    }


def problems_of_wheel(names: set[str], metadata: Message) -> list[str]:
    """What is wrong with the files of a wheel and what it says of itself."""
    held = {name for name in names if ".dist-info/" not in name}
    found = [f"the wheel lacks {name}" for name in sorted(sources() - held)]
    found += [f"the wheel holds {name}" for name in sorted(held - sources())]
    said = {
        "Version": version(),
        "Requires-Python": PROJECT["requires-python"],
        "License-Expression": "BSD-3-Clause",
    }
    found += [
        f"the wheel says {key}: {metadata[key]}, not {value}"
        for key, value in said.items()
        if metadata[key] != value
    ]
    asked = {re.split(r"[^\w-]", text)[0] for text in metadata.get_all("Requires-Dist") or []}
    needed = {re.split(r"[^\w-]", text)[0] for text in PROJECT["dependencies"]}
    return found + [f"the wheel does not ask for {name}" for name in sorted(needed - asked)]


def problems_of_sdist(names: set[str]) -> list[str]:
    """What an sdist lacks of what a packager needs."""
    bare = {name.split("/", 1)[1] for name in names if "/" in name}
    needed = {"pyproject.toml", "LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff", *DEMO}
    return [f"the sdist lacks {name}" for name in sorted(needed - bare)] + [
        f"the sdist holds {name}" for name in sorted(bare) if name.startswith("tests/")
    ]


def read_wheel(path: Path) -> tuple[set[str], Message]:
    """Its files, and its metadata."""
    with ZipFile(path) as wheel:
        names = {name for name in wheel.namelist() if not name.endswith("/")}
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        return names, message_from_bytes(wheel.read(metadata))


def pass_the_demo(wheel: Path, requirements: list[str]) -> None:
    """Install a wheel into a new environment and let it do the demo, away from the checkout."""
    with tempfile.TemporaryDirectory(prefix="cellam-package-") as folder:
        here = Path(folder)
        venv.create(here / "venv", with_pip=True)
        programs = here / "venv" / "bin"
        pip = [
            programs / "python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]
        if requirements:
            subprocess.run([*pip, *requirements], check=True)
        subprocess.run([*pip, wheel], check=True)
        for name in DEMO:
            shutil.copy(ROOT / name, here)
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        path = os.pathsep.join([str(programs), os.defpath])
        for command in (
            ["cellam", "--version"],
            ["cellam", "guide", "demo"],
            ["sh", here / "demo.sh", here / "demo.h5ad", here / "run"],
        ):
            subprocess.run(
                command, cwd=here, env={**kept, "PATH": path, "OMP_NUM_THREADS": "1"}, check=True,
                stdout=subprocess.DEVNULL if command[1] == "guide" else None,
            )  # fmt: skip


def main() -> int:
    """Look at what was built, then install it."""
    folder, *requirements = sys.argv[1:]
    (wheel,), (sdist,) = (sorted(Path(folder).glob(kind)) for kind in ("*.whl", "*.tar.gz"))
    with tarfile.open(sdist) as archive:
        problems = problems_of_sdist(set(archive.getnames()))
    problems += problems_of_wheel(*read_wheel(wheel))
    for problem in problems:
        print(problem)
    if problems:
        return 1
    pass_the_demo(wheel.resolve(), requirements)
    print(f"{wheel.name} and {sdist.name} are complete, and the wheel passes the demo.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
