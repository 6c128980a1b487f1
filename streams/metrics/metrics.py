"""The metrics of one process, in a registry of their own."""

from __future__ import annotations

import platform
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import prometheus_client as prom
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

prom.disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series, unasked for

STAGE_BUCKETS: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25),
    *(0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
ATTEMPT_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0)
MAX_LABEL_VALUES: Final = 500
OTHER: Final = "other"


class Bounded:
    """Keeps a label to so many values: later ones become ``other``, so a mistake costs little.

    >>> bounded = Bounded(2)
    >>> [bounded(v) for v in ("a", "b", "c", "a")]
    ['a', 'b', 'other', 'a']
    """

    def __init__(self, most: int = MAX_LABEL_VALUES) -> None:
        self._most = most
        self._seen: set[str] = set()

    def __call__(self, value: str) -> str:
        """Give the value, or ``other``."""
        if value in self._seen:
            return value
        if len(self._seen) >= self._most:
            return OTHER
        self._seen.add(value)
        return value


class Records(Collector):
    """Records by source and outcome, kept as plain numbers: counting a batch costs an addition.

    Several parts of a process count into it: the doors by themselves, the handlers by giving a
    counter that is read when Prometheus asks.
    """

    def __init__(self) -> None:
        self._own: Counter[tuple[str, str]] = Counter()
        self._read: list[Counter[tuple[str, str]]] = []

    def add(self, source: str, outcome: str, count: int) -> None:
        """Count records now."""
        self._own[source, outcome] += count

    def read(self, counter: Counter[tuple[str, str]]) -> None:
        """Count what a counter of (source, outcome) holds, whenever asked."""
        self._read.append(counter)

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Give the one family."""
        family = CounterMetricFamily(
            "goldendog_records",
            "Records by where they were read (http, stdin, a topic) and what became of them.",
            labels=("source", "outcome"),
        )
        total = Counter(self._own)
        for counter in self._read:
            total.update(counter)
        for (source, outcome), count in sorted(total.items()):
            family.add_metric((source, outcome), count)
        yield family


class Metrics:
    """Counters and gauges of one process. Seconds and bytes only; labels are few and bounded.

    Parameters
    ----------
    version : of goldendog, for ``goldendog_build_info``.
    fingerprint : of what decides alerts, likewise; empty where the process decides none.

    Examples
    --------
    >>> metrics = Metrics("1.2.3")
    >>> metrics.count_records("http", "accepted", 3)
    >>> text = metrics.render("text/plain")[0].decode()
    >>> [line for line in text.splitlines() if line.startswith("goldendog_records_total")]
    ['goldendog_records_total{outcome="accepted",source="http"} 3.0']
    """

    def __init__(self, version: str, fingerprint: str = "") -> None:
        self.registry = prom.CollectorRegistry()
        self._source, self._outcome = Bounded(), Bounded()
        self._records = Records()
        self.registry.register(self._records)
        prom.ProcessCollector(registry=self.registry)
        prom.Info("goldendog_build", "What is running.", registry=self.registry).info(
            {
                "version": version,
                "fingerprint": fingerprint,
                "python": platform.python_version(),
            }
        )
        self._stages = prom.Histogram(
            "goldendog_stage_duration_seconds",
            "Time one batch took in a stage.",
            ("stage",),
            buckets=STAGE_BUCKETS,
            registry=self.registry,
        )
        self._dead = prom.Counter(
            "goldendog_dead_letters",
            "Records that could not be used and were kept, by the door they came through and why.",
            ("source", "code"),
            registry=self.registry,
        )
        self._requests = prom.Counter(
            "goldendog_http_requests",
            "Requests answered.",
            ("route", "status"),
            registry=self.registry,
        )
        self._loop_lag = prom.Gauge(
            "goldendog_event_loop_lag_seconds",
            "How late the event loop woke a sleeper, the last time it was measured.",
            registry=self.registry,
        )
        self._register_webhooks()

    def _register_webhooks(self) -> None:
        self._attempts = prom.Counter(
            "goldendog_webhook_attempts",
            "Attempts to deliver an alert.",
            ("endpoint", "outcome"),
            registry=self.registry,
        )
        self._attempt_seconds = prom.Histogram(
            "goldendog_webhook_attempt_duration_seconds",
            "Time an attempt took.",
            ("endpoint",),
            buckets=ATTEMPT_BUCKETS,
            registry=self.registry,
        )
        self._settled = prom.Counter(
            "goldendog_webhook_deliveries",
            "Deliveries that came to an end.",
            ("endpoint", "state"),
            registry=self.registry,
        )
        self._waiting = prom.Gauge(
            "goldendog_webhook_outbox_waiting",
            "Alerts that wait to be delivered.",
            ("endpoint",),
            registry=self.registry,
        )
        self._oldest = prom.Gauge(
            "goldendog_webhook_outbox_oldest_timestamp_seconds",
            "When the oldest alert that waits became available; absent where none waits.",
            ("endpoint",),
            registry=self.registry,
        )
        self._disabled = prom.Gauge(
            "goldendog_webhook_endpoint_disabled",
            "1 where the endpoint answered 410 and gets nothing more.",
            ("endpoint",),
            registry=self.registry,
        )

    def count_records(self, source: str, outcome: str, count: int = 1) -> None:
        """Count records of a source (``http``, ``stdin``, a topic) with an outcome."""
        if count:
            self._records.add(self._source(source), self._outcome(outcome), count)

    def read_records(self, counter: Counter[tuple[str, str]]) -> None:
        """Count what a counter of (source, outcome) holds whenever Prometheus asks."""
        self._records.read(counter)

    def count_dead_letters(self, source: str, code: str, count: int = 1) -> None:
        """Count records kept as dead letters; ``code`` is a RecordError's."""
        self._dead.labels(self._source(source), self._outcome(code)).inc(count)

    def count_request(self, route: str, status: int) -> None:
        """Count an answered request; ``route`` is the pattern, never the path."""
        self._requests.labels(route, str(status)).inc()

    def observe_stage(self, stage: str, seconds: float) -> None:
        """Note the time one batch took in a stage."""
        self._stages.labels(self._outcome(stage)).observe(seconds)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage.

        >>> with Metrics("1").stage("decode"):
        ...     pass
        """
        began = time.perf_counter()
        try:
            yield
        finally:
            self.observe_stage(name, time.perf_counter() - began)

    def loop_lag(self, seconds: float) -> None:
        """Note how late the event loop is."""
        self._loop_lag.set(seconds)

    def webhook_attempt(self, endpoint: str, outcome: str, seconds: float) -> None:
        """Count an attempt to deliver and the seconds it took."""
        self._attempts.labels(endpoint, outcome).inc()
        self._attempt_seconds.labels(endpoint).observe(seconds)

    def webhook_settled(self, endpoint: str, state: str, count: int) -> None:
        """Count deliveries that came to an end."""
        self._settled.labels(endpoint, state).inc(count)

    def webhook_waiting(self, endpoint: str, count: int, oldest_ms: int | None) -> None:
        """Note how many alerts wait, and when the oldest became available."""
        self._waiting.labels(endpoint).set(count)
        if oldest_ms is not None:
            self._oldest.labels(endpoint).set(oldest_ms / 1000)
        else:
            self._oldest.remove_by_labels({"endpoint": endpoint})

    def webhook_disabled(self, endpoint: str, *, disabled: bool) -> None:
        """Note whether an endpoint gets nothing more."""
        self._disabled.labels(endpoint).set(disabled)

    def render(self, accept: str) -> tuple[bytes, str]:
        """Give the exposition and its content type, as the ``Accept`` header asks."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type
