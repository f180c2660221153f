"""The command `mail preview`: what any letter would say."""

from __future__ import annotations

from pathlib import Path

import click

from scripts.output import folded, print_json, wrapped
from scripts.parameters import examples, json_option
from scripts.wiring import Session, pass_session


@click.command(
    "preview",
    short_help="Render a letter, with made-up facts or a case's.",
    epilog=examples("schakel mail preview invitation", "schakel mail preview invitation E06"),
)
@click.argument("letter", metavar="LETTER")
@click.argument("case", metavar="[CASE]", required=False)
@click.option(
    "--language", type=click.Choice(["nl", "en"]), help="Else that of who would get it about CASE; without CASE Dutch."
)
@click.option(
    "--html", "target", metavar="FILE", type=click.Path(path_type=Path), help="Write the HTML part here, for you alone."
)
@click.option("--force", is_flag=True, help="Overwrite FILE when it exists.")
@json_option
@pass_session
def preview(
    session: Session, letter: str, case: str | None, language: str | None, target: Path | None, force: bool
) -> None:
    """Render any letter, with a real case's facts or made-up ones. Nothing is recorded or sent."""
    from scripts.mailroom import render_preview
    from scripts.private_output import write_private

    rendered = render_preview(session, letter, case, language)
    if target is not None:
        write_private("--html", target, rendered.html, force=force)
    if session.json:
        print_json({"letter": letter, "subject": rendered.subject, "text": rendered.text, "html": rendered.html})
        return
    click.echo(wrapped(f"Subject: {rendered.subject}", "  ", first="") + "\n")
    for line in folded(rendered.text):
        click.echo(line)
