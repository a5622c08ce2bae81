"""The command line: one file per verb, loaded only when the verb is used.

Known errors become one line on stderr and the error's exit code; a traceback appears only with
``-vv``. Results go to stdout, everything else to stderr.
"""

import atexit
import io
import logging
import os
import sys
import threading
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

import click

from edgescale import __version__
from edgescale.cli.show import shown
from edgescale.errors import EdgescaleError
from edgescale.family.fields import without_credentials

# verb: (module, what it does). The help text is here so that `--help` imports no verb.
VERBS = {
    "plan": ("edgescale.cli.plan", "Show what scaling gives: a phi ladder without training."),
    "search": ("edgescale.cli.search", "Search alpha, beta, gamma on your own task."),
    "build": ("edgescale.cli.build", "Build a family from a recipe."),
    "compile": ("edgescale.cli.compile", "Compile a .tflite file or a family for the Edge TPU."),
    "import": ("edgescale.cli.import_models", "Make a family of existing .tflite models."),
    "lint": ("edgescale.cli.lint", "Say what keeps a .tflite model from the Edge TPU."),
    "inspect": ("edgescale.cli.inspect", "Show what a family or a .tflite file holds."),
    "devices": ("edgescale.cli.devices", "Show what this machine can do."),
    "doctor": ("edgescale.cli.doctor", "Say why an Edge TPU does not work here, and the mend."),
    "profile": ("edgescale.cli.profile", "Measure a family on this machine."),
    "select": ("edgescale.cli.select", "Choose the largest variant that fits a budget."),
    "classify": ("edgescale.cli.classify", "Classify a camera, a video or a folder of images."),
    "demo": ("edgescale.cli.demo", "Build two families and run them here, from start to end."),
}


class LazyVerbs(click.Group):
    """A group that imports a verb's module when the verb is called, and not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Returns the verbs in the order of the work."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports and returns one verb's command."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(VERBS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the verbs with their one-line help, importing none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb, text) for verb, (_, text) in VERBS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Adds the nearest verb to the message for an unknown one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            from edgescale.family.fields import did_you_mean

            raise click.UsageError(
                f"No such command '{args[0]}'{did_you_mean(args[0], VERBS)}", ctx
            ) from None


@click.group(cls=LazyVerbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="edgescale")
@click.option("-v", "--verbose", count=True, help="Log more (-v), with tracebacks (-vv).")
@click.option("-q", "--quiet", is_flag=True, help="Log errors only.")
def edgescale(verbose: int, quiet: bool) -> None:
    """Build one model family, run the largest member each edge device can afford.

    \b
    Environment:
      EDGESCALE_DEVICES            folder of the device profiles
      EDGESCALE_EDGETPU_COMPILER   the command of the Edge TPU compiler
      EDGESCALE_MQTT_PASSWORD      password of --mqtt-user (classify)
      EDGESCALE_WEB_TOKEN          token that viewers of --web need
      EDGESCALE_WEBHOOK_TOKEN      bearer token for --webhook
      EDGESCALE_TEST_DATA          folder of test images and models (tests and tools only)
    """
    level = logging.ERROR if quiet else logging.DEBUG if verbose > 1 else logging.INFO
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PrintableFormatter("%(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("edgescale").setLevel(level)


class PrintableFormatter(logging.Formatter):
    """Keeps control characters and credentials from the terminal, line by line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Returns the line as it may be shown."""
        return shown(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        """Returns the traceback; its lines stay lines."""
        return "\n".join(shown(line) for line in super().formatException(ei).splitlines())


def _show_usage(problem: click.ClickException) -> None:
    """Shows click's own errors, which repeat what was typed: an address may hold a password."""
    text = io.StringIO()
    problem.show(text)
    click.echo(without_credentials(text.getvalue()), err=True, nl=False)


def _drop_output() -> None:
    """What could not be written to stdout would fail again when Python flushes it on exit."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
        return
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _leave_from_threads(status: int) -> None:
    """Ends the process where a thread was left to itself, as an opening of OpenCV's that hangs.

    One that comes back while Python takes itself down is unwound by force, which C++ answers with
    an abort. So all that Python would do at its end is done, but for taking itself down.
    """
    others = [one for one in threading.enumerate() if one is not threading.current_thread()]
    if not any(one.daemon for one in others):
        return
    threading._shutdown()  # type: ignore[attr-defined] # joins those that are not daemons
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(status)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Runs the command line and exits: 0 ok, 1 known error, 2 usage, 3 nothing fits, 130 Ctrl-C."""
    try:
        _run(arguments)
    except SystemExit as leaving:
        if arguments is None and isinstance(leaving.code, int):  # else the process is not ours
            _leave_from_threads(leaving.code)
        raise


def _run(arguments: list[str] | None) -> NoReturn:
    try:
        status = edgescale.main(arguments, prog_name="edgescale", standalone_mode=False)
    except click.ClickException as problem:
        _show_usage(problem)
        sys.exit(problem.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except EdgescaleError as problem:
        logging.getLogger(__name__).debug("traceback", exc_info=True)
        click.echo(f"error: {shown(str(problem))}", err=True)
        sys.exit(problem.exit_code)
    except OSError as problem:  # a full disk, a closed output, a folder nobody may enter
        logging.getLogger(__name__).debug("traceback", exc_info=True)
        place = "" if problem.filename is None else f"{problem.filename}: "
        text = f"error: {place}the system refused ({problem.strerror or problem}); check that the"
        click.echo(shown(f"{text} path may be used and the disk has space left"), err=True)
        _drop_output()
        sys.exit(1)
    sys.exit(status if isinstance(status, int) else 0)
