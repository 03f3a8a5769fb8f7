"""`tollgram doctor`: what is wrong, and how to mend it."""

from rich.table import Table
from rich.text import Text

from entrypoints.cli.failure import FAILED, WORKED
from entrypoints.cli.terminal import say, show_json, show_table
from entrypoints.examination.examine import examine
from entrypoints.examination.findings import Finding, Verdict

_MARKS = {
    Verdict.GOOD: Text("ok", style="green"),
    Verdict.WARNING: Text("look", style="yellow"),
    Verdict.WRONG: Text("wrong", style="bold red"),
}


def doctor(*, as_json: bool) -> int:
    """Look at everything, show it, and give 1 where something is wrong."""
    findings = list(examine())
    healthy = not any(finding.verdict is Verdict.WRONG for finding in findings)
    if as_json:
        show_json({"healthy": healthy, "findings": findings})
    else:
        show_table(_listed(findings))
        say(_summary(findings))
    return WORKED if healthy else FAILED


def _listed(findings: list[Finding]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    table.add_column(overflow="fold")  # an address that is cut off can be neither read nor copied
    for finding in findings:
        words = Text(finding.finding)
        if finding.remedy:
            words.append(f"\n{finding.remedy}", style="dim")
        table.add_row(_MARKS[finding.verdict], finding.subject, words)
    return table


def _summary(findings: list[Finding]) -> str:
    wrong = sum(finding.verdict is Verdict.WRONG for finding in findings)
    warnings = sum(finding.verdict is Verdict.WARNING for finding in findings)
    return f"\n{wrong or 'Nothing'} wrong, {warnings or 'nothing'} to look at."
