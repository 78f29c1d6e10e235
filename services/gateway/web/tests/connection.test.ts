import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Connection } from "../src/shared/connection";
import type { ServerFrame } from "../src/shared/frames";
import { Unreachable } from "../src/shared/problems";
import { FakeServer, NO_TABS, OPERATOR, message, problem } from "./fakes";

let server: FakeServer;
let connection: Connection;

beforeEach(() => {
  sessionStorage.clear();
  vi.useFakeTimers();
  server = new FakeServer();
  connection = new Connection({ name: "k", tabs: NO_TABS, transport: server.transport, openSocket: server.openSocket, random: () => 0.5 });
});

afterEach(() => {
  connection.stop();
  vi.useRealTimers();
});

const settle = (milliseconds = 0) => vi.advanceTimersByTimeAsync(milliseconds);
const texts = () => connection.follow("k").view.value.messages.map(({ text }) => text);
const waiting = () => connection.follow("k").view.value.outgoing;

async function live(): Promise<void> {
  connection.follow("k");
  connection.start();
  await settle();
  expect(connection.state.value).toBe("live");
}

describe("opening", () => {
  it("gets a ticket, shows it in the first frame, and is live when the server is ready", async () => {
    connection.start();
    expect(connection.state.value).toBe("connecting");
    await settle();
    expect(server.socket.sent[0]).toEqual({ type: "auth", ticket: "t-1" });
    expect(connection.state.value).toBe("live");
  });

  it("asks for every conversation it follows, from where it stands", async () => {
    server.store("a", "before");
    await live();
    expect(server.socket.sentOf("sync")).toEqual([{ type: "sync", conversation_id: "k", after: 0 }]);
    expect(texts()).toEqual(["before"]);
  });

  it("tries again when no ticket can be had, and waits as long as it is asked to", async () => {
    server.ticketProblem = problem(429, "too-fast", 7);
    connection.start();
    await settle();
    expect(connection.state.value).toBe("waiting");
    server.ticketProblem = null;
    await settle(6_900);
    expect(server.tickets).toHaveLength(0);
    await settle(200);
    expect(connection.state.value).toBe("live");
  });

  it("gives up on a socket that never gets ready, and polls at once: whatever swallows sockets will do so again", async () => {
    vi.spyOn(server, "take").mockImplementation(() => undefined);
    connection.start();
    await settle(10_000);
    expect(server.sockets[0]?.isClosed).toBe(true);
    expect(connection.state.value).toBe("polling");
  });

  it("stops when the credential is refused", async () => {
    server.ticketProblem = problem(401, "not-authenticated");
    connection.start();
    await settle(120_000);
    expect(connection.state.value).toBe("refused");
    expect(server.sockets).toHaveLength(0);
  });
});

