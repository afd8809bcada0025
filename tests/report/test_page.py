from __future__ import annotations

import base64
import io
import itertools
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import anndata
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import cellam
from cellam.checks.caveat import Caveat
from cellam.evaluation.evaluate import evaluate
from cellam.modelling.model import Model
from cellam.modelling.rotation import Rotation
from cellam.reading.cells import Cells, read_annotation
from cellam.reading.palette import find_palette
from cellam.report.findings import shares
from cellam.report.page import render_report, write_report
from cellam.report.wording import explain
from cellam.runs.run import StoredRun as Run

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / ".screenshots"  # git-ignored; look at them
EVIL = "<script>alert('x')</script> & $co"


class Page(HTMLParser):
    """What the tests ask of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[tuple[int, str]] = []
        self.links: list[str] = []
        self._heading = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.links += [v for k, v in attrs if k in ("src", "srcset", "href", "action") and v]
        if re.fullmatch("h[1-6]", tag):
            self._heading = int(tag[1])
            self.headings.append((self._heading, ""))

    def handle_endtag(self, tag: str) -> None:
        if re.fullmatch("h[1-6]", tag):
            self._heading = 0

    def handle_data(self, data: str) -> None:
        if self._heading:
            level, text = self.headings[-1]
            self.headings[-1] = (level, text + data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


@dataclass(frozen=True)
class Written:
    run: Run
    path: Path
    text: str
    page: Page


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, _small: anndata.AnnData) -> Written:
    """A run whose every section has something to show, with a cell type that means harm."""
    folder = tmp_path_factory.mktemp("full")
    adata = _small.copy()
    names = adata.obs["cell_type"].astype(str).replace({"myeloid": EVIL})
    adata.obs["cell_type"] = names.astype("category")
    adata.write_h5ad(folder / "small.h5ad")
    cells = cellam.read(folder / "small.h5ad")
    model = cellam.fit(cells, n_features=64, tau=1.0, n_pcs=5, exclude=("day4",))
    command = "cellam fit small.h5ad --exclude day4 --tau 1"
    run = cellam.save(
        model, cells, folder / "runs" / "full", data=folder / "small.h5ad", command=command
    )
    for day, refits in (("day4", 4), ("day7", 0)):
        run.keep(evaluate(cells, day, model.options, metrics=["W1", "energy"], refits=refits))
    caveats = [Caveat("cells", "day2 has <few> cells.", "Sequence more.")]
    path = folder / "report.html"
    write_report(run, path, caveats=caveats)
    text = path.read_text(encoding="utf-8")
    return Written(run, path, text, Page(text))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory, noisy_model: Model, cells: Cells) -> Written:
    """A run without data, scores, growth or command."""
    folder = tmp_path_factory.mktemp("bare")
    rotating = replace(noisy_model, rotation=Rotation(gradient=0.1, free=0.9))
    run = cellam.save(rotating, cells, folder / "bare")
    path = folder / "report.html"
    write_report(run, path)
    text = path.read_text(encoding="utf-8")
    return Written(run, path, text, Page(text))


@pytest.fixture(params=["full", "bare"])
def written(request: pytest.FixtureRequest) -> Written:
    found: Written = request.getfixturevalue(request.param)
    return found


def test_types_have_the_same_colours_in_its_pictures(full: Written) -> None:
    """Those of the data, in the map of velocities and in the composition, but for rounding."""
    adata = read_annotation(full.run.data())
    colours = find_palette(adata, "cell_type")
    for alt in ("Map of all cells in PC1 and PC2, coloured by cell_type", "Shares of cell_type"):
        (shown,) = (i["src"] for i in full.page.all("img") if (i["alt"] or "").startswith(alt))
        content = base64.b64decode((shown or "").split(",", 1)[1])
        with Image.open(io.BytesIO(content)) as image:
            pixels = np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)
        for colour in colours.values():
            rgb = 255 * np.array(mpl.colors.to_rgb(colour))
            assert np.abs(pixels - rgb).max(1).min() < 4


# -------------------------------------------------------------------------- what it is made of


def test_nothing_outside_the_file_is_asked_for(written: Written) -> None:
    assert written.page.links
    for link in written.page.links:
        assert link.startswith(("data:", "#"))
    assert "default-src 'none'" in written.text
    assert not written.page.all("script")
    style = written.text.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_every_picture_has_a_size_words_and_light_paper(written: Written) -> None:
    images = written.page.all("img")
    assert len(images) == len(written.page.all("figure")) >= 3
    for image in images:
        assert len(image["alt"] or "") > 30
        with Image.open(io.BytesIO(base64.b64decode((image["src"] or "").split(",")[1]))) as png:
            assert png.width == pytest.approx(2 * int(image["width"] or 0), abs=2)
            assert png.height == pytest.approx(2 * int(image["height"] or 0), abs=2)
            assert png.convert("L").getpixel((1, 1)) > 240
    alts = [image["alt"] for image in images]
    assert len(set(alts)) == len(alts)


def test_small_types_are_marked_and_rare_columns_left_out_with_a_word() -> None:
    names = [f"t{k:02d}" for k in range(14)]
    share = {name: (14 - k) / 105 for k, name in enumerate(names)}
    row = {"label": "d", "said": "start", "mass": 1.0, "ess": 3.0}
    frame = pd.DataFrame([{**row, "simulated": share, "observed": share, "bias": {}}])
    found = shares(frame)
    assert found["types"] == names[:8]
    assert found["left"] == "6 rarer types are not shown."
    assert len(found["rows"][0]["shares"]) == 8


def test_headings_are_in_order_and_sections_are_named_by_them(written: Written) -> None:
    levels = [level for level, _ in written.page.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    assert [text for level, text in written.page.headings if level == 2] == [
        "In short", "Data and choices", "How good the fit is", "Results", "Caveats", "Methods",
        "How to reproduce it",
    ]  # fmt: skip
    ids = {attrs["id"] for _, attrs in written.page.tags if "id" in attrs}
    assert {s["aria-labelledby"] for s in written.page.all("section")} <= ids
    assert {link[1:] for link in written.page.links if link.startswith("#")} <= ids
    for landmark in ("header", "nav", "main", "footer"):
        assert len(written.page.all(landmark)) == 1
    assert written.page.all("html") == [{"lang": "en"}]


def test_tables_have_captions_and_scopes(written: Written) -> None:
    assert len(written.page.all("table")) == len(written.page.all("caption")) >= 3
    assert all(th["scope"] in ("col", "row") for th in written.page.all("th"))
    assert all(d["aria-label"] for d in written.page.all("div") if d.get("role") == "region")


def test_labels_cannot_become_code(full: Written) -> None:
    assert "<script" not in full.text
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; $co" in full.text
    assert "day2 has &lt;few&gt; cells." in full.text


def test_the_same_run_gives_the_same_bytes(bare: Written) -> None:
    assert render_report(bare.run) == bare.text


# ------------------------------------------------------------------------------ what it says


def test_what_went_in(full: Written) -> None:
    for note in explain(full.run.model):
        assert note in full.text
    row = '<tr><th scope="row">{}</th><td>{}</td><td>{}</td><td>40</td><td>1</td><td>{}</td></tr>'
    assert row.format("day0", 0, "–", "yes") in full.text
    assert row.format("day4", 4, 2, "no") in full.text
    assert row.format("day7", 7, 3, "yes") in full.text


def test_how_good_it_is(full: Written) -> None:
    from cellam.evaluation.skill import skills

    for label in ("day4", "day7"):
        scores = full.run.evaluation(label)
        assert scores is not None
        assert skills(scores)[0].says.replace("'", "&#39;") in full.text
        for value in scores.table["value"]:
            assert f"{value:.3g}" in full.text
    assert "day7 held out (extrapolation)" in full.text
    assert "day7 lies outside the training days" in full.text
    assert "No held-out day has been scored yet" not in full.text
    # The run was fitted without day4, so that its prediction can be drawn.
    assert "day4 was held out of this fit" in full.text


def test_a_fit_that_was_not_scored_says_so_and_what_to_type(bare: Written) -> None:
    assert bare.text.count("No held-out day has been scored yet") == 2
    assert f"cellam eval --holdout all --run {bare.run.path}" in bare.text


def test_what_it_found(full: Written) -> None:
    assert "Fates of the cells of day0 on day7" in full.text
    assert "Growth rate per day by cell_type" in full.text
    assert "All 40 cells of day0, simulated." in full.text


def test_what_cannot_be_shown_is_not(bare: Written) -> None:
    assert "No growth: method eam conserves mass" in bare.text
    assert "does not record where its data are" in bare.text
    assert "have become by" not in bare.text


def test_the_first_screen_has_five_answers_that_lead_to_their_sections(full: Written) -> None:
    first = full.text[full.text.index('<dl class="answers">') : full.text.index("</dl>")]
    anchors = re.findall(r'<dt><a href="#(\w+)">', first)
    assert anchors == ["go", "growth", "go", "good", "caveats"]
    assert {f'id="{anchor}"' for anchor in anchors} <= set(re.findall(r'id="\w+"', full.text))
    assert re.search(r"progenitor [+−][\d.]+ \([+−][\d.]+ to [+−][\d.]+\)", first)
    assert re.search(r"erythroid \d+ % \(\d+ to \d+\)", first)
    assert "<p>day4: In " in first


def test_warnings(full: Written, bare: Written) -> None:
    assert full.text.count("day2 has &lt;few&gt; cells.") == 2  # in short, and with its advice
    assert "Sequence more." in full.text
    assert "The flow is circular." in bare.text


@pytest.mark.usefixtures("undrawn")
def test_caveats_that_were_not_looked_for_are_not_said_to_be_none(run: Path) -> None:
    opened = cellam.open_run(run)
    assert "Only the rotation of the flow could be checked" in render_report(opened)
    assert "<p>None.</p>" in render_report(opened, caveats=[])


def test_how_it_was_done_and_can_be_done_again(full: Written, bare: Written) -> None:
    assert full.run.provenance["command"] in full.text
    where = f"--run {full.run.path}"
    assert f"cellam eval --holdout day4 --holdout day7 {where}" in full.text
    assert f"in a clone of the repository of cellam, at version {cellam.__version__}" in full.text
    assert "pip install cellam" not in full.text  # which is in no registry
    assert full.run.digest in full.text
    assert "was fitted from Python" in bare.text
    assert "&#34;method&#34;:&#34;eam&#34;" in bare.text
    assert "Wasserstein-1 distance" in full.text  # of the methods


# ------------------------------------------------------------------------------------- errors


def test_an_unknown_column_or_basis_lists_those_there_are(full: Written, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    with pytest.raises(cellam.ConfigError, match="no column 'leiden'") as error:
        write_report(full.run, path, groupby="leiden")
    assert error.value.hint == "Columns that may name cell types: cell_type."
    with pytest.raises(cellam.ConfigError, match="no basis 'umap'") as error:
        write_report(full.run, path, basis="umap")
    assert "X_latent" in error.value.hint
    assert not path.exists()


def test_data_of_other_cells_are_refused(
    full: Written, small: anndata.AnnData, tmp_path: Path
) -> None:
    small[1:].write_h5ad(tmp_path / "other.h5ad")
    with pytest.raises(cellam.DataError, match="have changed"):
        render_report(full.run, data=tmp_path / "other.h5ad")
    with pytest.raises(cellam.DataError, match="was not found"):
        render_report(full.run, data=tmp_path / "nothing.h5ad")


# ---------------------------------------------------------------------------------- in a browser


# A container has little shared memory: without the last, pictures of long pages may fail.
CHROMIUM = ["--no-sandbox", "--disable-dev-shm-usage"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="no playwright: pip install playwright"
    )
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=CHROMIUM)
        yield opened
        opened.close()


LOOKS = [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)]
# Relative luminance and contrast as WCAG 2 defines them.
CONTRAST = """() => {
  const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = e => { for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor; if (!c.endsWith(', 0)')) return c; } };
  return [...document.querySelectorAll('p, li, td, th, caption, figcaption, a, h1, h2, h3, code')]
    .map(e => { const [a, b] = [light(getComputedStyle(e).color), light(behind(e))];
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); })
    .reduce((a, b) => Math.min(a, b)); }"""


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_a_browser_opens_it(browser: Any, written: Written, scheme: str, width: int) -> None:
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 900}, offline=True
    )
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(written.path.as_uri())
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [written.path.as_uri()]
    images = page.evaluate(
        "[...document.images].map(i => [i.complete, i.naturalWidth, i.clientWidth, i.clientHeight,"
        " i.alt.length, i.parentElement.clientWidth])"
    )
    assert len(images) >= 3
    for complete, natural, wide, high, alt, seen in images:
        assert complete
        assert min(natural, wide, high, alt) > 20
        # A row of panels keeps the size of its print, and scrolls as wide tables do.
        assert seen <= width and (wide <= width or wide > 2.4 * high)
    # Nothing hangs out of the window; wide tables scroll in a region of their own.
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) >= 4.5
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the results"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"
    SCREENSHOTS.mkdir(exist_ok=True)
    shot = SCREENSHOTS / f"{written.run.path.name}-{scheme}-{width}.png"
    page.screenshot(path=shot, full_page=True)
    assert shot.stat().st_size > 20_000
    context.close()


def test_it_prints_light_and_without_navigation(browser: Any, full: Written) -> None:
    context = browser.new_context(color_scheme="dark", offline=True)
    page = context.new_page()
    page.goto(full.path.as_uri())
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    SCREENSHOTS.mkdir(exist_ok=True)
    pdf = page.pdf(path=SCREENSHOTS / "full.pdf", format="A4")
    assert pdf.startswith(b"%PDF-")
    context.close()
