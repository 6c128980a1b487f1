"""Ports for servers that tests start."""

from __future__ import annotations

from streams.local_kafka.broker import free_ports as free_ports