describe("sending", () => {
  it("is sent only when its own echo carries a seq", async () => {
    server.isEchoing = false;
    await live();
    const { client_id } = connection.send("k", "hello");
    await settle();
    expect(waiting()).toMatchObject([{ client_id, state: "sending" }]);
    server.socket.echo(server.store(client_id, "hello"));
    expect(waiting()).toEqual([]);
    expect(texts()).toEqual(["hello"]);
  });

  it("keeps what is written while there is no connection, and sends it in order afterwards", async () => {
    connection.send("k", "one");
    connection.send("k", "two");
    await live();
    await settle();
    expect(texts()).toEqual(["one", "two"]);
  });

  it("sends again under the same client_id after a reconnect, and shows one message", async () => {
    await live();
    server.isEchoing = false;
    const { client_id } = connection.send("k", "hello");
    await settle();
    server.store(client_id, "hello");
    server.isEchoing = true;
    server.socket.drop(1006);
    await settle(2_000);
    expect(server.sockets).toHaveLength(2);
    expect(server.socket.sentOf("message")).toEqual([{ type: "message", conversation_id: "k", client_id, text: "hello" }]);
    expect(server.stored).toHaveLength(1);
    expect(texts()).toEqual(["hello"]);
    expect(waiting()).toEqual([]);
  });

  it("believes a socket dead when an echo is overdue", async () => {
    await live();
    server.isEchoing = false;
    connection.send("k", "hello");
    await settle(9_900);
    expect(server.sockets).toHaveLength(1);
    server.isEchoing = true;
    await settle(3_000);
    expect(server.sockets[0]?.isClosed).toBe(true);
    expect(texts()).toEqual(["hello"]);
  });

  it("goes on trying, and says that a message is late, when no echo comes", async () => {
    await live();
    server.isEchoing = false;
    connection.send("k", "hello");
    await settle(60_000);
    expect(waiting()).toMatchObject([{ state: "sending", is_late: true }]);
    server.isEchoing = true;
    await settle(30_000);
    expect(texts()).toEqual(["hello"]);
  });

  it("sends a message only when the one before it has its echo: none overtakes another that is refused for now", async () => {
    await live();
    server.isEchoing = false;
    const { client_id } = connection.send("k", "one");
    connection.send("k", "two");
    await settle();
    server.socket.say({ type: "rejected", client_id, code: "too-fast", detail: "" });
    server.isEchoing = true;
    await settle(3_000);
    expect(server.stored.map(({ text }) => text)).toEqual(["one", "two"]);
  });

  it("shows a rejected message as failed, and sends it under the same client_id on retry", async () => {
    await live();
    server.isEchoing = false;
    const { client_id } = connection.send("k", "hello");
    await settle();
    server.socket.say({ type: "rejected", client_id, code: "not-a-party", detail: "Only the two of them." });
    expect(waiting()).toMatchObject([{ state: "failed", reason: "Only the two of them." }]);
    server.isEchoing = true;
    connection.retry("k", client_id);
    await settle();
    expect(server.stored.map((stored) => stored.client_id)).toEqual([client_id]);
    expect(texts()).toEqual(["hello"]);
  });

  it("sends by itself what was refused only for now", async () => {
    await live();
    server.isEchoing = false;
    const { client_id } = connection.send("k", "hello");
    await settle();
    server.socket.say({ type: "rejected", client_id, code: "unavailable", detail: "" });
    expect(waiting()).toMatchObject([{ state: "sending" }]);
    server.isEchoing = true;
    await settle(3_000);
    expect(texts()).toEqual(["hello"]);
  });

  it("has one message under way at a time after it was too fast", async () => {
    await live();
    server.socket.drop(4429);
    connection.send("k", "one");
    connection.send("k", "two");
    server.isEchoing = false;
    await settle(4_900);
    expect(server.sockets).toHaveLength(1);
    await settle(3_100);
    expect(server.socket.sentOf("message")).toHaveLength(1);
    server.socket.echo(server.store(server.socket.sentOf("message")[0]?.client_id as string, "one"));
    expect(server.socket.sentOf("message")).toHaveLength(2);
  });

  it("does not flood the server while its own message is held behind a gap", async () => {
    await live();
    const { client_id } = connection.send("k", "mine");
    vi.spyOn(server, "take").mockImplementation(() => undefined);
    await settle();
    server.socket.echo(message(5, { client_id, text: "mine" }));
    for (let seq = 6; seq < 20; seq += 1) server.socket.echo(message(seq));
    expect(server.socket.sentOf("message")).toHaveLength(1);
  });
});

