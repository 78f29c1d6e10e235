"""Two parties that talk at the same time through whatever breaks, and the proof that nothing went missing."""

from chassis.testing import eventually
from tests.edge.customers import Customer
from tests.edge.socket import Party


class Dialogue:
    """A conversation in which each side says ``each`` sentences, one at a time, with a ``pause`` after each.

    It fails when it is not through after ``patience``; both in seconds.
    """

    def __init__(self, customer: Customer, each: int, *, patience: float = 150, pause: float = 0) -> None:
        self._each = each
        self._patience = patience
        visitor, self.operator = customer.visitor(), customer.operator()
        self.conversation_id = visitor.open()
        self.operator.accept(self.conversation_id)
        self._sides = [
            Party(person.socket, self.conversation_id, texts_of(who, each), patience=patience, pause=pause)
            for who, person in (("visitor", visitor), ("operator", self.operator))
        ]

    def start(self) -> None:
        for side in self._sides:
            side.start()

    def wait_for(self, said: int) -> None:
        """Until the two of them have said that many, and each of them something."""
        eventually(lambda: self.said >= said and all(side.said for side in self._sides), timeout=self._patience)

    @property
    def is_going_on(self) -> bool:
        return self.said < 2 * self._each

    @property
    def said(self) -> int:
        return sum(side.said for side in self._sides)

    def finish(self) -> None:
        """Waits until both have seen everything, and checks that it came once and in order."""
        eventually(lambda: all(len(side.seen) == 2 * self._each for side in self._sides), timeout=self._patience)
        for side in self._sides:
            side.finish()
        for side in self._sides:
            assert side.duplicates == []
            assert side.reordered == []
            assert sorted(side.seen) == list(range(1, 2 * self._each + 1))

    def close_and_check_the_transcript(self) -> None:
        """The sealed record has every sentence, in the order in which both sides saw them."""
        self.operator.close(self.conversation_id)
        sealed = eventually(lambda: self.operator.transcript(self.conversation_id), timeout=60)
        seen = self._sides[0].seen
        assert [message["text"] for message in sealed["messages"]] == [seen[seq]["text"] for seq in sorted(seen)]
        for who in ("visitor", "operator"):
            said = [message["text"] for message in sealed["messages"] if message["sender"]["kind"] == who]
            assert said == texts_of(who, self._each)


def texts_of(who: str, count: int) -> list[str]:
    return [f"{who} {number}" for number in range(count)]
