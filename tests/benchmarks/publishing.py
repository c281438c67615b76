"""Write results into docs/performance.md, between two marks, and the plots beside it."""

from __future__ import annotations

from pathlib import Path

from benchmarks.plots import plots
from benchmarks.samples import Results
from benchmarks.tables import tables

BEGIN = "<!-- measured: begin (written by `python -m benchmarks publish`) -->"
END = "<!-- measured: end -->"


def publish(results: Results, page: Path) -> None:
    """Write the plots, and replace the text between the marks of the page by the results."""
    folder = page.with_suffix("")
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    for name, svg in plots(results).items():
        (folder / name).write_text(svg)
    results.save(folder / "results.json")
    page.write_text(inserted(page.read_text(), section(results, folder.name)))


def inserted(text: str, section: str) -> str:
    """Return a page with a section between its marks. Raises ValueError if it has no marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has no marks to put the results between")
    return f"{before}{BEGIN}\n\n{section}\n{END}{after}"


def section(results: Results, folder: str) -> str:
    """Return the section of the page with the results and the plots in a folder."""
    machine = ", ".join(f"{name}: {value}" for name, value in results.machine.items())
    pictures = [f"![{name.removesuffix('.svg')}]({folder}/{name})\n" for name in plots(results)]
    blocks = [table.markdown() for table in tables(results)]
    return "\n".join([f"{machine}.\n", *blocks[:2], *pictures, *blocks[2:]])
