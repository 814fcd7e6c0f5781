"""Why a command from the broker is not carried out; apart, for a board without commands does without it."""

from .errors import PairletError


class CommandError(PairletError):
    """A command from the broker is not carried out. `error`: a code for programs, such as "not_allowed".

    What handles a command of the owner's own may raise it, too; sender and log get both.
    """

    def __init__(self, error: str, error_description: str):
        super().__init__(error_description)
        self.error = error

    def _usual_advice(self) -> str:
        return "Correct the command and send it again."
