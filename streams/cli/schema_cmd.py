"""``goldendog schema``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import GoldendogError, UserError
from streams.cli.options import OutOption


def schema(
    name: Annotated[
        str | None, typer.Argument(help="Which: mention, tick, alert, ...; none lists them.")
    ] = None,
    *,
    out: OutOption = None,
    check: Annotated[
        bool, typer.Option("--check", help="Compare the committed files; exit code 1 if stale.")
    ] = False,
) -> None:
    """Print the JSON Schema (2020-12) of a record, or write them all to a folder."""
    from schemas.json_schema import all_schemas, schema_text

    texts = {each: schema_text(found) for each, found in all_schemas().items()}
    if name is not None:
        if name not in texts:
            raise UserError(f"no record is called {name!r}", f"choose among {', '.join(texts)}")
        texts = {name: texts[name]}
    if check:
        _check(texts)
    elif out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for each, text in texts.items():
            (out / f"{each}.schema.json").write_text(text, "utf-8")
        typer.echo(f"wrote {len(texts)} schemas to {out}", err=True)
    elif name is not None:
        typer.echo(texts[name], nl=False)
    else:
        typer.echo("\n".join(texts))


def _check(texts: dict[str, str]) -> None:
    import schemas

    folder = Path(schemas.__path__[0]) / "jsonschema"
    stale = [
        name
        for name, text in texts.items()
        if not (path := folder / f"{name}.schema.json").is_file() or path.read_text("utf-8") != text
    ]
    if stale:
        raise GoldendogError(f"stale in {folder}: {', '.join(stale)}; run `make schema`")
    typer.echo(f"{len(texts)} schemas are current", err=True)
