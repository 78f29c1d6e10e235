"""One WebSocket connection: the ``websockets`` Sans-I/O core on a gevent socket, bounded in both directions.

One greenlet reads. Whoever has something to send writes where it stands, as long as the client's
side takes everything at once; if not, what is left waits in a bounded outbox and a second greenlet
writes it. So an idle connection costs one greenlet, and a slow one is cut off.
"""

import socket
import time
from collections import deque
from collections.abc import Iterator

import gevent
from prometheus_client import Counter
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from services.gateway import frames
from services.gateway.closings import SENTENCES, Closing
from services.gateway.rates import TokenBucket

CLOSE_SECONDS = 2.0
SEND_SECONDS = 10.0
ROOM_CHECK_SECONDS = 0.02
READ_SIZE = 16 * 1024
SEND_BUFFER = 128 * 1024
OUTBOX_FRAMES = 256
OUTBOX_BYTES = 512 * 1024
ROOMY_BYTES = 64 * 1024
# What was on its way when we said goodbye. Beyond it nobody looks for the client's own.
AFTER_GOODBYE = 64 * 1024
# Pings, fragments and the like: more than these are no conversation but an attack.
SCRAPS_PER_SECOND, SCRAPS_AT_ONCE = 50.0, 300.0

_PING = Frame(Opcode.PING, b"").serialize(mask=False)
_closed = Counter("velaro_gateway_sockets_closed", "Sockets that the gateway closed, and why.", ("code", "reason"))


