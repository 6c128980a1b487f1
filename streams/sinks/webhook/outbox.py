"""The outbox: every alert for every endpoint, in a file, before anything is sent.

What ``offer`` returned for is on disk: a killed process sends it after its restart, if it is still
fresh. Each (endpoint, alert id) is kept once, so an alert that is offered again changes nothing.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from schemas.errors import BusyError, StateError, UserError
from schemas.records import Alert, AlertKind
from streams.sinks.webhook.budget import day_of

State = Literal["pending", "delivered", "expired", "failed", "dropped_by_budget", "skipped"]
STATES: Final[tuple[State, ...]] = (
    "pending",
    "delivered",
    "expired",
    "failed",
    "dropped_by_budget",
    "skipped",
)
LAYOUT: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS deliveries (
    endpoint TEXT NOT NULL,
    alert_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    token TEXT NOT NULL,
    ts_episode_start_ms INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    probability REAL NOT NULL,
    ts_available_ms INTEGER NOT NULL,
    day INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    body BLOB,
    state TEXT NOT NULL,
    admitted INTEGER NOT NULL DEFAULT 0,
    reached INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_ms INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    changed_ms INTEGER NOT NULL,
    PRIMARY KEY (endpoint, alert_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS pending ON deliveries (endpoint, probability) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS episodes
    ON deliveries (endpoint, token, ts_episode_start_ms, sequence);
CREATE INDEX IF NOT EXISTS days ON deliveries (endpoint, day) WHERE kind = 'candidate';
CREATE INDEX IF NOT EXISTS ages ON deliveries (changed_ms);
CREATE TABLE IF NOT EXISTS attempts (
    endpoint TEXT NOT NULL,
    alert_id TEXT NOT NULL,
    ts_ms INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    status INTEGER,
    detail TEXT NOT NULL,
    duration_ms INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS attempts_of ON attempts (alert_id, endpoint);
CREATE INDEX IF NOT EXISTS attempts_at ON attempts (ts_ms);
CREATE TABLE IF NOT EXISTS endpoints (
    name TEXT PRIMARY KEY,
    url_sha256 TEXT NOT NULL,
    disabled_ms INTEGER,
    hold_until_ms INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
"""
_COLUMNS: Final = (
    "endpoint, alert_id, kind, token, ts_episode_start_ms, sequence, probability, "
    "ts_available_ms, day, expires_ms, admitted, attempts, next_ms"
)


@dataclass(frozen=True)
class Delivery:
    """One alert on its way to one endpoint, as its row says. Times in ms; ``admitted`` is 0 or 1.

    ``probability`` is 1 where the alert has none: there is nothing to choose by, and the day's budget
    alone holds it back.
    """

    endpoint: str
    alert_id: str
    kind: AlertKind
    token: str
    ts_episode_start_ms: int
    sequence: int
    probability: float
    ts_available_ms: int
    day: int
    expires_ms: int
    admitted: int
    attempts: int
    next_ms: int


@dataclass(frozen=True)
class Attempt:
    """A line of the delivery log. ``status`` is the HTTP status, if there was an answer."""

    endpoint: str
    alert_id: str
    ts_ms: int
    outcome: str
    status: int | None
    detail: str
    duration_ms: int


