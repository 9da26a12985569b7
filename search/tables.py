"""Results as a person reads them. Nothing from a model or a file name is taken for markup or control
codes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from grounding.errors import printable
from grounding.plain import clock, number, plain
from search.results import Evidence, Hit, Searched, SearchResult

if TYPE_CHECKING:
    from search.showing import Shown

_WIDTH_IN_A_PIPE = 140


def print_result(result: SearchResult, *, console: Console | None = None) -> None:
    """Print the hits as a table, or that nothing was found in how much."""
    out = console or _console()
    if not result.hits:
        out.print(Text(nothing_found(result)), soft_wrap=True)
        return
    shifted = any(hit.start_s != hit.player_start_s for hit in result.hits)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name, justify in (("moment", "right"), ("file", "left"), ("start-end", "right")):
        table.add_column(name, justify="right" if justify == "right" else "left", no_wrap=name != "file")
    if shifted:
        table.add_column("in the player", justify="right", no_wrap=True)
    for name in ("score", "what was seen", "found by", "evidence"):
        table.add_column(name, overflow="fold")
    for hit in result.hits:
        table.add_row(*(Text(cell) for cell in _cells(hit, shifted=shifted)))
    out.print(table)
    out.print(Text(f"{len(result.hits)} of the moments in {_extent(result.searched)}."), soft_wrap=True)
    out.print(Text("Look at one: proofreel show MOMENT --frame out.png"), soft_wrap=True)


def nothing_found(result: SearchResult) -> str:
    """That nothing was found, and in how much."""
    return f'Nothing found for "{plain(result.query)}" in {_extent(result.searched)}.'


def print_shown(shown: Shown, *, console: Console | None = None) -> None:
    """Print a moment, its claims and what was written."""
    out = console or _console()
    for line in _lines(shown):
        out.print(Text(line), soft_wrap=True)


def _lines(shown: Shown) -> list[str]:
    span = f"{clock(shown.start_s)}-{clock(shown.end_s)}"
    if shown.start_s != shown.player_start_s:
        span += f" (in the player {clock(shown.player_start_s)}-{clock(shown.player_end_s)})"
    lines = [f"{_name(shown.path)} {span}: {plain(shown.text)}"]
    lines += [f"  {_claim(claim)}" for claim in shown.claims]
    if shown.frame is not None:
        lines.append(
            f"frame at {clock(shown.frame_time_s or 0.0)} (pts {shown.frame_pts}): {plain(str(shown.frame))}"
        )
    if shown.clip is not None:
        lines.append(f"clip: {plain(str(shown.clip))}")
    return lines


def _claim(claim: Evidence) -> str:
    sure = "" if claim.confidence is None else f", confidence {claim.confidence:.2f}"
    boxes = f"{len(claim.boxes)} box" + ("" if len(claim.boxes) == 1 else "es")
    return f"{plain(claim.subject)} at {clock(claim.time_s)} (pts {claim.pts}), {boxes}{sure}"


def _name(path: str | os.PathLike[str] | None) -> str:
    return "(no file left)" if path is None else plain(printable(os.path.basename(path)))


def _cells(hit: Hit, *, shifted: bool) -> list[str]:
    player = [f"{clock(hit.player_start_s)}-{clock(hit.player_end_s)}"] if shifted else []
    evidence = (
        f"{hit.num_claims} claim" + ("" if hit.num_claims == 1 else "s") if hit.num_claims else "unproven"
    )
    return [
        str(hit.moment),
        _name(hit.path),
        f"{clock(hit.start_s)}-{clock(hit.end_s)}",
        *player,
        f"{hit.score:.2f}",
        plain(hit.text),
        " + ".join(hit.why),
        evidence,
    ]


def _extent(searched: Searched) -> str:
    videos = f"{searched.videos} video" + ("" if searched.videos == 1 else "s")
    text = f"{number(searched.seconds)} s looked at in {videos} ({number(searched.pending_s)} s still to do"
    if searched.unseen_s >= 0.05:
        text += f", {number(searched.unseen_s)} s could not be seen"
    if searched.undated:
        text += f", {searched.undated} left out for want of a recording date"
    return text + ")"


def _console() -> Console:
    # In a pipe there is no width to fit into.
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH_IN_A_PIPE)
