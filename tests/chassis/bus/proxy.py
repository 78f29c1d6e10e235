"""A door between a client and the broker that tests can slam, hold shut, or speak through."""

import contextlib
import socket
import threading
from urllib.parse import urlsplit


class Proxy:
    """Forwards to the broker of ``url``; ``self.url`` leads through it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        credentials = parts.netloc.rpartition("@")[0]
        self.url = parts._replace(netloc=f"{credentials}@127.0.0.1:{self._listener.getsockname()[1]}").geturl()
        self.is_refusing = False
        # Who spoke, and who hung up, one after another.
        self.story: list[str] = []
        self._flowing = threading.Event()
        self._flowing.set()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break all connections without a word."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def freeze(self) -> None:
        """Let nothing through in either direction, and keep the connections."""
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    def say_to_clients(self, frame: bytes) -> None:
        """Speak as the broker; only while it says nothing itself."""
        for client, _ in self._pairs:
            client.sendall(frame)

    def close(self) -> None:
        self.is_refusing = True
        self._listener.close()
        self.thaw()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.is_refusing:
                    client.close()
                else:
                    self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        broker = socket.create_connection(self._target)
        for end in (client, broker):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pairs.append((client, broker))
        for source, sink, who in ((client, broker, "client"), (broker, client, "broker")):
            threading.Thread(target=self._forward, args=(source, sink, who), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, who: str) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.story.append(who)
                self._flowing.wait()
                sink.sendall(data)
            self.story.append(f"{who} hangs up")
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
