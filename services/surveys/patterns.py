"""The patterns that a customer may set for a text: the same everywhere, and never slow.

A small part of what regular expressions can say is read and written anew, so that Python and browsers
understand it alike. What a backtracking engine could try is counted beforehand: a pattern that leaves it too many
ways through a text of the longest allowed length is refused.
"""

from collections.abc import Callable

MOST_WAYS = 2_000
DEEPEST = 20
LARGEST_COUNT = 4_000
END = r"(?![\s\S])"

_CLASSES = {"d": "0-9", "w": "A-Za-z0-9_", "s": r"\x20\x09"}
_SPECIAL = frozenset("|)*+?{")

Piece = tuple[str, int]
"""A part of the expression, and in how many ways it can match."""


class PatternRefused(Exception):
    """This pattern cannot be used; the text says why, to whoever wrote it."""


def expression(pattern: str, longest: int) -> str:
    """The regular expression that matches the whole of those texts that ``pattern`` asks for, none over ``longest``."""
    text, _ = _Reader(pattern, longest).whole()
    return rf"^(?![\s\S]{{{longest + 1}}})(?:{text}){END}"


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
        texts, ways = [], 0
        while True:
            text, count = self._sequence()
            texts.append(text)
            ways = self._counted(ways + count)
            if not self._skip("|"):
                return "|".join(texts), ways

    def _sequence(self) -> Piece:
        texts, ways = [], 1
        while self._rest and self._rest[0] not in "|)":
            text, count = self._repeated()
            texts.append(text)
            ways = self._counted(ways * count)
        return "".join(texts), ways

    def _repeated(self) -> Piece:
        text, ways = self._atom()
        counts = self._quantifier()
        if counts is None:
            return text, ways
        if self._rest[:1] and self._rest[0] in "*+?{":
            raise PatternRefused("One part can only be repeated once; put it in brackets.")
        least, most, sign = counts
        return text + sign, self._repetitions(ways, least, most)

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
            return self._class(), 1
        if character == ".":
            return r"[^\x0a\x0d]", 1
        if character in "^$":
            raise PatternRefused("A pattern is always about the whole text; ^ and $ are not needed.")
        if character == "\\":
            return self._escaped(lambda ranges: f"[{ranges}]"), 1
        if character in _SPECIAL:
            raise PatternRefused("There is nothing to repeat; write \\ before a character that is meant as such.")
        return _literal(character), 1

    def _group(self) -> Piece:
        if not self._skip("?:") and self._rest.startswith("?"):
            raise PatternRefused("Looking ahead and behind, and names, are not possible in a pattern.")
        self._depth += 1
        if self._depth > DEEPEST:
            raise PatternRefused("There are too many brackets inside each other.")
        text, ways = self._alternatives()
        if not self._skip(")"):
            raise PatternRefused("A closing bracket is missing.")
        self._depth -= 1
        return f"(?:{text})", ways

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


def _literal(character: str) -> str:
    # The only way to write punctuation that Python and browsers take alike, everywhere in an expression.
    is_plain = character.isalnum() or ord(character) > 127
    return character if is_plain else f"\\x{ord(character):02x}"
