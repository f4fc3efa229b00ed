"""The commands that go on running: the worker, and the demonstration of it."""

import sys

import click

from governor.cli.output import as_json, settings


@click.command()
def run() -> None:
    """Judge what arrives on the topics.

    Reads its settings from the environment; GOVERNOR_PSEUDONYM_KEY has to be set.
    """
    chosen = settings(["GOVERNOR_PSEUDONYM_KEY"])
    from governor import bootstrap

    sys.exit(bootstrap.run(chosen))


@click.command()
@click.option("--keep", is_flag=True, help="Leave everything running at the end.")
@as_json
def demo(keep: bool, json_: bool) -> None:  # noqa: FBT001
    """Play a sample day, with nothing to install."""
    from governor import demo as sample

    sys.exit(sample.run(keep=keep, as_json=json_))
