import type { Conversation } from "../src/console/api";
import type { Message, Sender, Status } from "../src/shared/frames";
import type { SocketLike } from "../src/shared/line";
import { Problem, Unreachable } from "../src/shared/problems";
import type { Tabs } from "../src/shared/shared-line";
import type { History, Transport } from "../src/shared/transport";

export const VISITOR: Sender = { kind: "visitor", id: "v-1", name: "" };
export const OPERATOR: Sender = { kind: "operator", id: "o-1", name: "Maya" };

/** One that waits, as the lists tell of it. */
export function conversation(conversation_id: string, part: Partial<Conversation> = {}): Conversation {
  return {
    conversation_id,
    site_id: "s-1",
    visitor_name: "Ines",
    status: "queued",
    operator: null,
    department: null,
    opened_at: "2026-01-02T03:04:05Z",
    accepted_at: null,
    closed_at: null,
    last_seq: 0,
    last_message: null,
    position: null,
    ...part,
  };
}

export function message(seq: number, part: Partial<Message> = {}): Message {
  return { seq, message_id: `m-${seq}`, client_id: `c-${seq}`, sender: OPERATOR, text: `words ${seq}`, sent_at: "2026-01-02T03:04:05Z", ...part };
}

/** A server for connections: it keeps messages as the real one does, and can be told to fail. */
export class FakeServer {
  readonly sockets: FakeSocket[] = [];
  readonly stored: Message[] = [];
  readonly tickets: string[] = [];
  readonly posts: string[] = [];
  readonly histories: number[] = [];
  ticketProblem: Error | null = null;
  postProblem: Error | null = null;
  status: Status = "queued";
  isOpening = true;
  isEchoing = true;
  /** The code with which messages are refused. */
  refusal: string | null = null;
  /** What a long-poll does when there is nothing new. */
  idle: () => Promise<void> = () => new Promise(() => undefined);

  transport: Transport = {
    self: VISITOR,
    ticket: async () => {
      if (this.ticketProblem) throw this.ticketProblem;
      this.tickets.push(`t-${this.tickets.length + 1}`);
      return { ticket: this.tickets.at(-1) as string };
    },
    history: async (_conversationId, after, _waitS, signal): Promise<History> => {
      this.histories.push(after);
      // The first answer says how the conversation stands; only then is there something to wait for.
      if (after >= this.stored.length && this.histories.length > 1) await Promise.race([this.idle(), aborted(signal)]);
      return { messages: this.stored.slice(after), last_seq: this.stored.length, status: this.status };
    },
    post: async (_conversationId, clientId, text) => {
      this.posts.push(text);
      if (this.postProblem) throw this.postProblem;
      const { seq, message_id, sent_at } = this.store(clientId, text);
      return { seq, message_id, sent_at };
    },
  };

  openSocket = (): SocketLike => {
    const socket = new FakeSocket(this);
    this.sockets.push(socket);
    queueMicrotask(() => (this.isOpening ? socket.onopen?.(new Event("open")) : socket.drop(1006)));
    return socket;
  };

  get socket(): FakeSocket {
    return this.sockets.at(-1) as FakeSocket;
  }

  store(clientId: string, text: string, sender: Sender = VISITOR): Message {
    const known = this.stored.find(({ client_id }) => client_id === clientId);
    if (known) return known;
    this.stored.push(message(this.stored.length + 1, { client_id: clientId, text, sender }));
    return this.stored.at(-1) as Message;
  }

  take(socket: FakeSocket, frame: Record<string, unknown>): void {
    if (frame.type === "auth") {
      const conversations = [{ conversation_id: "k", status: this.status, last_seq: this.stored.length }];
      socket.say({ type: "ready", conversations, heartbeat_s: 25 });
    }
    if (frame.type === "sync") {
      for (const item of this.stored.slice(frame.after as number)) socket.echo(item);
      socket.say({ type: "conversation", conversation_id: "k", status: this.status, last_seq: this.stored.length });
    }
    if (frame.type === "message" && this.refusal) {
      return socket.say({ type: "rejected", client_id: frame.client_id, conversation_id: "k", code: this.refusal, detail: "No." });
    }
    if (frame.type === "message" && this.isEchoing) socket.echo(this.store(frame.client_id as string, frame.text as string));
  }
}

export class FakeSocket implements SocketLike {
  onopen: SocketLike["onopen"] = null;
  onmessage: SocketLike["onmessage"] = null;
  onclose: SocketLike["onclose"] = null;
  readonly sent: Record<string, unknown>[] = [];
  isClosed = false;

  constructor(private readonly server: FakeServer) {}

  send(data: string): void {
    const frame = JSON.parse(data) as Record<string, unknown>;
    this.sent.push(frame);
    queueMicrotask(() => this.isClosed || this.server.take(this, frame));
  }

  close(): void {
    this.isClosed = true;
  }

  /** The server, or the network, ends the socket. */
  drop(code: number): void {
    this.isClosed = true;
    this.onclose?.({ code } as CloseEvent);
  }

  say(frame: Record<string, unknown>): void {
    this.onmessage?.({ data: JSON.stringify(frame) } as MessageEvent);
  }

  echo(item: Message): void {
    this.say({ ...item, type: "message", conversation_id: "k" });
  }

  sentOf(type: string): Record<string, unknown>[] {
    return this.sent.filter((frame) => frame.type === type);
  }
}

const aborted = (signal: AbortSignal) => new Promise<never>((_resolve, reject) => signal.addEventListener("abort", () => reject(new Unreachable())));

/** A browser that has neither locks nor channels. */
export const NO_TABS: Tabs = {
  locks: undefined,
  openChannel: () => {
    throw new DOMException("denied", "SecurityError");
  },
};

export function problem(status: number, code: string, retryAfter: number | null = null): Problem {
  return new Problem(status, code, `${code}.`, [], retryAfter);
}
