"""The mails that a system sent, as the server kept them that takes any and delivers none."""

from collections import Counter
from email import message_from_bytes
from email.message import Message
from email.utils import getaddresses
from pathlib import Path


class Mails:
    """A Maildir that only grows."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "new"
        self._read: dict[str, Message] = {}

    def all(self) -> list[Message]:
        names = {path.name for path in self._folder.iterdir()} if self._folder.exists() else set()
        for name in names - self._read.keys():
            self._read[name] = message_from_bytes((self._folder / name).read_bytes())
        return list(self._read.values())

    def about(self, version: str, kind: str) -> list[Message]:
        """The mails of one kind about one version of the policy."""
        return [mail for mail in self.all() if str(mail["Message-ID"]).strip().startswith(f"<policy-{version}-{kind}.")]

    def copies(self, version: str, kind: str) -> Counter[str]:
        """How many of them each address got."""
        return Counter(
            address for mail in self.about(version, kind) for _, address in getaddresses([str(mail["X-RcptTo"])])
        )
