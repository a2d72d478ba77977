"""The root of every exception that slash24 raises on purpose."""


class Slash24Error(Exception):
    """A failure that we expect: one sentence that says what happened, with which value and which limit.

    code: slash24's own rule (`S24-nnn`), or "" where no rule is behind it.
    azure: the code that Azure or CNI gives the same failure, or "".
    why, fix: one sentence each for the user, or "".
    exit_code: what the command line ends with (docs: exit codes in `slash24 --help`).
    """

    exit_code = 1

    def __init__(self, message: str, *, code: str = "", why: str = "", fix: str = "", azure: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.why = why
        self.fix = fix
        self.azure = azure


class UsageError(Slash24Error):
    """The command was called in a wrong way."""

    exit_code = 2


class NotFoundError(Slash24Error):
    """A resource that the user named does not exist."""

    exit_code = 3


class UnsupportedError(Slash24Error):
    """This machine cannot do what was asked: no root, or a kernel without an ability."""

    exit_code = 4


class TimeoutExpiredError(Slash24Error):
    """`--wait`, or a step that waits for the cluster, ran out of time."""

    exit_code = 5
