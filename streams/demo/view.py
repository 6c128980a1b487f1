"""The demo on a terminal: tokens heating up, alerts as they come, the event-time clock."""

from __future__ import annotations

from typing import Final

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from streams.demo.board import Board, Heat
from streams.demo.words import clock, dollars, headline, reasons

MOST_TOKENS: Final = 9
MOST_ALERT_LINES: Final = 14
_STYLE: Final = {
    "candidate": "bold green",
    "update": "green",
    "fading": "bold yellow",
    "closed": "dim",
}


def render(board: Board, height: int) -> RenderableType:
    """One frame of at most ``height`` lines (down to 14)."""
    room = max(height - 8, 6)
    tokens = min(MOST_TOKENS, max(room // 3, 2))
    alerts = min(MOST_ALERT_LINES, max(room - tokens, 2))
    head = Table.grid(expand=True, padding=(0, 1))
    head.add_column()
    head.add_column(ratio=1)
    head.add_column(justify="right")
    when = clock(board.now_ms) + " UTC" if board.now_ms else "..."
    head.add_row(
        Text(f"event time {when}", style="bold"),
        ProgressBar(total=max(board.total, 1), completed=board.fed),
        Text(f"{board.fed:,} records, {len(board.alerts)} alerts", style="dim"),
    )
    return Group(head, _tokens(board, tokens), _alerts(board, alerts))


def _tokens(board: Board, most: int) -> RenderableType:
    table = Table(expand=True, box=None, padding=(0, 1), header_style="dim")
    for name, right in (
        ("token", False),
        ("P(3x)", True),
        ("posts, 12 h", False),
        ("in 15 min", True),
        ("price, 12 h", False),
        ("price", True),
        ("", False),
    ):
        width = 10 if name == "token" else None
        table.add_column(name, justify="right" if right else "left", no_wrap=True, min_width=width)
    rows = board.hottest(most)
    for symbol, heat in rows:
        table.add_row(*_cells(symbol, heat, board.now_ms))
    for _ in range(most - len(rows)):
        table.add_row("")
    return Panel(table, title="heating up", title_align="left", border_style="dim")


def _cells(symbol: str, heat: Heat, now_ms: int) -> tuple[RenderableType, ...]:
    style = _STYLE.get(heat.state, "")
    return (
        Text(symbol, style=style),
        Text(f"{heat.probability:.0%}", style=style),
        Text(heat.mentions.spark(now_ms), style="cyan"),
        f"{heat.mentions_15m:.0f}",
        Text(heat.price.spark(now_ms, hold=True), style="magenta"),
        dollars(heat.price_usd) if heat.price_usd else "",
        Text(heat.state, style=style),
    )


def _alerts(board: Board, room: int) -> RenderableType:
    """The newest alerts that fit into ``room`` lines, oldest first."""
    lines: list[Text] = []
    for alert in reversed(board.recent):
        entry = [Text(headline(alert), style=_STYLE.get(alert.kind, ""))]
        if alert.kind == "candidate":
            entry.append(Text(f"   because: {reasons(alert, 5)}", style="dim"))
        if len(lines) + len(entry) > room:
            break
        lines = entry + lines
    lines += [Text("")] * (room - len(lines))
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Panel(Group(*lines), title="alerts", title_align="left", border_style="dim")