describe("receiving", () => {
  it("asks for what is missing when it sees a gap, and shows nothing before", async () => {
    await live();
    server.store("a", "one", OPERATOR);
    server.store("b", "two", OPERATOR);
    server.socket.echo(server.store("c", "three", OPERATOR));
    expect(texts()).toEqual([]);
    await settle(2_000);
    expect(server.socket.sentOf("sync").at(-1)).toEqual({ type: "sync", conversation_id: "k", after: 0 });
    expect(texts()).toEqual(["one", "two", "three"]);
  });

  it("asks once per gap, and again when the answer does not fill it", async () => {
    await live();
    vi.spyOn(server, "take").mockImplementation(() => undefined);
    await settle(2_000);
    const before = server.socket.sentOf("sync").length;
    server.socket.echo(message(3));
    server.socket.echo(message(4));
    expect(server.socket.sentOf("sync")).toHaveLength(before + 1);
    await settle(1_600);
    expect(server.socket.sentOf("sync")).toHaveLength(before + 2);
  });

  it("catches up with what was said while it was away", async () => {
    await live();
    server.socket.drop(1012);
    server.store("a", "while you were out", OPERATOR);
    await settle(5_000);
    expect(texts()).toEqual(["while you were out"]);
  });

  it("tells its listeners each message once", async () => {
    const heard: ServerFrame[] = [];
    connection.listen((frame) => heard.push(frame));
    await live();
    const stored = server.store("a", "hello", OPERATOR);
    server.socket.echo(stored);
    server.socket.echo(stored);
    expect(heard.filter(({ type }) => type === "message")).toHaveLength(1);
  });

  it("takes over state, operator and position", async () => {
    vi.spyOn(server, "take").mockImplementation((socket, frame) => {
      if (frame.type === "auth") socket.say({ type: "ready", conversations: [], heartbeat_s: 25 });
    });
    await live();
    server.socket.say({ type: "conversation", conversation_id: "k", status: "queued", position: 3 });
    expect(connection.follow("k").view.value).toMatchObject({ status: "queued", position: 3, operator: null });
    server.socket.say({ type: "conversation", conversation_id: "k", status: "active", operator: { id: "o-1", name: "Maya" } });
    expect(connection.follow("k").view.value).toMatchObject({ status: "active", position: null, operator: { id: "o-1", name: "Maya" } });
  });

  it("ignores what is no frame, and frames it does not know", async () => {
    await live();
    server.socket.onmessage?.({ data: "{" } as MessageEvent);
    server.socket.onmessage?.({ data: new ArrayBuffer(2) } as MessageEvent);
    server.socket.say({ type: "message", conversation_id: "k", seq: "1" });
    server.socket.say({ type: "confetti" });
    expect(connection.state.value).toBe("live");
    expect(texts()).toEqual([]);
  });

  it("learns that a conversation has closed while it was away", async () => {
    await live();
    vi.spyOn(server, "take").mockImplementation((socket, frame) => {
      if (frame.type === "auth") socket.say({ type: "ready", conversations: [], heartbeat_s: 25 });
      if (frame.type === "sync") socket.say({ type: "conversation", conversation_id: "k", status: "closed", last_seq: 0 });
    });
    server.socket.drop(1012);
    await settle(5_000);
    expect(connection.follow("k").view.value.status).toBe("closed");
  });

  it("takes from the screen what was erased while it was away", async () => {
    server.store("a", "nobody's business");
    await live();
    connection.send("k", "this neither");
    vi.spyOn(server, "take").mockImplementation((socket, frame) => {
      if (frame.type === "auth") socket.say({ type: "ready", conversations: [], heartbeat_s: 25 });
      if (frame.type === "sync") socket.say({ type: "rejected", client_id: null, conversation_id: "k", code: "not-found", detail: "No." });
    });
    server.socket.drop(1012);
    await settle(5_000);
    expect(connection.follow("k").view.value).toMatchObject({ status: "erased", messages: [], outgoing: [] });
    expect(sessionStorage.length).toBe(0);
  });

  it("does not go back to the queue because of a position that arrives late", async () => {
    await live();
    server.socket.say({ type: "conversation", conversation_id: "k", status: "active", operator: { id: "o-1", name: "Maya" } });
    server.socket.say({ type: "conversation", conversation_id: "k", status: "queued", position: 1 });
    expect(connection.follow("k").view.value).toMatchObject({ status: "active", position: null });
  });

  it("finds out after a silence that a socket is dead", async () => {
    await live();
    vi.spyOn(server, "take").mockImplementation(() => undefined);
    await settle(100_000);
    expect(connection.state.value).toBe("live");
    await settle(10_000);
    expect(server.sockets[0]?.isClosed).toBe(true);
    expect(connection.state.value).not.toBe("live");
  });

  it("stays on a silent socket that answers when asked", async () => {
    await live();
    server.store("a", "still here", OPERATOR);
    await settle(300_000);
    expect(server.sockets).toHaveLength(1);
  });
});

describe("close codes", () => {
  it.each([1006, 1012, 1013, 4408, 4429])("comes back after %i", async (code) => {
    await live();
    server.socket.drop(code);
    expect(connection.state.value).toBe("waiting");
    await settle(11_000);
    expect(connection.state.value).toBe("live");
    expect(server.tickets).toHaveLength(2);
  });

  it("does not come back after its credential was revoked", async () => {
    await live();
    server.socket.drop(4403);
    await settle(120_000);
    expect(connection.state.value).toBe("refused");
    expect(server.sockets).toHaveLength(1);
  });

  it("shows a new ticket after 4401, and gives up when none is good", async () => {
    vi.spyOn(server, "take").mockImplementation((socket) => socket.drop(4401));
    connection.start();
    await settle(60_000);
    expect(connection.state.value).toBe("refused");
    expect(server.tickets).toEqual(["t-1", "t-2", "t-3"]);
  });

  it.each([1012, 1013])("does not poll a server that asks it to wait with %i", async (code) => {
    vi.spyOn(server, "take").mockImplementation((socket) => socket.drop(code));
    connection.follow("k");
    connection.start();
    await settle(60_000);
    expect(server.sockets.length).toBeGreaterThan(2);
    expect(server.histories).toEqual([]);
  });

  it("can be started again after it was refused", async () => {
    await live();
    server.socket.drop(4403);
    connection.start();
    await settle();
    expect(connection.state.value).toBe("live");
  });

  it("stays away longer each time while sockets do not last", async () => {
    await live();
    const times: number[] = [];
    for (let round = 0; round < 4; round += 1) {
      server.socket.drop(1006);
      const before = Date.now();
      const { length } = server.sockets;
      while (server.sockets.length === length) await settle(50);
      await settle();
      times.push(Date.now() - before);
    }
    expect(times).toEqual([...times].sort((one, other) => one - other));
    expect(times.at(-1)).toBeGreaterThan(2_000);
  });

  it("ignores a socket it has given up", async () => {
    await live();
    const first = server.socket;
    first.drop(1012);
    await settle(5_000);
    first.echo(message(1));
    first.drop(4403);
    expect(connection.state.value).toBe("live");
    expect(texts()).toEqual([]);
  });
});

