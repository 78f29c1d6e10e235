"""Why the gateway closes a socket: what the client is told, and what the metrics tell us."""

from enum import Enum


class Closing(Enum):
    """A close code, and a reason for the metrics where the code alone leaves it open."""

    NOT_TEXT = 1003, ""
    NOT_UTF8 = 1007, ""
    TOO_LONG = 1009, ""
    FAILED = 1011, ""
    DRAINING = 1012, "draining"
    TICKET_IS_OLD = 1012, "time for a fresh ticket"
    FULL = 1013, "full"
    TOO_MANY_UNAUTHENTICATED = 1013, "too many without a ticket"
    TOO_MANY_UNAUTHENTICATED_OF_ADDRESS = 1013, "too many of one address without a ticket"
    TOO_MANY_OF_PERSON = 1013, "too many of one person"
    NOT_LISTENING = 1013, "not listening"
    NOT_ADMITTED = 1013, "not admitted"
    TOO_MUCH_BEFORE_READY = 1013, "too much before ready"
    NOT_ANSWERED = 1013, "not answered"
    NO_HISTORY = 1013, "no history"
    NOT_AUTHENTICATED = 4401, ""
    REVOKED = 4403, ""
    DOES_NOT_READ = 4408, "does not read"
    DOES_NOT_ANSWER = 4408, "does not answer"
    TOO_MANY_FRAMES = 4429, "too many frames"
    TOO_MANY_MALFORMED = 4429, "too many malformed frames"
    TOO_MANY_SCRAPS = 4429, "too many scraps"

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason


SENTENCES = {
    1001: "Going away.",
    1002: "The WebSocket protocol was violated.",
    1003: "Only text frames are understood.",
    1007: "Text must be UTF-8.",
    1009: "Frames are at most 64 KiB.",
    1011: "Something went wrong on our side.",
    1012: "Restarting, or time to show a fresh ticket: come back with jitter.",
    1013: "Overloaded, or cut off from the bus: come back later, and send again what has no echo, in order.",
    4401: "Not authenticated: no ticket within 5 s, or not a good one.",
    4403: "The session or token was revoked, or the visitor was erased.",
    4408: "Too slow: frames pile up, or a ping stayed without an answer for 20 s.",
    4429: "Too fast: many frames beyond the rate, or many malformed ones.",
}
"""What each code says to a client. 1001 and 1002 are the WebSocket library's to send."""
