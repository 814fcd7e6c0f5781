"""What ends a demo before its time."""


class DemoError(Exception):
    """The demo can't go on; the text is one sentence, `exit_code` the command's."""

    def __init__(self, sentence: str, exit_code: int = 5):
        super().__init__(sentence)
        self.exit_code = exit_code
