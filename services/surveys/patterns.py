"""The patterns that a customer may set for a text: the same everywhere, and never slow.

A small part of what regular expressions can say is read and written anew, so that Python and browsers
understand it alike. What a backtracking engine could try is counted beforehand: a pattern that leaves it too many
ways through a text of the longest allowed length is refused.
"""

from collections.abc import Callable
from typing import NamedTuple

MOST_WAYS = 2_000
DEEPEST = 20
LARGEST_COUNT = 4_000
END = r"(?![\s\S])"

_CLASSES = {"d": "0-9", "w": "A-Za-z0-9_", "s": r"\x20\x09"}
_SPECIAL = frozenset("|)*+?{")


class Piece(NamedTuple):
    """A part of the expression."""

    text: str
    ways: int
    """In how many ways it can match."""
    is_empty: bool
    """Whether it matches nothing but the empty text."""


class PatternRefused(Exception):
    """This pattern cannot be used; the text says why, to whoever wrote it."""


def expression(pattern: str, longest: int) -> str:
    """The regular expression that matches the whole of those texts that ``pattern`` asks for, none over ``longest``."""
    whole = _Reader(pattern, longest).whole()
    return rf"^(?![\s\S]{{{longest + 1}}})(?:{whole.text}){END}"


class _Reader:
    def __init__(self, pattern: str, longest: int) -> None:
        self._rest = pattern
        self._longest = longest
        self._depth = 0

    def whole(self) -> Piece:
        piece = self._alternatives()
        if self._rest:
            raise PatternRefused("There is a closing bracket too many.")
        return piece

    def _next(self) -> str:
        if not self._rest:
            raise PatternRefused("The pattern ends in the middle.")
        character, self._rest = self._rest[0], self._rest[1:]
        if ord(character) < 32 or ord(character) == 127:
            raise PatternRefused("A pattern has no control characters.")
        return character

    def _skip(self, text: str) -> bool:
        is_there = self._rest.startswith(text)
        if is_there:
            self._rest = self._rest[len(text) :]
        return is_there

    def _alternatives(self) -> Piece:
        pieces, ways = [], 0
        while True:
            pieces.append(self._sequence())
            ways = self._counted(ways + pieces[-1].ways)
            if not self._skip("|"):
                text = "|".join(piece.text for piece in pieces)
                return Piece(text, ways, all(piece.is_empty for piece in pieces))

    def _sequence(self) -> Piece:
        pieces, ways = [], 1
        while self._rest and self._rest[0] not in "|)":
            pieces.append(self._repeated())
            ways = self._counted(ways * pieces[-1].ways)
        text = "".join(piece.text for piece in pieces)
        return Piece(text, ways, all(piece.is_empty for piece in pieces))

    def _repeated(self) -> Piece:
        piece = self._atom()
        counts = self._quantifier()
        if counts is None:
            return piece
        if piece.is_empty:
            # An engine does it as often as it is told to, and keeps a note of each time.
            raise PatternRefused("There is nothing to repeat in the brackets.")
        if self._rest[:1] and self._rest[0] in "*+?{":
            raise PatternRefused("One part can only be repeated once; put it in brackets.")
        least, most, sign = counts
        return Piece(piece.text + sign, self._repetitions(piece.ways, least, most), most == 0)

    def _repetitions(self, ways: int, least: int, most: int) -> int:
        if ways == 1:
            return self._counted(most - least + 1)
        total = 0
        for count in range(least, most + 1):
            total = self._counted(total + ways**count)
        return total

    def _counted(self, ways: int) -> int:
        if ways > MOST_WAYS:
            raise PatternRefused(
                "This pattern could take too long. Say how often a part may be there, as in {1,20}, or allow less text."
            )
        return ways

    def _quantifier(self) -> tuple[int, int, str] | None:
        if self._skip("?"):
            return 0, 1, "?"
        if self._skip("*"):
            return 0, self._longest, "*"
        if self._skip("+"):
            return 1, self._longest, "+"
        if self._skip("{"):
            return self._counts()
        return None

    def _counts(self) -> tuple[int, int, str]:
        inside, closing, self._rest = self._rest.partition("}")
        first, comma, second = inside.partition(",")
        is_number = first.isascii() and first.isdigit() and (not second or (second.isascii() and second.isdigit()))
        if not closing or not is_number:
            raise PatternRefused("Curly brackets say how often, as in {3} or {1,20}.")
        least = int(first[:5])
        most = int(second[:5]) if second else max(least, self._longest) if comma else least
        if not least <= most <= LARGEST_COUNT:
            raise PatternRefused("Curly brackets say how often, as in {3} or {1,20}.")
        return least, most, f"{{{least},{most}}}"

    def _atom(self) -> Piece:
        character = self._next()
        if character == "(":
            return self._group()
        if character == "[":
            return _character(self._class())
        if character == ".":
            return _character(r"[^\x0a\x0d]")
        if character in "^$":
            raise PatternRefused("A pattern is always about the whole text; ^ and $ are not needed.")
        if character == "\\":
            return _character(self._escaped(lambda ranges: f"[{ranges}]"))
        if character in _SPECIAL:
            raise PatternRefused("There is nothing to repeat; write \\ before a character that is meant as such.")
        return _character(_literal(character))

    def _group(self) -> Piece:
        if not self._skip("?:") and self._rest.startswith("?"):
            raise PatternRefused("Looking ahead and behind, and names, are not possible in a pattern.")
        self._depth += 1
        if self._depth > DEEPEST:
            raise PatternRefused("There are too many brackets inside each other.")
        piece = self._alternatives()
        if not self._skip(")"):
            raise PatternRefused("A closing bracket is missing.")
        self._depth -= 1
        return piece._replace(text=f"(?:{piece.text})")

    def _escaped(self, of_class: Callable[[str], str]) -> str:
        character = self._next()
        if character in _CLASSES:
            return of_class(_CLASSES[character])
        if character.isalnum():
            raise PatternRefused("After \\ only d, w, s and punctuation are possible.")
        return _literal(character)

    def _class(self) -> str:
        negation = "^" if self._skip("^") else ""
        members: list[str] = []
        while not self._skip("]"):
            members.append(self._member())
        if not members:
            raise PatternRefused("There is nothing between the square brackets.")
        return f"[{negation}{''.join(members)}]"

    def _member(self) -> str:
        first, is_character = self._one()
        if self._rest.startswith("-") and not self._rest.startswith("-]") and is_character:
            self._next()
            last, is_end = self._one()
            if not is_end or ord(last) < ord(first):
                raise PatternRefused("A range runs from a character to a later one, as in a-z.")
            return f"{_literal(first)}-{_literal(last)}"
        return _literal(first) if is_character else first

    def _one(self) -> tuple[str, bool]:
        """A character, or the ranges of a class, and whether it is the former."""
        character = self._next()
        if character == "[":
            raise PatternRefused("Write \\[ for a square bracket between square brackets.")
        if character != "\\":
            return character, True
        character = self._next()
        if character in _CLASSES:
            return _CLASSES[character], False
        if character.isalnum():
            raise PatternRefused("After \\ only d, w, s and punctuation are possible.")
        return character, True


def _character(text: str) -> Piece:
    return Piece(text, ways=1, is_empty=False)


def _literal(character: str) -> str:
    # The only way to write punctuation that Python and browsers take alike, everywhere in an expression.
    is_plain = character.isalnum() or ord(character) > 127
    return character if is_plain else f"\\x{ord(character):02x}"
