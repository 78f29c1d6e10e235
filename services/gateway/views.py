"""What one socket shows of one conversation, and how far it has got: nothing twice, nothing early, nothing left out."""

MOST_HELD = 256


class View:
    """A conversation on a socket. While it catches up, or waits to be told from where, live messages are held."""

    __slots__ = (
        "first_seq",
        "held",
        "is_over",
        "is_party",
        "is_paused",
        "is_refetch_due",
        "is_state_wanted",
        "known_seq",
        "last_seq",
        "restart_at",
    )

    def __init__(self, *, is_party: bool) -> None:
        self.first_seq = 1
        self.last_seq = 0
        self.known_seq = 0
        self.is_party = is_party
        self.is_over = False
        self.held: dict[int, bytes] | None = None
        self.is_paused = False
        self.is_refetch_due = False
        self.restart_at: int | None = None
        self.is_state_wanted = False

    @property
    def is_catching_up(self) -> bool:
        """Whether live messages have to wait."""
        return self.held is not None

    @property
    def is_behind(self) -> bool:
        """Whether there is, or may be, more than was shown."""
        return self.known_seq > self.last_seq or self.is_refetch_due or self.restart_at is not None

    def has_shown(self, seq: int) -> bool:
        """Whether this socket was sent message ``seq``; what it has from elsewhere does not count."""
        return self.first_seq <= seq <= self.last_seq

    def start_after(self, seq: int) -> None:
        """The client is told that the conversation has got to ``seq``, and is sent what follows."""
        self.first_seq = seq + 1
        self.shown_up_to(seq)

    def offer(self, seq: int, data: bytes) -> bytes:
        """What to show now that message ``seq`` is there: the message, or nothing if it is old or not its turn."""
        if seq <= self.last_seq:
            return b""
        self.known_seq = max(self.known_seq, seq)
        if self.held is not None:
            # What does not fit is fetched again: known_seq remembers that it exists.
            if len(self.held) < MOST_HELD:
                self.held[seq] = data
            return b""
        if seq == self.last_seq + 1:
            self.last_seq = seq
            return data
        self.held = {seq: data}
        return b""

    def pause(self) -> None:
        """Hold what is live until the client has said from where it wants to catch up, or that it does not."""
        self.held = {}
        self.is_paused = True

    def catch_up_from(self, after: int) -> bool:
        """The client has everything up to ``after``. False if it is catching up already, and will start over there."""
        if self.held is not None and not self.is_paused:
            self.restart_at = after
            return False
        self.held = self.held or {}
        self.is_paused = False
        self._go_back_to(after)
        return True

    def fetch_missing(self) -> bool:
        """Something may not have arrived. False if whoever is catching up, or will be, sees to that."""
        self.is_refetch_due = True
        if self.held is not None:
            return False
        self.held = {}
        return True

    def begin_fetching(self) -> int:
        """From where to fetch now."""
        self.is_refetch_due = False
        if self.restart_at is not None:
            self._go_back_to(self.restart_at)
            self.restart_at = None
        return self.last_seq

    def _go_back_to(self, after: int) -> None:
        self.last_seq = after
        self.first_seq = min(self.first_seq, after + 1)

    def shown_up_to(self, seq: int) -> None:
        """Everything up to ``seq`` has been shown."""
        self.last_seq = seq
        self.known_seq = max(self.known_seq, seq)

    def release(self) -> bytes:
        """What was held and is next in turn. When nothing is missing any more, live messages flow again."""
        held = self.held or {}
        ready = []
        while (data := held.pop(self.last_seq + 1, None)) is not None:
            self.last_seq += 1
            ready.append(data)
        self.is_paused = False
        if not self.is_behind:
            self.held = None
        return b"".join(ready)
