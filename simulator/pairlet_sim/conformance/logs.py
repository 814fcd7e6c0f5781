"""What each command wrote and what the server saw, in files, for whoever wants to know more."""

import json
from pathlib import Path

from ..command_line import CommandError
from .trial import Result


def write_logs(folder: Path, result: Result) -> None:
    """`folder`/SCENARIO/: a file for each stdout and stderr, and the journal. Raises CommandError."""
    evidence = result.evidence
    if evidence is None:
        return
    place = folder / result.scenario.name
    began_at = evidence.exchanges[0].at if evidence.exchanges else 0.0
    try:
        place.mkdir(exist_ok=True)
        for number, run in enumerate(evidence.runs, 1):
            stem = f"{number}-{run.kind}"
            (place / f"{stem}.stdout").write_text(run.stdout, encoding="utf-8")
            (place / f"{stem}.stderr").write_text(run.stderr, encoding="utf-8")
        lines = [json.dumps(each.to_json(began_at)) for each in evidence.exchanges]
        (place / "journal.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{place} can't be written: {error.strerror}. Choose another --logs.") from None
