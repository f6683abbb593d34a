"""`vqtool config`: show, check and describe configs."""

from typing import Annotated

import typer

from vqtool.cli import completion, options

app = typer.Typer(no_args_is_help=True, help="Show, check and describe configs.")
Name = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME_OR_PATH", autocompletion=completion.configs, help="Config file or preset; default: defaults."
    ),
]


@app.command(epilog="Examples:\n\nvqtool config show baseline.toml\n\nvqtool config show tiny --set train.steps=100")
def show(name: Name = None, set_: options.Set = None, debug: options.Debug = False) -> None:
    """Print the resolved config: file, overrides and defaults."""
    from vqtool.core.config_file import dump_config, load_config
    from vqtool.core.text import escaped

    typer.echo(escaped(dump_config(load_config(name, set_ or []))), nl=False)


@app.command(epilog="Examples:\n\nvqtool config check my.toml\n\nvqtool config check configs/mine")
def check(
    name: Annotated[
        str, typer.Argument(metavar="NAME_OR_PATH", autocompletion=completion.configs, help="Config file or preset.")
    ],
    debug: options.Debug = False,
) -> None:
    """Check a config and report every mistake in it at once."""
    from vqtool.cli.console import printable
    from vqtool.core.config_file import find_config, load_config

    load_config(name)
    typer.echo(printable(f"{find_config(name)}: no mistakes"))


@app.command(epilog="Examples:\n\nvqtool config schema > vqtool.schema.json\n\nvqtool config schema | less")
def schema(debug: options.Debug = False) -> None:
    """Print the JSON schema of a config, for completion in an editor."""
    import json

    from vqtool.core.config import Config

    typer.echo(json.dumps(Config.model_json_schema(), indent=2))


@app.command(epilog="Examples:\n\nvqtool config docs | less\n\nvqtool config docs > docs/config.md")
def docs(debug: options.Debug = False) -> None:
    """Print every setting with type, default, allowed values and meaning, as Markdown."""
    from vqtool.core.config_page import ConfigPage
    from vqtool.core.text import escaped

    typer.echo(escaped(ConfigPage().text()), nl=False)
