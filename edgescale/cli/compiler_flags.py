"""The flags that say which Edge TPU compiler to use and what to tell it, for all verbs that do."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from edgescale.builder.compile_family import Compiling
from edgescale.edgetpu.compiler import open_compiler
from edgescale.edgetpu.compiler_command import (
    DEFAULT_TIMEOUT_S,
    NEWEST_RUNTIME,
    OLDEST_RUNTIME,
    VARIABLE,
    CompilerOptions,
    find_compiler,
    split_others,
)
from edgescale.edgetpu.compiler_run import Compiler


@dataclass(frozen=True)
class CompilerFlags:
    """What the flags say; ``compiler`` is the command as written."""

    compiler: str | None
    options: CompilerOptions
    allow_partial: bool

    def opened(self) -> Compiler:
        """Finds the compiler and asks its version.

        Raises:
            CompilerNotFound: there is none.
            CompilerUnusable: there is one that does not answer.
        """
        return open_compiler(find_compiler(self.compiler, os.environ))

    def compiling(self) -> Compiling:
        """Finds the compiler for a family.

        Raises:
            CompilerNotFound: there is none.
            CompilerUnusable: there is one that does not answer.
        """
        return Compiling(self.opened(), options=self.options, allow_partial=self.allow_partial)


_OPTIONS = (
    click.option(
        "--compiler", metavar="COMMAND",
        help="Path of edgetpu_compiler, or a command line with {workdir} for the folder of the work"
        f" (else {VARIABLE}, else PATH).",
    ),
    click.option(
        "--min-runtime-version", type=click.IntRange(OLDEST_RUNTIME, NEWEST_RUNTIME), metavar="N",
        help=f"Compile for Edge TPU runtimes from N on, {OLDEST_RUNTIME} to {NEWEST_RUNTIME}.",
    ),
    click.option(
        "--search-delegate", is_flag=True,
        help="Let the compiler look for a part that it can compile (16 and newer).",
    ),
    click.option(
        "--delegate-search-step", type=click.IntRange(1, 10_000), metavar="N",
        help="Operators that each step of that search drops.",
    ),
    click.option(
        "--timeout", "timeout_s", type=click.IntRange(1, 86_400), metavar="S",
        default=DEFAULT_TIMEOUT_S, show_default=True,
        help="Most seconds one run of the compiler may take; 16 and newer are told, and get 10 s"
        " more to end by themselves.",
    ),
    click.option(
        "--compiler-args", metavar="ARGS", help="More options for the compiler, e.g. '-a'."
    ),
    click.option(
        "--allow-partial/--require-full-mapping",
        help="Take a model of which a part stays on the CPU.  [default: --require-full-mapping]",
    ),
)  # fmt: skip


def compiler_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the flags; the command gets them as one ``compiler_flags``."""

    @functools.wraps(command)
    def with_flags(**given: Any) -> Any:
        search, step = given.pop("search_delegate"), given.pop("delegate_search_step")
        if step is not None and not search:
            raise click.UsageError("--delegate-search-step needs --search-delegate")
        options = CompilerOptions(
            min_runtime_version=given.pop("min_runtime_version"),
            search_delegate=search,
            delegate_search_step=step,
            timeout_s=given.pop("timeout_s"),
            others=split_others(given.pop("compiler_args") or ""),
        )
        flags = CompilerFlags(given.pop("compiler"), options, given.pop("allow_partial"))
        return command(compiler_flags=flags, **given)

    wrapped: Callable[..., Any] = with_flags
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped
