"""What the doctor found, a line each: on the way to a terminal, a script, or a public issue."""

import asyncio
import os
import platform
import re
import ssl
import textwrap
from collections.abc import Awaitable, Iterable
from typing import NamedTuple

from ...core.errors import PairletError, TransportError
from ...core.secret import Secret
from ...core.text import clean
from ..log.faults import fault
from ..output import Output

OK, WARN, FAIL, SKIPPED = "ok", "warn", "fail", "skipped"

# The columns of a line: the result, the check, and the words.
_RESULT, _CHECK = 9, 15
_LONGEST = 600
_FOREIGN_HOME = re.compile(r"/home/[^/\s'\"]+")


class Finding(NamedTuple):
    """What came of one check. `advice`: how to mend it. `exit_code`: of a failure."""

    check: str
    result: str
    words: str
    advice: str = ""
    exit_code: int = 0


def failure(check: str, error: PairletError) -> Finding:
    """`error` as a finding."""
    return Finding(check, FAIL, str(error), error.advice, error.exit_code)


class Report:
    """Tells each finding at once, in a form that is safe to be shown to anybody, and counts.

    What hide() was told, and whose home a file is in, is in none of its lines.
    """

    def __init__(self, output: Output):
        self._output = output
        self._columns = _columns(output)
        self._secrets: list[str] = []
        self._home = os.path.expanduser("~").rstrip("/")
        self.findings: list[Finding] = []

    def begin(self, version: str) -> None:
        """Say what is run on what."""
        system = f"{platform.system()} {platform.release()} {platform.machine()}"
        python, openssl = platform.python_version(), " ".join(ssl.OPENSSL_VERSION.split()[:2])
        self._output.event("doctor", version=version, python=python, openssl=openssl, system=system)
        if not self._output.as_json:
            self._output.line(f"pairlet {version}, Python {python}, {openssl}, {system}")

    def hide(self, secrets: Iterable[Secret | None]) -> None:
        """From now on none of these is shown, whoever quotes it."""
        self._secrets += [secret.reveal() for secret in secrets if secret]

    def add(self, check: str, result: str, words: str, advice: str = "") -> None:
        """Tell of a check that did not fail."""
        self.put(Finding(check, result, words, advice))

    def put(self, finding: Finding) -> None:
        """Tell of `finding`."""
        finding = finding._replace(words=self._safe(finding.words), advice=self._safe(finding.advice))
        self.findings.append(finding)
        told = finding._asdict()
        if finding.result != FAIL:
            del told["exit_code"]
        self._output.event("check", **told)
        if self._output.as_json:
            return
        lead = f"{_shown(finding.result):<{_RESULT}}{finding.check:<{_CHECK}}"
        for line in self._wrapped(finding.words, lead):
            self._output.line(line)
        if finding.advice:
            for line in self._wrapped("-> " + finding.advice, " " * (_RESULT + _CHECK)):
                self._output.line(line)

    async def examine(self, check: str, doing: Awaitable[None], limit_s: float) -> bool:
        """Await `doing`, which puts what it finds; whether it came to its end.

        What it raises, and that it takes longer than `limit_s` seconds, is a failure of `check`.
        """
        error: PairletError
        try:
            async with asyncio.timeout(limit_s):
                await doing
            return True
        except TimeoutError:
            error = TransportError(f"there is no answer within {limit_s:g} s")
        except PairletError as trouble:
            error = trouble
        except Exception as trouble:
            error = fault(trouble)
        self.put(failure(check, error))
        return False

    def end(self) -> int:
        """Say how many there are of each; the exit code: that of the first failure, as what comes later may
        follow from it."""
        count = {
            result: sum(each.result == result for each in self.findings)
            for result in (OK, WARN, FAIL, SKIPPED)
        }
        exit_code = next((each.exit_code for each in self.findings if each.result == FAIL), 0)
        self._output.event("examined", **count, exit_code=exit_code)
        if not self._output.as_json:
            words = ", ".join(f"{number} {_shown(result)}" for result, number in count.items())
            self._output.line(f"{words}: exit code {exit_code}")
        return exit_code

    def _wrapped(self, words: str, lead: str) -> list[str]:
        """Lines that are as wide as the terminal; one, where nobody wraps."""
        if self._columns is None:
            return [(lead + words).rstrip()]
        indent = " " * (_RESULT + _CHECK)
        return textwrap.wrap(
            words,
            max(self._columns, _RESULT + _CHECK + 20),
            initial_indent=lead,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )

    def _safe(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "<secret>")
        if self._home:
            text = re.sub(re.escape(self._home) + r"(?=[/'\"\s:;,.)]|$)", "~", text)
        return clean(_FOREIGN_HOME.sub("/home/...", text), _LONGEST)


def _shown(result: str) -> str:
    """A result as people read it: the one that counts stands out."""
    return result.upper() if result == FAIL else result


def _columns(output: Output) -> int | None:
    """How wide the terminal is that people read; None for a file."""
    try:
        return os.get_terminal_size(output.people.fileno()).columns or None
    except (OSError, ValueError):
        return None
