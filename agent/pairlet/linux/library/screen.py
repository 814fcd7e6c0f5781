"""What a person is to see while a device is paired."""

from ...core.errors import ProtocolError
from ...core.screen import Screen as Shown
from .. import qr


class Screen(Shown):
    """One picture: `kind` says which, and which fields there are; all text is clean, and fit for any screen.

    kind: "starting", "code" (user_code, verification_uri, perhaps verification_uri_complete, remaining_s),
    "sign_in" (verification_uri, to be opened on this device), "paired" (scope), "denied", "expired".
    `message` and `advice`: one line each, or "". `qr_text`: the address that the QR code holds.
    """

    @staticmethod
    def of(shown: Shown) -> "Screen":
        """What the agent has its display show."""
        return Screen(
            shown.kind,
            user_code=shown.user_code,
            verification_uri=shown.verification_uri,
            verification_uri_complete=shown.verification_uri_complete,
            remaining_s=shown.remaining_s,
            scope=shown.scope,
            message=shown.message,
            advice=shown.advice,
        )

    def qr_modules(self) -> list[list[bool]]:
        """The QR code row by row, true is dark, without the quiet zone of four light modules around it.

        [] where there is no address, or one that no QR code holds.
        """
        try:
            return qr.matrix(self.qr_text) if self.qr_text else []
        except ProtocolError:
            return []

    def qr_lines(self, *, dark_background: bool = True) -> list[str]:
        """The QR code with its quiet zone as lines of half blocks, for a text screen; [] as qr_modules()."""
        modules = self.qr_modules()
        if not modules:
            return []
        ink = qr.light_ink if dark_background else qr.dark_ink
        return ink(modules, qr.STANDARD_QUIET_ZONE)
