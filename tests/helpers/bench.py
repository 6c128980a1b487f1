"""An engine fed by hand: posts and trades at seconds after T0, and what it says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from detectors.columns import Columns, columns_of, columns_of_mentions
from detectors.engine import Engine
from detectors.model import Model
from detectors.outputs import Outputs
from detectors.settings import EngineSettings
from schemas.records import Alert, CheckedNumber, Mention, Tick, TokenInfo
from tests.helpers.logs import SETTINGS, T0, TOKENS
from tests.helpers.models import crowd_model

INPUTS = ("m", "t", "i")
TOKEN = TOKENS[0]


@dataclass
class Bench:
    """Inputs m, t and i of one engine. ``run`` pushes what was queued and closes bars."""

    settings: EngineSettings = SETTINGS
    model: Model = field(default_factory=crowd_model)
    options: dict[str, Any] = field(default_factory=dict)
    log_start_ms: int = T0
    outputs: list[Outputs] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = self.new_engine()
        self.queued: dict[str, list[Any]] = {name: [] for name in INPUTS}
        self._offset = 0
        self._n = 0

    def new_engine(self) -> Engine:
        options = {"fingerprint": "bench"} | self.options
        return Engine(self.settings, self.model, INPUTS, **options)

    def post(self, at_s: float, author: str, token: str = TOKEN, **more: Any) -> str:
        """Queue a mention; ``delay_ms`` is how late it comes. Returns its id."""
        at, log, name = self._times(at_s, more)
        more = {"platform": "x", "text": ""} | more
        self.queued["m"].append((token, Mention(name, at, author_id=author, **more), log))
        return name

    def trade(
        self, at_s: float, trader: str, price: str | float = 1, token: str = TOKEN, **more: Any
    ) -> str:
        """Queue a tick. Returns its id."""
        at, log, name = self._times(at_s, more)
        more = {"side": "buy", "value_usd": 100} | more
        tick = Tick(name, at, token, price, trader_id=trader, **more)
        self.queued["t"].append((tick, log))
        return name

    def info(
        self, at_s: float, token: str = TOKEN, supply: float | None = None, **more: Any
    ) -> None:
        """Queue a token info."""
        at, log, name = self._times(at_s, more)
        known = None if supply is None else CheckedNumber(supply, at)
        self.queued["i"].append((TokenInfo(name, at, token, supply=known, **more), log))

    def crowd(
        self, at_s: float, n: int = 10, price: str | float = 1, token: str = TOKEN, who: str = ""
    ) -> None:
        """Queue n posts by n authors and n trades by n traders, within 2 s."""
        for k in range(n):
            self.post(at_s + 2 * k / n, f"author{who}{k}", token)
            self.trade(at_s + 2 * k / n, f"trader{who}{k}", price, token)

    def run(self, until_s: float) -> list[Alert]:
        """Push what was queued, read every input through ``until_s``; the alerts of it."""
        end = T0 + round(until_s * 1000)
        out: list[Outputs] = []
        self._offset += 1
        for name, queued in self.queued.items():
            queued.sort(key=lambda row: row[-1])
            columns: Columns | None = None
            if queued and name == "m":
                columns = columns_of_mentions(queued)
            elif queued:
                columns = columns_of([r for r, _ in queued], [ms for _, ms in queued])
            through = max([end, *(row[-1] for row in queued)])
            out.append(self.engine.push(name, columns, self._offset, through, self.log_start_ms))
            queued.clear()
        self.outputs = out
        return [alert for one in out for alert in one.alerts]

    def restart(self) -> None:
        """Go on in a new engine, from a snapshot."""
        blob = self.engine.snapshot()
        self.engine = self.new_engine()
        self.engine.restore(blob)

    def _times(self, at_s: float, more: dict[str, Any]) -> tuple[int, int, str]:
        self._n += 1
        at = T0 + round(at_s * 1000)
        return at, at + more.pop("delay_ms", 0), more.pop("id", f"r{self._n}")


def kinds(alerts: list[Alert]) -> list[str]:
    return [alert.kind for alert in alerts]
