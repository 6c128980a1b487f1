"""``goldendog import x-mentions|solana-swaps|binance-trades|csv``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import JsonOption

if TYPE_CHECKING:
    from streams.imports.adapter import Adapter

import_app = typer.Typer(
    help="Turn recordings that others made into record Parquet that replay reads.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

PathArgument = Annotated[
    Path, typer.Argument(metavar="PATH", help="The source's file: .parquet, .csv or .csv.gz.")
]
OutOption = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Folder to write to; made if missing.")
]
LatencyOption = Annotated[
    str,
    typer.Option(
        "--latency",
        metavar="KIND=DURATION,...",
        help="How long after it happened a record arrived; stands in for log time.",
    ),
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace an earlier import in DIR.")
]
LATENCY = "mentions=20s,ticks=1s"


@import_app.callback()
def _import() -> None:
    """Turn recordings that others made into record Parquet that replay reads."""


@import_app.command("x-mentions")
def x_mentions(
    path: PathArgument,
    out: OutOption,
    *,
    minutes: Annotated[
        int, typer.Option("--minutes", metavar="N", help="How many minutes a row counts.")
    ] = 1,
    latency: LatencyOption = LATENCY,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Counts of posts on X by coin and minute: t, coin, tweets, users."""
    from streams.imports.delays import parse_delays
    from streams.imports.x_mentions import XMentions

    adapter = XMentions(path, parse_delays(latency), minutes=minutes)
    _run(adapter, out, overwrite=overwrite, json=json)


@import_app.command("solana-swaps")
def solana_swaps(
    path: PathArgument,
    out: OutOption,
    *,
    sol_usd: Annotated[
        float | None,
        typer.Option("--sol-usd", metavar="RATE", help="US dollars per SOL in those days."),
    ] = None,
    dust_sol: Annotated[
        float,
        typer.Option("--dust-sol", metavar="SOL", help="A swap of less sets no price."),
    ] = 0.05,
    tokens: Annotated[
        Path | None,
        typer.Option("--tokens", metavar="FILE", help="JSON list of mint, created, supply."),
    ] = None,
    latency: LatencyOption = LATENCY,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Swaps of Solana tokens: mint, ts, side, price_sol, sol, trader."""
    from streams.imports.delays import parse_delays
    from streams.imports.solana_swaps import SolanaSwaps

    adapter = SolanaSwaps(
        path, parse_delays(latency), sol_usd=sol_usd, dust_sol=dust_sol, tokens=tokens
    )
    _run(adapter, out, overwrite=overwrite, json=json)


@import_app.command("binance-trades")
def binance_trades(
    path: PathArgument,
    out: OutOption,
    *,
    quote_usd: Annotated[
        float | None,
        typer.Option(
            "--quote-usd",
            metavar="RATE",
            help="US dollars per unit of the quote currency in those days; 1 for USDT and its like.",
        ),
    ] = None,
    event: Annotated[
        str | None, typer.Option("--event", metavar="NAME", help="Take this event's rows alone.")
    ] = None,
    latency: LatencyOption = LATENCY,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Trades of Binance: its own files, or event, ts_ms, side, price, amount."""
    from streams.imports.binance_trades import BinanceTrades
    from streams.imports.delays import parse_delays

    adapter = BinanceTrades(path, parse_delays(latency), quote_usd=quote_usd, event=event)
    _run(adapter, out, overwrite=overwrite, json=json)


@import_app.command("csv")
def own_csv(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A .csv file, or .csv.gz.")],
    out: OutOption,
    *,
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="mention|tick", help="What a row is.")
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=COLUMN", help="Which column says it; may come again."),
    ] = None,
    constants: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="One value for every row."),
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option("--mapping", metavar="FILE", help="All of this in a TOML file; flags win."),
    ] = None,
    time_unit: Annotated[
        str | None,
        typer.Option("--time-unit", metavar="s|ms|us|ns|iso", help="Of times; ms if left out."),
    ] = None,
    token_as: Annotated[
        str | None,
        typer.Option(
            "--token-as",
            metavar="caip19|ticker|solana|eip155:N",
            help="How token is written; caip19 if left out.",
        ),
    ] = None,
    buy: Annotated[
        str | None, typer.Option("--buy", metavar="TEXT", help="What side says of a buy.")
    ] = None,
    sell: Annotated[
        str | None, typer.Option("--sell", metavar="TEXT", help="What side says of a sale.")
    ] = None,
    usd_rate: Annotated[
        float | None,
        typer.Option("--usd-rate", metavar="RATE", help="US dollars per unit of prices; 1."),
    ] = None,
    delimiter: Annotated[
        str | None,
        typer.Option("--delimiter", metavar="CHAR", help="Between fields; tab and ; are usual."),
    ] = None,
    latency: LatencyOption = LATENCY,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """A CSV of your own, by a mapping of its columns to the fields of a mention or a tick."""
    from streams.imports.column_map import pairs, read_mapping
    from streams.imports.delays import parse_delays
    from streams.imports.own_csv import OwnCsv

    flags = {
        "kind": kind,
        "columns": pairs(columns or [], "--map"),
        "constants": pairs(constants or [], "--set"),
        "time_unit": time_unit,
        "naming": token_as,
        "buy": buy,
        "sell": sell,
        "usd_rate": usd_rate,
        "delimiter": delimiter,
    }
    adapter = OwnCsv(path, parse_delays(latency), read_mapping(mapping, flags))
    _run(adapter, out, overwrite=overwrite, json=json)


def _run(adapter: Adapter, out: Path, *, overwrite: bool, json: bool) -> None:
    from streams.imports.bar import progress_bar
    from streams.imports.run import run_import

    with progress_bar() as progress:
        done = run_import(adapter, out, overwrite=overwrite, on_progress=progress)
    if json:
        import msgspec

        print(msgspec.json.encode(done).decode())
        return
    from streams.imports.report import in_words

    print(in_words(done))
