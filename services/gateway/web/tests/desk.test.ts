import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { Operator } from "../src/console/api";
import { Desk } from "../src/console/desk";
import { FakeServer, NO_TABS } from "./fakes";

const maya: Operator = { operator_id: "o-1", name: "Maya", email: "maya@example.org", role: "operator", customer_id: "c-1" };
const jo: Operator = { ...maya, operator_id: "o-2", name: "Jo" };

let server: FakeServer;
let signedIn: Operator | null;
let tickets: number;
let listed: number;
let isListing: boolean;
let signedOut: number;
/** Holds back the answer to who is signed in. */
let isAnswered: Promise<void>;
let stop: () => void;

beforeEach(() => {
  sessionStorage.clear();
  vi.useFakeTimers();
  server = new FakeServer();
  signedIn = maya;
  tickets = signedOut = listed = 0;
  isListing = true;
  isAnswered = Promise.resolve();
  vi.stubGlobal("fetch", async (path: string) => {
    const who = signedIn;
    if (path === "/api/v1/sessions/current") await isAnswered;
    if (!who) return new Response("{}", { status: 401 });
    if (path === "/api/v1/sessions/current") return new Response(JSON.stringify({ operator: who }));
    if (path === "/api/v1/tickets") return new Response(JSON.stringify({ ticket: `t-${(tickets += 1)}` }));
    if (!path.startsWith("/api/v1/conversations?")) return new Response('{"code":"not-found"}', { status: 404 });
    listed += 1;
    return isListing ? new Response(JSON.stringify({ conversations: [], next: null })) : new Response("{}", { status: 503 });
  });
});

afterEach(() => {
  stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const settle = (milliseconds = 0) => vi.advanceTimersByTimeAsync(milliseconds);

async function work(): Promise<Desk> {
  const desk = new Desk(maya, () => (signedOut += 1), { openSocket: server.openSocket, tabs: NO_TABS });
  stop = desk.start();
  await settle();
  return desk;
}

describe("the desk", () => {
  it("sends what was unsent before a reload, whichever page is shown", async () => {
    signedIn = null;
    (await work()).connection.send("k", "written before");
    stop();
    signedIn = maya;
    await work();
    expect(server.stored.map(({ text }) => text)).toEqual(["written before"]);
  });

  it("does not speak as somebody else who signed in in another tab", async () => {
    const desk = await work();
    server.isEchoing = false;
    desk.connection.send("k", "Maya's words");
    signedIn = jo;
    server.socket.drop(4403);
    await settle(60_000);
    expect(tickets).toBe(1);
    expect(server.sockets).toHaveLength(1);
    expect(signedOut).toBe(1);
  });

  it("asks to sign in when the session is over, and goes on when it is not", async () => {
    await work();
    server.socket.drop(4403);
    await settle(10_000);
    expect([signedOut, server.sockets.length]).toEqual([0, 2]);
    signedIn = null;
    server.socket.drop(4403);
    await settle();
    expect(signedOut).toBe(1);
  });

  it("does not come back, nor sign anybody out, when the answer comes after it was left", async () => {
    for (const who of [maya, jo, null]) {
      const desk = await work();
      let answer = () => {};
      isAnswered = new Promise((resolve) => (answer = resolve));
      signedIn = who;
      server.socket.drop(4403);
      await settle();
      stop();
      answer();
      await settle(10_000);
      expect([signedOut, desk.connection.state.value]).toEqual([0, "idle"]);
      signedIn = maya;
    }
  });

  it("reads lists that could not be read again soon, though the socket is live, and others now and then", async () => {
    const desk = await work();
    await settle(10_000);
    isListing = false;
    server.socket.drop(1012);
    await settle(4_000);
    expect(desk.connection.state.value).toBe("live");
    expect(desk.inbox.view.value.problem).not.toBe("");
    isListing = true;
    await settle(5_000);
    expect(desk.inbox.view.value).toMatchObject({ isLoaded: true, problem: "" });
    const before = listed;
    await settle(50_000);
    expect(listed).toBe(before);
    await settle(10_000);
    expect(listed).toBeGreaterThan(before);
  });

  it("lets conversations go that have ended while another was open, and asks for none of them again", async () => {
    const { connection, inbox } = await work();
    inbox.look("opened");
    for (const conversation_id of ["gone", "opened"]) {
      connection.follow(conversation_id);
      server.socket.say({ type: "conversation", conversation_id, status: "closed", last_seq: 0 });
    }
    connection.follow("k");
    server.socket.drop(1012);
    await settle(5_000);
    expect(server.sockets).toHaveLength(2);
    expect(server.socket.sentOf("sync").map(({ conversation_id }) => conversation_id)).toEqual(["opened", "k"]);
  });

  it("waits for no echo in a conversation that has ended", async () => {
    const { connection } = await work();
    server.isEchoing = false;
    connection.send("gone", "too late");
    server.socket.say({ type: "conversation", conversation_id: "gone", status: "closed" });
    await settle(20_000);
    expect(server.sockets).toHaveLength(1);
  });

  it("reads nothing any more once it is left, not even when an answer comes after that", async () => {
    const desk = new Desk(maya, () => (signedOut += 1), { openSocket: server.openSocket, tabs: NO_TABS });
    stop = desk.start();
    stop();
    const before = listed;
    await settle(600_000);
    expect(listed).toBe(before);
  });
});
