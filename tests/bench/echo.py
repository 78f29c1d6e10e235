"""A socket server that only echoes: the same protocol core and the same gevent sockets as the gateway, and no service.

`python -m tests.bench.echo PORT`; what the driver itself costs and adds is measured against it.
"""

import contextlib
import sys
from typing import Any

from gevent.server import StreamServer
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

READ_SIZE = 16 * 1024


def serve(sock: Any, _address: object) -> None:
    with contextlib.suppress(OSError):
        echo(sock)


def echo(sock: Any) -> None:
    protocol = ServerProtocol(max_size=64 * 1024)
    while data := sock.recv(READ_SIZE):
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Request):
                protocol.send_response(protocol.accept(event))
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                sock.sendall(Frame(Opcode.TEXT, bytes(event.data)).serialize(mask=False))
        if answer := b"".join(protocol.data_to_send()):
            sock.sendall(answer)
        if protocol.eof_sent:
            return


if __name__ == "__main__":
    StreamServer(("127.0.0.1", int(sys.argv[1])), serve, backlog=1024).serve_forever()