class Outbox:
    """The outbox's file. Methods block for a disk write; each is one transaction.

    Parameters
    ----------
    path : the SQLite file; made where missing. BusyError where another process holds it,
        UserError where it cannot be opened, StateError where it is of another layout.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = self.path.with_name(self.path.name + ".lock").open("ab")
        except OSError as error:
            raise UserError(
                f"the webhook outbox {self.path} cannot be written: {error.strerror}",
                "check the folder's permissions",
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise BusyError(
                f"the webhook outbox {self.path} is used by another process",
                "stop it, or give this one another data folder",
            ) from None
        try:
            self._db = self._open()
        except BaseException as error:
            self._lock.close()
            if isinstance(error, sqlite3.Error):
                raise StateError(f"the webhook outbox {self.path} is damaged: {error}") from None
            raise

    def _open(self) -> sqlite3.Connection:
        with ExitStack() as opened:
            db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            opened.callback(db.close)
            self.path.chmod(0o600)  # alerts are what a receiver pays for
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            (layout,) = db.execute("PRAGMA user_version").fetchone()
            if layout not in (0, LAYOUT):
                raise StateError(
                    f"the webhook outbox {self.path} has layout {layout}, not {LAYOUT}: "
                    "use the goldendog that wrote it"
                )
            db.executescript(f"{_SCHEMA} PRAGMA user_version = {LAYOUT};")
            opened.pop_all()  # close() has it from here on
        return db

    def close(self) -> None:
        """Close the file; another process may then open it."""
        self._db.close()
        self._lock.close()

    def offer(
        self, rows: Iterable[tuple[str, Alert, int, bytes]], now_ms: int
    ) -> tuple[int, dict[str, int]]:
        """Keep (endpoint, alert, expires_ms, body); those known already are passed over.

        Rows that have expired are kept as such, so that they are counted and never sent. Returns
        how many were new, and by endpoint how many of them were too old. Durable when it returns.
        """
        new, too_old = 0, dict[str, int]()
        with self._transaction() as db:
            for endpoint, alert, expires_ms, body in rows:
                expired = expires_ms <= now_ms
                added = db.execute(
                    "INSERT OR IGNORE INTO deliveries (endpoint, alert_id, kind, token,"
                    " ts_episode_start_ms, sequence, probability, ts_available_ms, day,"
                    " expires_ms, body, state, reason, changed_ms)"
                    " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                    (
                        endpoint,
                        alert.alert_id,
                        alert.kind,
                        alert.token,
                        alert.ts_episode_start_ms,
                        alert.sequence,
                        1.0 if alert.probability is None else alert.probability,
                        alert.ts_available_ms,
                        day_of(alert.ts_available_ms),
                        expires_ms,
                        None if expired else body,
                        "expired" if expired else "pending",
                        "too old when offered" if expired else "",
                        now_ms,
                    ),
                ).rowcount
                new += added
                if expired:
                    too_old[endpoint] = too_old.get(endpoint, 0) + added
        return new, too_old

    def pending(self, endpoint: str) -> list[Delivery]:
        """What waits for one endpoint: most probable first, then oldest, then by id."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM deliveries WHERE endpoint = ? AND state = 'pending'"  # noqa: S608 - a constant
            " ORDER BY probability DESC, ts_available_ms, alert_id",
            (endpoint,),
        )
        return [Delivery(*row) for row in rows]

    def body(self, endpoint: str, alert_id: str) -> bytes:
        """The bytes to send; StateError where they are not kept (any more)."""
        row = self._db.execute(
            "SELECT body FROM deliveries WHERE endpoint = ? AND alert_id = ?", (endpoint, alert_id)
        ).fetchone()
        if row is None or row[0] is None:
            raise StateError(f"no body is kept of {alert_id} for {endpoint}")
        return bytes(row[0])

    def state(self, endpoint: str, alert_id: str) -> State | None:
        """Where one delivery stands; None where it was never offered."""
        row = self._db.execute(
            "SELECT state FROM deliveries WHERE endpoint = ? AND alert_id = ?", (endpoint, alert_id)
        ).fetchone()
        return None if row is None else row[0]

    def candidate_state(self, follow_up: Delivery) -> State | None:
        """State of the newest candidate of a follow-up's episode; None where there is none."""
        row = self._db.execute(
            "SELECT state FROM deliveries WHERE endpoint = ? AND token = ?"
            " AND ts_episode_start_ms = ? AND kind = 'candidate' ORDER BY sequence DESC LIMIT 1",
            (follow_up.endpoint, follow_up.token, follow_up.ts_episode_start_ms),
        ).fetchone()
        return None if row is None else row[0]

    def spent(self, endpoint: str, day: int) -> int:
        """Candidates of a day that count against the budget.

        Those admitted and waiting, delivered, or given up on after they may have been received.
        """
        (count,) = self._db.execute(
            "SELECT count(*) FROM deliveries WHERE endpoint = ? AND day = ?"
            " AND kind = 'candidate'"
            " AND (state = 'delivered' OR reached OR (state = 'pending' AND admitted))",
            (endpoint, day),
        ).fetchone()
        return int(count)

    def admit(self, delivery: Delivery, now_ms: int) -> None:
        """Count a candidate against its day's budget: it may be sent."""
        self._db.execute(
            "UPDATE deliveries SET admitted = 1, changed_ms = ?"
            " WHERE endpoint = ? AND alert_id = ?",
            (now_ms, delivery.endpoint, delivery.alert_id),
        )

    def finish(
        self, deliveries: Sequence[Delivery], state: State, reason: str, now_ms: int
    ) -> None:
        """Put deliveries in a final state; their bodies are not needed any more."""
        with self._transaction() as db:
            db.executemany(
                "UPDATE deliveries SET state = ?, reason = ?, body = NULL, changed_ms = ?"
                " WHERE endpoint = ? AND alert_id = ? AND state = 'pending'",
                [(state, reason, now_ms, d.endpoint, d.alert_id) for d in deliveries],
            )

    def record(
        self, attempt: Attempt, state: State, *, next_ms: int, reached: bool, now_ms: int
    ) -> None:
        """Log an attempt and what it made of the delivery, as one."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO attempts VALUES (?,?,?,?,?,?,?)",
                (
                    attempt.endpoint,
                    attempt.alert_id,
                    attempt.ts_ms,
                    attempt.outcome,
                    attempt.status,
                    attempt.detail,
                    attempt.duration_ms,
                ),
            )
            db.execute(
                "UPDATE deliveries SET state = ?, attempts = attempts + 1, next_ms = ?,"
                " reached = reached OR ?, reason = ?, changed_ms = ?,"
                " body = CASE WHEN ? = 'pending' THEN body END"
                " WHERE endpoint = ? AND alert_id = ?",
                (
                    state,
                    next_ms,
                    reached,
                    attempt.detail,
                    now_ms,
                    state,
                    attempt.endpoint,
                    attempt.alert_id,
                ),
            )

    def attempts(self, alert_id: str) -> list[Attempt]:
        """The delivery log of one alert, oldest first."""
        rows = self._db.execute(
            "SELECT endpoint, alert_id, ts_ms, outcome, status, detail, duration_ms"
            " FROM attempts WHERE alert_id = ? ORDER BY ts_ms, rowid",
            (alert_id,),
        )
        return [Attempt(*row) for row in rows]

    def counts(self) -> dict[tuple[str, State], int]:
        """Deliveries by (endpoint, state)."""
        rows = self._db.execute("SELECT endpoint, state, count(*) FROM deliveries GROUP BY 1, 2")
        return {(endpoint, state): count for endpoint, state, count in rows}

    def prune(self, before_ms: int) -> int:
        """Forget what was settled before a time; returns how many deliveries that were.

        An alert offered again after that would be new: keep ids longer than alerts stay fresh.
        """
        with self._transaction() as db:
            db.execute("DELETE FROM attempts WHERE ts_ms < ?", (before_ms,))
            return db.execute(
                "DELETE FROM deliveries WHERE changed_ms < ? AND state != 'pending'", (before_ms,)
            ).rowcount

    def know(self, name: str, url_sha256: str) -> None:
        """Remember an endpoint; one whose URL changed starts anew, enabled."""
        self._db.execute(
            "INSERT INTO endpoints (name, url_sha256) VALUES (?, ?) ON CONFLICT (name) DO UPDATE"
            " SET url_sha256 = excluded.url_sha256, disabled_ms = NULL, hold_until_ms = 0"
            " WHERE url_sha256 != excluded.url_sha256",
            (name, url_sha256),
        )

    def disable(self, name: str, now_ms: int) -> None:
        """Send nothing more to an endpoint that said it is gone."""
        self._db.execute("UPDATE endpoints SET disabled_ms = ? WHERE name = ?", (now_ms, name))

    def enable(self, name: str) -> None:
        """Take an endpoint back into use."""
        self._db.execute("UPDATE endpoints SET disabled_ms = NULL WHERE name = ?", (name,))

    def disabled(self, name: str) -> bool:
        """Whether an endpoint was switched off by its own 410."""
        row = self._db.execute(
            "SELECT disabled_ms FROM endpoints WHERE name = ?", (name,)
        ).fetchone()
        return row is not None and row[0] is not None

    def hold(self, name: str, until_ms: int) -> None:
        """Send nothing to an endpoint before a time it named."""
        self._db.execute("UPDATE endpoints SET hold_until_ms = ? WHERE name = ?", (until_ms, name))

    def held_until_ms(self, name: str) -> int:
        """When an endpoint that asked for patience may be tried again; 0 where it did not."""
        row = self._db.execute(
            "SELECT hold_until_ms FROM endpoints WHERE name = ?", (name,)
        ).fetchone()
        return 0 if row is None else int(row[0])

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db)


class _Transaction:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> sqlite3.Connection:
        self._db.execute("BEGIN IMMEDIATE")
        return self._db

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:  # of a full disk SQLite has rolled back by itself
                self._db.execute("ROLLBACK")
