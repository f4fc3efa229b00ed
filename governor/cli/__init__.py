"""The command line: hands what is asked to the modules that do it."""

import click

from governor import __version__
from governor.cli.convert import convert
from governor.cli.explain import explain
from governor.cli.failures import Commands
from governor.cli.kafka import dead_letters, topics
from governor.cli.ledger import ledger
from governor.cli.person import person
from governor.cli.policy import check, schema
from governor.cli.serve import demo, run
from governor.cli.simulate import simulate

__all__ = ["main"]


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 fine, 1 differs or refused, 2 wrong usage or setting, 3 policy or input "
    "invalid, 4 a dependency is away.",
)
@click.version_option(__version__, message="governor %(version)s")
@click.option("--debug", is_flag=True, help="Show where in the code an error came from.")
def main(debug: bool) -> None:  # noqa: FBT001
    """Decides whether a person may be written to, how personally, on which channel and when."""


for command in (
    run,
    check,
    simulate,
    convert,
    explain,
    topics,
    ledger,
    dead_letters,
    person,
    schema,
    demo,
):
    main.add_command(command)