describe("offline", () => {
  it("waits while the browser says it is offline, and is back soon after", async () => {
    await live();
    const isOnline = vi.spyOn(navigator, "onLine", "get").mockReturnValue(false);
    dispatchEvent(new Event("offline"));
    expect(connection.state.value).toBe("waiting");
    await settle(20_000);
    expect(server.sockets).toHaveLength(1);
    isOnline.mockReturnValue(true);
    dispatchEvent(new Event("online"));
    await settle(1_000);
    expect(connection.state.value).toBe("live");
  });
});

describe("without a socket", () => {
  beforeEach(() => {
    server.isOpening = false;
  });

  async function polling(): Promise<void> {
    connection.follow("k");
    connection.start();
    await settle(3_000);
    expect(connection.state.value).toBe("polling");
  }

  it("polls for messages and posts its own", async () => {
    await polling();
    server.idle = async () => undefined;
    connection.send("k", "hello");
    await settle(2_000);
    expect(server.posts).toEqual(["hello"]);
    expect(texts()).toEqual(["hello"]);
    expect(waiting()).toEqual([]);
  });

  it("brings what others say", async () => {
    server.store("a", "one", OPERATOR);
    server.store("b", "two", OPERATOR);
    await polling();
    expect(texts()).toEqual(["one", "two"]);
  });

  it("takes from the screen what is not there any more", async () => {
    server.store("a", "nobody's business");
    await polling();
    expect(texts()).toEqual(["nobody's business"]);
    server.transport.history = () => Promise.reject(problem(404, "not-found"));
    // Any news ends the poll that waits.
    connection.follow("another");
    await settle(2_000);
    expect(connection.follow("k").view.value).toMatchObject({ status: "erased", messages: [] });
    expect(connection.state.value).toBe("polling");
  });

  it("does not call erased what it may not read", async () => {
    server.store("a", "for others");
    await polling();
    server.transport.history = () => Promise.reject(problem(403, "forbidden"));
    connection.follow("another");
    await settle(2_000);
    expect(connection.follow("k").view.value.status).toBe("queued");
    expect(connection.state.value).toBe("polling");
  });

  it("posts what waits in order, and once", async () => {
    connection.send("k", "one");
    connection.send("k", "two");
    await polling();
    connection.send("k", "three");
    await settle(2_000);
    expect(server.posts).toEqual(["one", "two", "three"]);
    expect(texts()).toEqual(["one", "two", "three"]);
  });

  it("posts again, under the same client_id, when there was no answer", async () => {
    await polling();
    server.postProblem = new Unreachable();
    connection.send("k", "hello");
    await settle(500);
    expect(waiting()).toMatchObject([{ state: "sending" }]);
    server.postProblem = null;
    await settle(5_000);
    expect(server.stored).toHaveLength(1);
    expect(texts()).toEqual(["hello"]);
  });

  it("shows a refused post as failed", async () => {
    await polling();
    server.postProblem = problem(409, "not-open");
    connection.send("k", "hello");
    await settle(500);
    expect(waiting()).toMatchObject([{ state: "failed", reason: "not-open." }]);
  });

  it("says so when nothing moves any more", async () => {
    server.idle = async () => {
      throw new Unreachable();
    };
    connection.follow("k");
    connection.start();
    await settle(3_000);
    expect(connection.state.value).toBe("waiting");
  });

  it("goes back to the socket as soon as one opens", async () => {
    await polling();
    server.isOpening = true;
    await settle(40_000);
    expect(connection.state.value).toBe("live");
    const { length } = server.histories;
    await settle(40_000);
    expect(server.histories).toHaveLength(length);
  });

  it("sends again over the socket what was being posted", async () => {
    await polling();
    server.transport.post = () => new Promise(() => undefined);
    connection.send("k", "hello");
    server.isOpening = true;
    while (connection.state.value !== "live") await settle(10);
    await settle(10);
    expect(texts()).toEqual(["hello"]);
  });

  it("is a browser without WebSocket all the same", async () => {
    const bare = new Connection({
      name: "bare",
      tabs: NO_TABS,
      transport: server.transport,
      openSocket: () => {
        throw new Error("refused");
      },
      random: () => 0.5,
    });
    bare.follow("k");
    bare.start();
    await settle(3_000);
    expect(bare.state.value).toBe("polling");
    bare.stop();
  });
});

describe("stopping", () => {
  it("closes the socket and never comes back", async () => {
    await live();
    connection.stop();
    await settle(120_000);
    expect(server.sockets).toHaveLength(1);
    expect(server.socket.isClosed).toBe(true);
    expect(connection.state.value).toBe("idle");
  });

  it("ignores a ticket that arrives too late", async () => {
    connection.start();
    connection.stop();
    await settle();
    expect(server.sockets).toHaveLength(0);
  });
});
