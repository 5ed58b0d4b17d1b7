"""Whose fault it was."""


class ProtocolError(Exception):
    """The rules of a FreeSWITCH wire were broken."""


class RemoteProtocolError(ProtocolError):
    """FreeSWITCH (or whoever connected) sent what the protocol does not allow; the connection is spent."""


class LocalProtocolError(ProtocolError):
    """We were asked to send what the protocol, or the safety of the switch, does not allow; nothing was sent."""


class CallEndedError(Exception):
    """The caller's leg or its event socket ended before the wish could come true."""


class PhoneTimeoutError(Exception):
    """FreeSWITCH did not do in time what it was asked for; the message names the wish and the limit."""


class LegFailedError(Exception):
    """The second leg was not answered, or is gone; `cause` as FreeSWITCH names it (USER_BUSY, NO_ANSWER, …)."""

    def __init__(self, cause: str) -> None:
        super().__init__(f"the other side did not take the call: {cause}")
        self.cause = cause


class MediaUnavailableError(Exception):
    """The call's audio did not come up: no unicast on any port, or no media socket."""
