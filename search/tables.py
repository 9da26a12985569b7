"""Results as a person reads them. Nothing from a model or a file name is taken for markup or control
codes.
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from grounding.errors import printable
from grounding.plain import clock, number, plain
from search.results import Evidence, Hit, Searched, SearchResult

if TYPE_CHECKING:
    from search.showing import Shown

_WIDTH_IN_A_PIPE = 1 << 20


def print_result(result: SearchResult, *, console: Console | None = None) -> None:
    """Print the hits as a table, or that nothing was found in how much; and what no search can prove."""
    out = console or _console()
    if result.hits:
        out.print(_table(result))
        best = "The best hit" if len(result.hits) == 1 else f"The best {len(result.hits)} hits"
        lines = [f"{best} in {_extent(result.searched)}."]
    else:
        lines = [nothing_found(result)]
    if result.denied:
        lines.append(_unprovable(result))
    if result.hits:
        lines.append("Look at one: proofreel show MOMENT --frame out.png")
    for line in lines:
        out.print(Text(line), soft_wrap=True)


def nothing_found(result: SearchResult) -> str:
    """That nothing was found, and in how much."""
    told = f'Nothing found for "{plain(result.query)}" in {_extent(result.searched)}.'
    if result.small:
        told += " It names nothing to look for: say what should be in the picture, or put words that are read"
        told += " there in quotation marks."
    return told


def _unprovable(result: SearchResult) -> str:
    denied = " and ".join(f'"{plain(text)}"' for text in result.denied)
    told = f"No search can prove {denied}: it finds what was seen, not what was not there. "
    if result.hits:
        return told + "These moments' own texts say so; look at each."
    return told + "Ask an engine that can see it (proofreel index -q), or search for the rest and look."


def _table(result: SearchResult) -> Table:
    shifted = any(hit.start_s != hit.player_start_s for hit in result.hits)
    doubted = any(hit.unproven or hit.fewer for hit in result.hits)
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("moment", justify="right", no_wrap=True)
    table.add_column("file", overflow="fold")
    table.add_column("start-end", justify="right", no_wrap=True)
    if shifted:
        table.add_column("in the player", justify="right", no_wrap=True)
    for name in ("score", "what was seen", *(["not confirmed"] if doubted else []), "found by", "evidence"):
        table.add_column(name, overflow="fold")
    for hit in result.hits:
        table.add_row(*(Text(cell) for cell in _cells(hit, shifted=shifted, doubted=doubted)))
    return table


def print_shown(shown: Shown, *, console: Console | None = None) -> None:
    """Print a moment, its claims and what was written."""
    out = console or _console()
    for line in _lines(shown):
        out.print(Text(line), soft_wrap=True)


def _lines(shown: Shown) -> list[str]:
    span = f"{clock(shown.start_s)}-{clock(shown.end_s)}"
    if shown.start_s != shown.player_start_s:
        span += f" (in the player {clock(shown.player_start_s)}-{clock(shown.player_end_s)})"
    lines = [f"{_name(shown.path)}{_missing(shown.missing_since)} {span}: {plain(shown.text)}"]
    lines += [f"  {_claim(claim)}" for claim in shown.claims]
    if shown.frame is not None:
        lines.append(
            f"frame at {clock(shown.frame_time_s or 0.0)} (pts {shown.frame_pts}): {plain(str(shown.frame))}"
        )
    if shown.clip is not None:
        lines.append(f"clip: {plain(str(shown.clip))}")
    if shown.undrawable is not None:
        lines.append(f"Its frame and its clip can't be drawn: {plain(shown.undrawable)}.")
    return lines


def _claim(claim: Evidence) -> str:
    sure = "" if claim.confidence is None else f", confidence {claim.confidence:.2f}"
    boxes = f"{len(claim.boxes)} box" + ("" if len(claim.boxes) == 1 else "es")
    return f"{plain(claim.subject)} at {clock(claim.time_s)} (pts {claim.pts}), {boxes}{sure}"


def _name(path: str | os.PathLike[str] | None) -> str:
    return "(no file left)" if path is None else plain(printable(os.path.basename(path)))


def _cells(hit: Hit, *, shifted: bool, doubted: bool) -> list[str]:
    player = [f"{clock(hit.player_start_s)}-{clock(hit.player_end_s)}"] if shifted else []
    return [
        str(hit.moment),
        _name(hit.path) + _missing(hit.missing_since),
        f"{clock(hit.start_s)}-{clock(hit.end_s)}",
        *player,
        f"{hit.score:.2f}",
        plain(hit.text),
        *([_doubts(hit)] if doubted else []),
        " + ".join(hit.why),
        _proof(hit),
    ]


def _proof(hit: Hit) -> str:
    """How many claims, and how sure the engine was of those that are shown: least to most."""
    if not hit.num_claims:
        return "unproven"
    sure = sorted(c.confidence for c in hit.claims if c.confidence is not None)
    ends = dict.fromkeys(f"{value:.2f}" for value in (*sure[:1], *sure[-1:]))
    return _counted(hit.num_claims, "claim") + (f" ({'-'.join(ends)})" if ends else "")


def _doubts(hit: Hit) -> str:
    fewer = [f"fewer than asked ({', '.join(hit.fewer)})"] if hit.fewer else []
    return plain(", ".join([*hit.unproven, *fewer]))


def _missing(since: datetime | None) -> str:
    return "" if since is None else f" (missing since {since:%Y-%m-%d %H:%M} UTC)"


def _counted(number: int, name: str) -> str:
    return f"{number} {name}" + ("" if number == 1 else "s")


def _extent(searched: Searched) -> str:
    videos = _counted(searched.videos, "video")
    text = f"{number(searched.seconds)} s looked at in {videos} ({number(searched.pending_s)} s still to do"
    if searched.unseen_s >= 0.05:
        text += f", {number(searched.unseen_s)} s could not be seen"
    if searched.undated:
        text += f", {searched.undated} left out for want of a recording date or time"
    return text + ")"


def _console() -> Console:
    # Rows in a pipe are never broken: one line a hit.
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH_IN_A_PIPE)
