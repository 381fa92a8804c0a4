"""One small tree of errors; the message names the thing and the value, in lower case."""

from __future__ import annotations


class WhiteStatError(Exception):
    """An error reported to the user as a sentence; the command ends with `exit_status`."""

    exit_status = 1


class ConfigError(WhiteStatError):
    """The configuration cannot be used; carries every fault found, not the first alone."""

    exit_status = 2

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class CollectorError(WhiteStatError):
    """A meter could not be opened or read."""


class NotPermitted(CollectorError):
    """The meter needs a capability that this process lacks."""


class CaptureError(CollectorError):
    """A capture file is damaged or of a kind not known here."""


class ImportFault(WhiteStatError):
    """Old data cannot be read: damaged, or of a kind not known here; nothing of it is booked."""


class LedgerError(WhiteStatError):
    """The database cannot be used: not ours, newer, damaged, not writable."""


class DamagedLedger(LedgerError):
    """The database is ours, and the disk damaged it: the service sets it aside and goes on with a new one."""


class AnswerCancelled(LedgerError):
    """An answer was ended because its client has left."""

    def __init__(self) -> None:
        super().__init__("the answer is not wanted any more")


class AnswerTooLong(LedgerError):
    """An answer exceeded its time limit; the message suggests a smaller query."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"the answer would take more than {seconds:g} s; ask for a shorter span, a longer step, fewer devices "
            "(device=, top=), or without by="
        )


class QueryError(WhiteStatError):
    """A question that cannot be answered; `parameter` is the one at fault."""

    exit_status = 2

    def __init__(self, parameter: str, reason: str) -> None:
        super().__init__(f"{parameter}: {reason}")
        self.parameter = parameter
        self.reason = reason


class EditError(WhiteStatError):
    """An edit of devices or people that cannot be made; `field` is the part of it at fault."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class Missing(EditError):
    """What an edit names is not there."""
