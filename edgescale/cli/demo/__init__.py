"""``edgescale demo``: the whole job on real data that installed packages carry, offline.

Two families are built, this machine is profiled, a variant is chosen under two budgets and two
videos are classified with it; a report shows the outcome. A second run skips what is finished.
"""

from pathlib import Path

import click


@click.command("demo")
@click.option("--out", default="demo-out", show_default=True, metavar="FOLDER",
              type=click.Path(path_type=Path, file_okay=False),
              help="Where families, videos and the report go.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1, 256), help="Variants built at once; one per core.")
def command(out: Path, jobs: int | None) -> None:
    """Build two families and run them here, from start to end.

    Needs the extras build and demo: pip install 'edgescale[build,demo]'.
    """
    from edgescale.cli.demo.story import run
    from edgescale.cli.options import terminable

    with terminable():
        run(out, jobs)