class Connection:
    """Text in, frames out, until one side closes."""

    def __init__(self, sock: socket.socket, protocol: ServerProtocol) -> None:
        self.heard_at = time.monotonic()
        self.is_closing = False
        self._sock = sock
        self._protocol = protocol
        self._text: bytearray | None = None
        self._outbox: deque[bytes] = deque()
        self._outbox_bytes = 0
        self._is_writing = False
        self._is_over = False
        self._pinged_at = 0.0
        self._after_goodbye = 0
        self._scraps = TokenBucket(SCRAPS_PER_SECOND, SCRAPS_AT_ONCE, now=self.heard_at)

    def open(self) -> None:
        """Send the handshake's answer."""
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Left to itself the kernel would hold megabytes for a client that does not read.
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self._flush_protocol()

    def over(self) -> None:
        """The greenlet that reads has ended, and the server is about to close the connection."""
        self._is_over = self.is_closing = True

    def texts(self) -> Iterator[str]:
        """What the client says, until it is gone or one of us has closed."""
        while True:
            # A ping is answered before what came with it is looked at, which may take a while.
            self._answer_pings()
            for event in self._protocol.events_received():
                text = self._text_in(event) if isinstance(event, Frame) else None
                if text is not None and not self.is_closing:
                    yield text
            if self._protocol.eof_sent:
                self._linger()
                return
            data = self._sock.recv(READ_SIZE)
            # gevent turns to the others when one has to wait, and who sends without pause never lets us wait.
            gevent.sleep(0)
            if not data:
                return
            self.heard_at = time.monotonic()
            self._look_at(data)

    def see_off(self) -> None:
        """Wait for the client's own goodbye; what else it says is not heard."""
        for _ in self.texts():
            continue

    def send(self, data: bytes) -> None:
        """Send one or more encoded frames, now or as soon as the client takes them."""
        # Who has said goodbye was answered, and after that there is nothing more to say.
        if not self.is_closing and self._protocol.state is State.OPEN:
            self._write(data)

    def await_room(self) -> None:
        """Wait until little is left in the outbox, or nothing will be sent any more."""
        while self._outbox_bytes > ROOMY_BYTES and not self.is_closing:
            gevent.sleep(ROOM_CHECK_SECONDS)

    def ping(self, now: float) -> None:
        """Ask the client for a sign of life."""
        self._pinged_at = now
        self.send(_PING)

    def check_pong(self) -> None:
        """The ping was a while ago: whoever has said nothing since is gone."""
        if self.heard_at < self._pinged_at:
            self.close(Closing.DOES_NOT_ANSWER)

    def close(self, why: Closing) -> None:
        """Say goodbye; the client has a moment to answer, then the connection is cut."""
        if self.is_closing:
            return
        self.is_closing = True
        _closed.labels(why.code, why.reason).inc()
        if self._protocol.state is not State.OPEN:
            self._hang_up()
            return
        self._protocol.send_close(why.code, SENTENCES[why.code])
        self._flush_protocol()
        # Who reads slowly needs longer to get as far as our goodbye.
        gevent.spawn_later(SEND_SECONDS if self._outbox else CLOSE_SECONDS, self._hang_up)

    def _answer_pings(self) -> None:
        if self.is_closing:
            # After our goodbye there is nothing to say, and nobody may be there to take it.
            self._protocol.data_to_send()
        else:
            self._flush_protocol()

    def _look_at(self, data: bytes) -> None:
        if self.is_closing:
            self._after_goodbye += len(data)
        # The rest is read all the same, or the client would not get as far as our goodbye.
        if self._after_goodbye <= AFTER_GOODBYE:
            self._protocol.receive_data(data)

    def _text_in(self, frame: Frame) -> str | None:
        """The text that ``frame`` completes, if it does."""
        is_scrap = frame.opcode is not Opcode.TEXT or not frame.fin
        if is_scrap and not self._scraps.take(self.heard_at):
            self.close(Closing.TOO_MANY_SCRAPS)
        if frame.opcode is Opcode.BINARY:
            self.close(Closing.NOT_TEXT)
        if self.is_closing or frame.opcode not in (Opcode.TEXT, Opcode.CONT):
            return None
        return self._joined(frame)

    def _joined(self, frame: Frame) -> str | None:
        self._text = self._text or bytearray()
        self._text += frame.data
        # Each frame is small enough, or we would not see it; this is about what they make together.
        if len(self._text) > frames.MAX_FRAME:
            self.close(Closing.TOO_LONG)
            return None
        if not frame.fin:
            return None
        text, self._text = self._text, None
        try:
            return text.decode()
        except UnicodeDecodeError:
            self.close(Closing.NOT_UTF8)
            return None

    def _linger(self) -> None:
        """Let the client have our close frame: to close with its data unread would reset the connection."""
        deadline = time.monotonic() + CLOSE_SECONDS
        while self._outbox and time.monotonic() < deadline:
            gevent.sleep(ROOM_CHECK_SECONDS)
        self._sock.shutdown(socket.SHUT_WR)
        self._sock.settimeout(CLOSE_SECONDS)
        while time.monotonic() < deadline and self._sock.recv(READ_SIZE):
            continue

    def _hang_up(self) -> None:
        if self._is_over:
            return
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def _flush_protocol(self) -> None:
        if data := b"".join(self._protocol.data_to_send()):
            self._write(data)

    def _write(self, data: bytes) -> None:
        """Write without waiting; the rest, if any, goes to the outbox."""
        if not self._is_writing:
            data = data[self._written(data) :]
            if not data:
                return
            self._is_writing = True
            gevent.spawn(self._write_outbox)
        self._outbox.append(data)
        self._outbox_bytes += len(data)
        if len(self._outbox) > OUTBOX_FRAMES or self._outbox_bytes > OUTBOX_BYTES:
            self._give_up_outbox()

    def _written(self, data: bytes) -> int:
        try:
            # gevent's sockets take a timeout here; 0 asks not to wait at all.
            return self._sock.send(data, 0, 0.0)  # type: ignore[call-arg]
        except BlockingIOError:
            return 0
        except OSError:
            self._hang_up()
            return len(data)

    def _give_up_outbox(self) -> None:
        if self.is_closing:
            return
        # Of the frame that is half written the rest must follow; all others are given up for the close frame.
        first = self._outbox[0]
        self._outbox.clear()
        self._outbox.append(first)
        self._outbox_bytes = len(first)
        self.close(Closing.DOES_NOT_READ)

    def _write_outbox(self) -> None:
        try:
            while self._outbox:
                data = self._outbox[0]
                with gevent.Timeout(SEND_SECONDS):
                    self._sock.sendall(data)
                self._outbox.popleft()
                self._outbox_bytes -= len(data)
        except (OSError, gevent.Timeout):
            self._outbox.clear()
            self._outbox_bytes = 0
            self.is_closing = True
            self._hang_up()
        finally:
            self._is_writing = False
