"""The command line. Each command imports what it needs when it runs, so that --help is quick."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations when it runs
from typing import Annotated, Any

import typer

from . import grid_cli
from .errors import InfeasibleError, InternalError, InvalidProblemError
from .version import __version__

__all__ = ["app", "main", "run"]

#: What typer raises for a command line it cannot read; it gives no name to it.
UsageError: Any = typer.BadParameter.__bases__[0]

DONE, INFEASIBLE, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Match jobs to accelerator slots, each answer with a certificate. "
    "Exit status: 0 done, 1 infeasible, 2 bad input.",
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"gridcompute {__version__}")
        raise typer.Exit(DONE)


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Options before any command."""


@app.command()
def flow(
    file: Annotated[Path, typer.Argument(help="A DIMACS .min file, gzipped or not.")],
    method: Annotated[str, typer.Option(help="auto, network_simplex or cost_scaling.")] = "auto",
) -> None:
    """Solve a minimum-cost flow and check the answer."""
    from .flow import min_cost_flow, read_dimacs

    answer = min_cost_flow(*read_dimacs(file), method=method)  # type: ignore[arg-type]
    typer.echo(f"{answer.status}: cost {answer.objective}, certificate {answer.verify().valid}")
    raise typer.Exit(DONE if answer.status == "optimal" else INFEASIBLE)


grid_cli.register(app)


def run(arguments: list[str]) -> int:
    """Run one command line; its exit status. A bad one costs its user one line, not a traceback."""
    try:
        status = app(arguments, prog_name="gridcompute", standalone_mode=False)
    except UsageError as error:
        return _complain(error.format_message())
    except InfeasibleError as error:
        return _complain(str(error), INFEASIBLE)
    except InternalError:
        raise
    except (InvalidProblemError, OverflowError, TypeError, OSError) as error:
        return _complain(str(error))
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    return status or DONE


def _complain(message: str, status: int = BAD_INPUT) -> int:
    print("gridcompute:", " ".join(message.split()), file=sys.stderr)
    return status


def main() -> None:
    """The `gridcompute` command."""
    sys.exit(run(sys.argv[1:]))
