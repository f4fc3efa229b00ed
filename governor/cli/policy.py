"""The commands about what is written down: the policy, and the published schemas."""

from pathlib import Path

import click

from governor.cli.failures import DIFFERS, INVALID, Failed
from governor.cli.output import as_json, count, say, settings, tell

FILE = click.Path(path_type=Path)


@click.command()
@click.argument("policy", type=FILE, required=False)
@as_json
def check(policy: Path | None, json_: bool) -> None:  # noqa: FBT001
    """Validate POLICY and show what it puts in force.

    POLICY is a file or a folder, without it the one of GOVERNOR_POLICY. All defects are named at
    once, each with its file and line.
    """
    from governor.cli.in_force import in_force, warnings
    from governor.config import PolicyInvalid, load_policy

    path = policy or settings().policy
    try:
        found = load_policy(path)
    except PolicyInvalid as error:
        if not json_:
            raise
        defects = [{"file": d.file, "line": d.line, "message": d.message} for d in error.defects]
        say({"policy": str(path), "valid": False, "defects": defects})
        raise Failed(count(len(defects), "defect"), INVALID) from None
    sections, cautions = in_force(found), list(warnings(found))
    if json_:
        about = {"policy": str(path), "valid": True, "revision": found.revision}
        say({**about, "in_force": sections, "warnings": cautions})
        return
    tell(f"{path}: valid, revision {found.revision}")
    width = max(map(len, sections))
    for title, lines in sections.items():
        for number, line in enumerate(lines):
            tell(f"  {'' if number else title:{width}}  {line}")
    for caution in cautions:
        tell(f"warning: {path}: {caution}", err=True)


@click.command()
@click.option(
    "--check", "only_check", is_flag=True, help="Write nothing; exit with 1 if any is old."
)
@click.option(
    "--out", type=FILE, default=Path("schemas"), show_default=True, help="The folder for them."
)
@click.option(
    "--policy-schema",
    type=FILE,
    default=Path("config/policy.schema.json"),
    show_default=True,
    help="The schema that editors use beside the policy.",
)
@as_json
def schema(only_check: bool, out: Path, policy_schema: Path, json_: bool) -> None:  # noqa: FBT001
    """Write the published schemas, or tell which are old.

    They are the JSON Schema of every value, the AsyncAPI document of the topics, and the schema
    of the policy that editors use.
    """
    from governor import schemas
    from governor.config import policy_schema_text

    text = policy_schema_text()
    old = [str(out / name) for name in schemas.stale(out)]
    if not policy_schema.is_file() or policy_schema.read_text(encoding="utf-8") != text:
        old.append(str(policy_schema))
    if not only_check:
        schemas.write(out)
        policy_schema.parent.mkdir(parents=True, exist_ok=True)
        policy_schema.write_text(text, encoding="utf-8")
    if json_:
        say({"stale" if only_check else "written": old})
    elif not only_check:
        click.echo(f"{count(len(old), 'file')} written anew" + "".join(f"\n  {n}" for n in old))
    if only_check and old:
        raise Failed([f"{name}: is not as `governor schema` writes it" for name in old], DIFFERS)
