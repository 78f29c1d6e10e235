"""The limits of the parts alone, in the same minutes on the same machine: what the whole path can be held against."""

import asyncio
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

import pika
from pika.exchange_type import ExchangeType
from pymongo import MongoClient, WriteConcern

from chassis.bus import Bus
from contracts.chat import PostMessage, Sender
from deploy.local.instance import REPOSITORY, Instance
from deploy.local.waiting import accepts_connections, until
from tests.bench import pace
from tests.bench.bench import Bench, Row
from tests.bench.figures import Figures, of_latencies
from tests.bench.wire import Wire

SPARE_VHOST = "test-00"
QUEUE = "bench.p.00"
WINDOW = 1_000
BATCHES = (1, 10, 100)
ECHO_PORT_OFFSET = 60
ECHO_SOCKETS = 200
ECHO_RATE = 1_000.0
TEXT = "How long does it take until you can read this sentence, which is about as long as people write?"


async def alone(bench: Bench) -> None:
    """The broker, the database and the socket, each without the others."""
    seconds = bench.seconds(4, 2)
    for run in range(1, bench.runs + 1):
        rate = await asyncio.to_thread(_publishes, bench.world.instance, seconds)
        _add(bench, "confirmed publishes", 0, run, {"per_s": rate})
        for batch in BATCHES:
            figures = await asyncio.to_thread(_inserts, bench.world.instance, batch, seconds / 2)
            _add(bench, f"inserts, {batch} at once", batch, run, figures)
        with _echo_server(bench.world.instance) as port:
            _add(bench, "socket echo, at its limit", 0, run, await _echoes_at_the_limit(port, seconds))
            _add(bench, "socket echo, 1,000/s", 0, run, await _echoes_at_a_rate(port, seconds))


def _add(bench: Bench, label: str, level: float, run: int, figures: Figures) -> None:
    bench.add(Row(part="alone", label=label, level=level, run=run, figures=figures))


def _publishes(instance: Instance, seconds: float) -> float:
    """Confirmed publishes a second to a quorum queue, with a window of 1,000."""
    url = instance.amqp_url("admin", SPARE_VHOST)
    with _queue(url):
        bus = Bus(url, service="bench", max_in_flight=WINDOW + 1)
        bus.start()
        assert bus.wait_until_up()
        try:
            return _published_per_second(bus, seconds)
        finally:
            bus.close()


def _published_per_second(bus: Bus, seconds: float) -> float:
    waiting: deque[Future[None]] = deque()
    command = _command()
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        if len(waiting) >= WINDOW:
            waiting.popleft().result()
        waiting.append(bus.send(command, queue=QUEUE))
        count += 1
    for confirmed in waiting:
        confirmed.result()
    return round(count / (time.perf_counter() - began), 1)


@contextmanager
def _queue(url: str) -> Iterator[None]:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.exchange_declare("commands", ExchangeType("direct"), durable=True)
    channel.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
    channel.queue_bind(QUEUE, "commands", QUEUE)
    connection.close()
    try:
        yield
    finally:
        # A connection of its own: the first would have missed its heartbeats.
        connection = pika.BlockingConnection(pika.URLParameters(url))
        connection.channel().queue_delete(QUEUE)
        connection.close()


def _command() -> PostMessage:
    return PostMessage(
        customer_id=str(uuid4()),
        command_id=uuid4().hex,
        conversation_id=uuid4().hex,
        client_id=uuid4().hex,
        sender=Sender(kind="visitor", id=uuid4().hex, name="Visitor"),
        text=TEXT,
    )


