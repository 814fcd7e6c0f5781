"""Somebody who answers the questions of `pairlet init`, in memory: by what the question says."""

import io

CTRL_D = b"\x04"


class TypingPerson:
    """Reads what stands on `stream` and types the next answer to it, as a file of lines.

    `answers`: by words of the question, the answers to it in their order; the last one is typed again where
    the question comes again. A question without an answer here is answered with Enter.
    """

    def __init__(self, answers: dict[str, list[str | bytes]]):
        self.stream = io.StringIO()
        self.asked: list[str] = []
        self._answers = {words: list(given) for words, given in answers.items()}
        self._lines = 0
        self._start = -1  # where the last question begins

    @property
    def screen(self) -> str:
        """All that was written."""
        return self.stream.getvalue()

    def readline(self) -> bytes:
        """What is typed at the prompt; b"" for Ctrl-D."""
        start = self.screen.rfind("\n\n")
        question = " ".join(self.screen[start:].split())
        if start != self._start:
            self._start = start
            self.asked.append(question)
        self._lines += 1
        assert self._lines < 60, "the questions have no end:\n" + self.screen[-2000:]
        # The terminal echoes Enter.
        self.stream.write("\n")
        for words, given in self._answers.items():
            if words in question:
                answer = given.pop(0) if len(given) > 1 else given[0]
                data = answer if isinstance(answer, bytes) else answer.encode("utf-8", "surrogatepass")
                return b"" if data == CTRL_D else data + b"\n"
        return b"\n"
