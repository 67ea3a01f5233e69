"""The command line. Each command imports what it needs when it runs, so that --help is quick."""

from __future__ import annotations

import errno
import os
import sys
import traceback
import warnings
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - typer reads the annotations when it runs
from typing import Annotated, Any

import typer

from .._extras import MissingExtraError
from .._version import __version__
from ..errors import CostRangeError, InfeasibleError, InvalidProblemError
from ..report.printable import printable
from . import bench as bench_cli
from . import clusters as clusters_cli
from . import green as green_cli
from . import grid as grid_cli
from . import replays as replay_cli
from .output import Json, emit

#: The exception of typer for a command line it cannot parse, which it does not export.
UsageError: Any = typer.BadParameter.__bases__[0]

DONE, INFEASIBLE, BAD_INPUT, INTERNAL, SYSTEM, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 3, 4, 130, 141

#: Errors of the operating system that no other input would have avoided.
SYSTEM_ERRORS = {
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.ENOSPC,
    errno.ETIMEDOUT,
}

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Match jobs to accelerator slots, each answer with a certificate. "
    "Exit status: 0 done, 1 infeasible or a fault found, 2 bad input, 3 internal error, "
    "4 no memory or disk left, or a package not installed, 130 interrupted.",
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


class FlowMethod(StrEnum):
    """Methods of `min_cost_flow`."""

    auto = "auto"
    network_simplex = "network_simplex"
    cost_scaling = "cost_scaling"


@app.command()
def flow(
    file: Annotated[Path, typer.Argument(help="A DIMACS .min file, gzipped or not.")],
    method: Annotated[FlowMethod, typer.Option(help="How to solve it.")] = FlowMethod.auto,
    as_json: Json = False,
) -> None:
    """Solve a minimum-cost flow and check the answer."""
    from ..solvers.flow import min_cost_flow, read_dimacs

    answer = min_cost_flow(*read_dimacs(file), method=method.value)
    found = answer.verify()
    facts = {"status": answer.status, "objective": answer.objective, "certificate": found}
    facts |= {"nodes": len(answer.potentials), "arcs": len(answer.problem.tail)}
    emit(as_json, facts, f"{answer.status}: cost {answer.objective}, certificate {found.valid}")
    raise typer.Exit(DONE if answer.status == "optimal" else INFEASIBLE)


grid_cli.register(app)
app.command()(bench_cli.bench)
replay_cli.register(app)
green_cli.register(app)
clusters_cli.register(app)


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit status.

    What the user can mend costs one line on standard error. Anything else that is raised is a bug
    here: its traceback is printed, and the status is that of an internal error.
    """
    shown = warnings.showwarning
    try:
        warnings.showwarning = _print_warning
        status = app(arguments, prog_name="gridcompute", standalone_mode=False)
        sys.stdout.flush()
    except UsageError as error:
        return _complain(error.format_message())
    except InfeasibleError as error:
        return _complain(str(error), INFEASIBLE)
    except (InvalidProblemError, CostRangeError) as error:
        return _complain(str(error))
    except BrokenPipeError:
        return BROKEN_PIPE
    except SystemExit as error:
        # Where the reader of our output has gone, as `head` does, typer makes an exit of status 1
        # of it; one of status 0 ends what completes a line for a shell.
        return BROKEN_PIPE if error.code else DONE
    except MissingExtraError as error:
        return _complain(str(error), SYSTEM)
    except OSError as error:
        return _complain(str(error), SYSTEM if error.errno in SYSTEM_ERRORS else BAD_INPUT)
    except MemoryError as error:
        return _complain(f"out of memory: {error}", SYSTEM)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:
        traceback.print_exc()
        words = f"internal error, {type(error).__name__}: {error}"
        return _complain(f"{words} (please report it with the lines above)", INTERNAL)
    finally:
        warnings.showwarning = shown
    return status or DONE


def _print_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Print a warning as one line, without the source line."""
    _complain(f"warning: {message}")


def _complain(message: str, status: int = BAD_INPUT) -> int:
    line = printable(" ".join(message.split()))
    print("gridcompute:", line if len(line) <= 2000 else line[:2000] + "...", file=sys.stderr)
    return status


def main() -> None:
    """Run the `gridcompute` command."""
    for stream in (sys.stdout, sys.stderr):  # names have characters that a terminal may not
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    status = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError:  # what could not be written would be tried, and complained of, once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = status or SYSTEM
    sys.exit(status)