def _inserts(instance: Instance, batch: int, seconds: float) -> Figures:
    """`insert_many` as the relay does it: by a majority, journaled, ordered, with its unique indexes."""
    client: MongoClient[dict[str, object]] = MongoClient(instance.mongo_url("admin", "bench_alone"))
    try:
        collection = client["bench_alone"].get_collection("messages", write_concern=WriteConcern(w="majority", j=True))
        for name in ("seq", "client_id"):
            collection.create_index([("conversation_id", 1), (name, 1)], unique=True)
        latencies: list[float] = []
        began = time.perf_counter()
        while (started := time.perf_counter()) - began < seconds:
            collection.insert_many(_documents(len(latencies) * batch, batch), ordered=True)
            latencies.append(time.perf_counter() - started)
        per_second = round(len(latencies) * batch / (time.perf_counter() - began), 1)
        return {"per_s": per_second, **of_latencies("call", latencies)}
    finally:
        client.drop_database("bench_alone")
        client.close()


def _documents(first: int, count: int) -> list[dict[str, object]]:
    sender = {"kind": "visitor", "id": "visitor", "name": "Visitor"}
    return [
        {
            "_id": uuid4().hex,
            "customer_id": "customer",
            "conversation_id": f"conversation-{seq % 200}",
            "seq": seq,
            "client_id": uuid4().hex,
            "sender": sender,
            "text": TEXT,
            "sent_at": datetime.now(UTC),
        }
        for seq in range(first, first + count)
    ]


@contextmanager
def _echo_server(instance: Instance) -> Iterator[int]:
    port = instance.ports.base + ECHO_PORT_OFFSET
    server = subprocess.Popen([sys.executable, "-m", "tests.bench.echo", str(port)], cwd=REPOSITORY)
    try:
        until(lambda: accepts_connections(port), seconds=20, what="the echo server")
        yield port
    finally:
        server.terminate()
        server.wait(10)


class Echoes:
    """Sockets to the echo server, and how long each text took."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.wires: list[Wire] = []
        self.sent_at: deque[float] = deque()

    async def connect(self, port: int, count: int) -> None:
        loop = asyncio.get_running_loop()
        for number in range(count):
            heard = partial(self._heard, number)
            _, wire = await loop.create_connection(partial(Wire, "localhost", heard, _gone), "127.0.0.1", port)
            await wire.opened
            self.wires.append(wire)

    def _heard(self, number: int, _text: bytes, at: float) -> None:
        self.heard(number, at)

    def heard(self, _number: int, at: float) -> None:
        self.latencies.append(at - self.sent_at.popleft())

    def close(self) -> None:
        for wire in self.wires:
            wire.close()


def _gone(_code: int) -> None:
    return


class Circling(Echoes):
    """Says the next text when the last is back, on every socket."""

    def __init__(self) -> None:
        super().__init__()
        self.began_at: dict[int, float] = {}
        self.is_over = False

    def heard(self, number: int, at: float) -> None:
        self.latencies.append(at - self.began_at[number])
        if not self.is_over:
            self.begin(number)

    def begin(self, number: int) -> None:
        self.began_at[number] = time.perf_counter()
        self.wires[number].say(TEXT.encode())


async def _echoes_at_the_limit(port: int, seconds: float) -> Figures:
    """Texts a second there and back over 200 sockets, and what each costs the driver."""
    echoes = Circling()
    await echoes.connect(port, ECHO_SOCKETS)
    began, cpu = time.perf_counter(), time.process_time()
    for number in range(ECHO_SOCKETS):
        echoes.begin(number)
    await asyncio.sleep(seconds)
    echoes.is_over = True
    took, spent = time.perf_counter() - began, time.process_time() - cpu
    echoes.close()
    count = len(echoes.latencies)
    return {"per_s": round(count / took, 1), "driver_cpu_us_each": round(spent / count * 1e6, 2)}


async def _echoes_at_a_rate(port: int, seconds: float) -> Figures:
    """What the driver, the kernel and the protocol add to every latency above."""
    echoes = Echoes()
    await echoes.connect(port, 1)

    def due(_number: int, intended_at: float) -> None:
        echoes.sent_at.append(intended_at)
        echoes.wires[0].say(TEXT.encode())

    await pace.at_rate(ECHO_RATE, seconds, due)
    await asyncio.sleep(0.2)
    echoes.close()
    return of_latencies("echoed", echoes.latencies)
