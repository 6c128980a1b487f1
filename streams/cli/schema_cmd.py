"""``goldendog schema``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from schemas.errors import GoldendogError, UserError
from streams.cli.options import OutOption

ASYNCAPI: Final = "asyncapi.json"


def schema(
    name: Annotated[
        str | None, typer.Argument(help="Which: mention, tick, alert, ...; none lists them.")
    ] = None,
    *,
    asyncapi: Annotated[
        bool, typer.Option("--asyncapi", help="The AsyncAPI 3 document of topics, HTTP, webhooks.")
    ] = False,
    out: OutOption = None,
    check: Annotated[
        bool, typer.Option("--check", help="Compare the committed files; exit code 1 if stale.")
    ] = False,
) -> None:
    """Print the JSON Schema (2020-12) of a record, or write them all to a folder."""
    from schemas.json_schema import all_schemas, schema_text

    if asyncapi and name is not None:
        raise UserError("--asyncapi describes every record", "leave the name out")
    if asyncapi:
        _asyncapi(out, check=check)
        return
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


def _asyncapi(out: Path | None, *, check: bool) -> None:
    from schemas.json_schema import schema_text
    from streams.asyncapi import asyncapi_document

    text = schema_text(asyncapi_document())
    if check:
        _check_asyncapi(text)
    elif out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / ASYNCAPI).write_text(text, "utf-8")
        typer.echo(f"wrote {out / ASYNCAPI}", err=True)
    else:
        typer.echo(text, nl=False)


def _check_asyncapi(text: str) -> None:
    import schemas

    path = Path(schemas.__path__[0]) / ASYNCAPI
    if not path.is_file() or path.read_text("utf-8") != text:
        raise GoldendogError(f"{path} is stale; run `make schema`")
    typer.echo(f"{ASYNCAPI} is current", err=True)


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
