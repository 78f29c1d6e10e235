import { pauseAfter } from "./backoff";
import { ConversationLog, type Outgoing } from "./conversation-log";
import { type ClientFrame, type ConversationFrame, type Message, type RejectedFrame, type ReadyFrame, type Sender, type ServerFrame, type Status, parseFrame } from "./frames";
import { newId } from "./ids";
import { Observable } from "./observable";
import { Outbox } from "./outbox";
import { Problem, explain } from "./problems";

export type ConnectionState =
  | "idle"
  | "connecting"
  /** The socket is open and authenticated. */
  | "live"
  /** No socket can be opened; messages move by long-polling. */
  | "polling"
  /** Nothing moves; a next attempt is scheduled. */
  | "waiting"
  /** The credential is no longer good: somebody has to sign in, or start, again. */
  | "refused";

export interface History {
  messages: Message[];
  last_seq: number;
  status: Status;
}

export interface PostedMessage {
  seq: number;
  message_id: string;
  sent_at: string;
}

/** The calls a connection needs from HTTP: the same module serves visitors and operators. */
export interface Transport {
  readonly self: Sender;
  ticket(): Promise<{ ticket: string }>;
  /** Messages after a seq; may wait for news before it answers. */
  history(conversationId: string, after: number, signal: AbortSignal): Promise<History>;
  /** Null when the message was accepted and is not confirmed yet. */
  post(conversationId: string, clientId: string, text: string): Promise<PostedMessage | null>;
}

export interface SocketLike {
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

export interface ConnectionOptions {
  transport: Transport;
  openSocket?: () => SocketLike;
  random?: () => number;
  /** The least time between two polls that brought nothing. */
  pollPauseMs?: number;
}

const NOT_AUTHENTICATED = 4401;
const REVOKED = 4403;
const TOO_FAST = 4429;
const NO_STATUS = 1006;
const READY_WITHIN_MS = 10_000;
const ANSWER_WITHIN_MS = 10_000;
/** A socket that lived this long counts as a success: the next pause starts small again. */
const SETTLED_MS = 10_000;
const SOCKETS_BEFORE_POLLING = 2;
const TICKETS_BEFORE_REFUSED = 3;
const SYNC_PAUSE_MS = 1_500;
const SYNC_QUIET_MS = 250;
const SYNC_LONGEST_MS = 12_000;
/** Refusals that pass by themselves: the message goes again under its client_id. */
const PASSING = new Set(["overloaded", "unavailable", "too-fast", "not-confirmed"]);

type FrameListener = (frame: ServerFrame) => void;

/** The one way from a browser to its conversations: socket first, long-polling where none opens. */
export class Connection {
  readonly state = new Observable<ConnectionState>("idle");
  private readonly transport: Transport;
  private readonly openSocket: () => SocketLike;
  private readonly random: () => number;
  private readonly pollPauseMs: number;
  private readonly logs = new Map<string, ConversationLog>();
  private readonly polls = new Map<string, AbortController>();
  private readonly posting = new Set<string>();
  private readonly syncs = new Map<string, { timer: ReturnType<typeof setTimeout>; pause: number }>();
  private readonly listeners = new Set<FrameListener>();
  private readonly outbox: Outbox;
  private socket: SocketLike | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** Identifies the current attempt; whatever an older one still brings is ignored. */
  private attempt = 0;
  private silence: ReturnType<typeof setTimeout> | undefined;
  private silenceMs = 100_000;
  private failures = 0;
  private readyAt = 0;
  private isFallback = false;
  private unopened = 0;
  private unauthenticated = 0;

  constructor({ transport, openSocket = openOwnSocket, random = Math.random, pollPauseMs = 1_000 }: ConnectionOptions) {
    this.transport = transport;
    this.openSocket = openSocket;
    this.random = random;
    this.pollPauseMs = pollPauseMs;
    this.outbox = new Outbox(
      (conversationId, { client_id, text }) => this.transmit({ type: "message", conversation_id: conversationId, client_id, text }),
      () => this.lose(NO_STATUS),
    );
  }

  start(): void {
    if (this.state.value !== "idle" && this.state.value !== "refused") return;
    globalThis.addEventListener?.("online", this.hurry);
    globalThis.document?.addEventListener("visibilitychange", this.hurry);
    this.failures = this.unopened = this.unauthenticated = 0;
    void this.connect();
  }

  stop(): void {
    this.halt("idle");
  }

  /** Keeps a conversation complete from now on; the same log for as long as it is followed. */
  follow(conversationId: string, status: Status = "queued"): ConversationLog {
    const known = this.logs.get(conversationId);
    if (known) return known;
    const log = new ConversationLog(conversationId, status);
    this.logs.set(conversationId, log);
    if (this.state.value === "live") this.catchUp(log);
    if (this.isFallback) this.poll(log);
    return log;
  }

  unfollow(conversationId: string): void {
    this.logs.delete(conversationId);
    this.endSync(conversationId);
    this.polls.get(conversationId)?.abort();
    this.polls.delete(conversationId);
  }

  /** Puts a message in the outbox; it is shown as *sending* until its echo carries a seq. */
  send(conversationId: string, text: string): Outgoing {
    const outgoing: Outgoing = { client_id: newId(), text, written_at: new Date().toISOString(), state: "sending", reason: "" };
    this.resume(conversationId, [outgoing]);
    return outgoing;
  }

  /** Puts messages from before a reload back in the outbox, under the client_id they had. */
  resume(conversationId: string, outgoing: readonly Outgoing[]): void {
    const log = this.follow(conversationId);
    for (const item of outgoing) log.enqueue(item);
    this.deliver(log);
  }

  retry(conversationId: string, clientId: string): void {
    const log = this.logs.get(conversationId);
    if (log?.retry(clientId)) this.deliver(log);
  }

  /** Every frame, after the logs have taken it. */
  listen(listener: FrameListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  // ---- the life of a socket

  private async connect(): Promise<void> {
    const attempt = this.begin();
    try {
      const { ticket } = await this.transport.ticket();
      if (attempt !== this.attempt) return;
      if (this.isFallback) this.state.set("polling");
      this.open(ticket);
    } catch (error) {
      if (attempt === this.attempt) this.ticketRefused(error);
    }
  }

  private begin(): number {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (!this.isFallback) this.state.set("connecting");
    this.attempt += 1;
    return this.attempt;
  }

  private open(ticket: string): void {
    let socket: SocketLike;
    try {
      socket = this.openSocket();
    } catch {
      return this.lost(NO_STATUS);
    }
    this.socket = socket;
    this.timer = setTimeout(() => this.lose(NO_STATUS), READY_WITHIN_MS);
    socket.onopen = () => this.transmit({ type: "auth", ticket });
    socket.onmessage = ({ data }) => socket === this.socket && this.take(parseFrame(data));
    socket.onclose = ({ code }) => socket === this.socket && this.lost(code);
  }

  private ticketRefused(error: unknown): void {
    if (error instanceof Problem && (error.status === 401 || error.status === 403)) return this.halt("refused");
    this.failures += 1;
    this.state.set("waiting");
    const least = error instanceof Problem ? (error.retryAfter ?? 0) * 1_000 : 0;
    this.reconnectIn(Math.max(least, pauseAfter(NO_STATUS, this.failures, this.random)));
  }

  /** Gives the socket up ourselves. */
  private lose(code: number): void {
    const { socket } = this;
    this.lost(code);
    socket?.close();
  }

  private lost(code: number): void {
    const wasReady = this.state.value === "live";
    this.socket = null;
    clearTimeout(this.silence);
    this.outbox.interrupt();
    for (const conversationId of [...this.syncs.keys()]) this.endSync(conversationId);
    if (code === REVOKED) return this.halt("refused");
    if (code === NOT_AUTHENTICATED && ++this.unauthenticated >= TICKETS_BEFORE_REFUSED) return this.halt("refused");
    if (code === TOO_FAST) this.outbox.slowDown();
    if (wasReady && Date.now() - this.readyAt >= SETTLED_MS) this.failures = 0;
    this.failures += 1;
    this.unopened = wasReady ? 0 : this.unopened + 1;
    if (this.unopened >= SOCKETS_BEFORE_POLLING) this.startPolling();
    this.reconnectIn(pauseAfter(code, this.failures, this.random));
  }

  private reconnectIn(pause: number): void {
    if (!this.isFallback) this.state.set("waiting");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.connect(), pause);
  }

  /** The network or the person came back: no reason to sit out a pause, and one to doubt an old socket. */
  private readonly hurry = (): void => {
    if (globalThis.document?.hidden) return;
    if (this.state.value === "waiting") this.reconnectIn(Math.round(this.random() * 1_000));
    if (this.state.value === "live") this.probe();
  };

  private halt(state: "idle" | "refused"): void {
    const { socket } = this;
    globalThis.removeEventListener?.("online", this.hurry);
    globalThis.document?.removeEventListener("visibilitychange", this.hurry);
    clearTimeout(this.silence);
    this.socket = null;
    this.attempt += 1;
    clearTimeout(this.timer);
    this.outbox.interrupt();
    this.stopPolling();
    for (const conversationId of [...this.syncs.keys()]) this.endSync(conversationId);
    this.state.set(state);
    socket?.close(1000);
  }

  private transmit(frame: ClientFrame): void {
    try {
      this.socket?.send(JSON.stringify(frame));
    } catch {
      // A socket that is closing refuses; its close event brings the next attempt, which sends again.
    }
  }

  /**
   * The server's pings are out of a page's sight, so after a silence we ask something it must answer:
   * a socket that died with a sleeping laptop or a lost network never says so itself.
   */
  private watch(silenceMs: number): void {
    this.silenceMs = silenceMs;
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.probe(), silenceMs);
  }

  private probe(): void {
    const log = [...this.logs.values()].find(({ view }) => view.value.status !== "closed");
    if (!log) return this.watch(this.silenceMs);
    this.transmit({ type: "sync", conversation_id: log.conversationId, after: log.lastSeq });
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.lose(NO_STATUS), ANSWER_WITHIN_MS);
  }

  // ---- what the server says

  private take(frame: ServerFrame | null): void {
    if (frame === null) return;
    if (this.state.value === "live") this.watch(this.silenceMs);
    if (frame.type === "ready") this.ready(frame);
    if (frame.type === "message") this.receive(frame.conversation_id, [frame]);
    if (frame.type === "rejected") this.rejected(frame);
    if (frame.type === "conversation") this.changed(frame);
    if (frame.type !== "message") this.tell(frame);
  }

  private ready({ conversations, heartbeat_s }: ReadyFrame): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.readyAt = Date.now();
    this.unopened = this.unauthenticated = 0;
    this.stopPolling();
    this.state.set("live");
    this.watch(4_000 * (heartbeat_s || 25));
    for (const { conversation_id, status, last_seq } of conversations) {
      const log = this.logs.get(conversation_id);
      log?.announce(last_seq);
      log?.moveTo(status);
    }
    for (const log of this.logs.values()) {
      this.catchUp(log);
      this.outbox.flush(log);
    }
  }

  private receive(conversationId: string, messages: readonly Message[]): void {
    for (const message of messages) this.outbox.settle(message.client_id);
    const log = this.logs.get(conversationId);
    const visible = log ? log.receive(messages) : messages;
    if (log) this.closeGap(log, visible.length > 0);
    if (log && this.state.value === "live") this.outbox.flush(log);
    for (const message of visible) this.tell({ ...message, type: "message", conversation_id: conversationId });
  }

  private rejected({ client_id, conversation_id, code, detail }: RejectedFrame): void {
    if (client_id !== null) this.outbox.settle(client_id);
    if (PASSING.has(code)) return this.tryLater(client_id === null ? conversation_id : undefined);
    if (client_id === null) return;
    for (const log of this.logs.values()) {
      if (log.fail(client_id, detail || "This message was not accepted.")) return;
    }
  }

  private tryLater(conversationId: string | undefined): void {
    const attempt = this.attempt;
    setTimeout(() => {
      if (attempt !== this.attempt || this.state.value !== "live") return;
      for (const log of this.logs.values()) {
        if (log.conversationId === conversationId) this.catchUp(log);
        this.outbox.flush(log);
      }
    }, pauseAfter(NO_STATUS, 2, this.random));
  }

  private changed({ conversation_id, status, operator, position, last_seq }: ConversationFrame): void {
    const log = this.logs.get(conversation_id);
    if (!log) return;
    if (log.moveTo(status)) log.change({ ...(operator !== undefined && { operator }), ...(position != null && status === "queued" && { position }) });
    if (last_seq === undefined) return;
    log.announce(last_seq);
    this.closeGap(log, false);
  }

  private tell(frame: ServerFrame): void {
    for (const listener of [...this.listeners]) listener(frame);
  }

  // ---- gaps

  private catchUp(log: ConversationLog): void {
    this.endSync(log.conversationId);
    this.sync(log, SYNC_PAUSE_MS);
  }

  private sync(log: ConversationLog, pause: number): void {
    this.transmit({ type: "sync", conversation_id: log.conversationId, after: log.lastSeq });
    this.awaitSync(log, pause, pause);
  }

  private awaitSync(log: ConversationLog, wait: number, pause: number): void {
    const timer = setTimeout(() => {
      this.syncs.delete(log.conversationId);
      if (log.hasGap) this.sync(log, Math.min(pause * 2, SYNC_LONGEST_MS));
    }, wait);
    this.syncs.set(log.conversationId, { timer, pause });
  }

  /** Asks for what is missing; while an answer is coming in, waits for it to pause before asking for the rest. */
  private closeGap(log: ConversationLog, isProgress: boolean): void {
    if (this.state.value !== "live") return;
    const running = this.syncs.get(log.conversationId);
    if (!log.hasGap) return;
    if (!running) return this.sync(log, SYNC_PAUSE_MS);
    if (!isProgress) return;
    clearTimeout(running.timer);
    this.awaitSync(log, SYNC_QUIET_MS, SYNC_PAUSE_MS);
  }

  private endSync(conversationId: string): void {
    clearTimeout(this.syncs.get(conversationId)?.timer);
    this.syncs.delete(conversationId);
  }

  // ---- without a socket

  private startPolling(): void {
    this.isFallback = true;
    this.state.set("polling");
    for (const log of this.logs.values()) this.poll(log);
  }

  private stopPolling(): void {
    this.isFallback = false;
    for (const poll of this.polls.values()) poll.abort();
    this.polls.clear();
  }

  private poll(log: ConversationLog): void {
    if (this.polls.has(log.conversationId)) return;
    const poll = new AbortController();
    this.polls.set(log.conversationId, poll);
    void this.pollFor(log, poll.signal);
    void this.postFor(log);
  }

  private async pollFor(log: ConversationLog, signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      try {
        const history = await this.transport.history(log.conversationId, log.lastSeq, signal);
        if (signal.aborted) return;
        failures = 0;
        this.state.set("polling");
        this.absorb(log, history);
        if (history.status === "closed" && !log.hasGap) return;
        if (history.messages.length === 0) await pause(this.pollPauseMs);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Problem && error.status === 401) return this.halt("refused");
        failures += 1;
        this.state.set("waiting");
        await pause(pauseAfter(NO_STATUS, failures, this.random));
      }
    }
  }

  private absorb(log: ConversationLog, { messages, last_seq, status }: History): void {
    log.announce(last_seq);
    if (status !== log.view.value.status) this.take({ type: "conversation", conversation_id: log.conversationId, status });
    this.receive(log.conversationId, messages);
  }

  /** Posts what waits, one after the other, until nothing is left or a socket takes over. */
  private async postFor(log: ConversationLog): Promise<void> {
    const { conversationId } = log;
    if (this.posting.has(conversationId)) return;
    this.posting.add(conversationId);
    for (let failures = 0; this.polls.has(conversationId); ) {
      const next = log.unsent[0];
      if (!next) break;
      try {
        await this.post(log, next);
        failures = 0;
        if (log.unsent.includes(next)) await pause(this.pollPauseMs);
      } catch (error) {
        failures += 1;
        if (isFinal(error)) log.fail(next.client_id, explain(error));
        else await pause(pauseAfter(NO_STATUS, failures, this.random));
      }
    }
    this.posting.delete(conversationId);
  }

  private async post(log: ConversationLog, { client_id, text }: Outgoing): Promise<void> {
    const posted = await this.transport.post(log.conversationId, client_id, text);
    if (posted) this.receive(log.conversationId, [{ ...posted, client_id, text, sender: this.transport.self }]);
  }

  private deliver(log: ConversationLog): void {
    if (this.state.value === "live") return this.outbox.flush(log);
    void this.postFor(log);
  }
}

function isFinal(error: unknown): boolean {
  return error instanceof Problem && error.status < 500 && error.status !== 429 && error.status !== 408;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function openOwnSocket(): SocketLike {
  const { protocol, host } = globalThis.location;
  return new WebSocket(`${protocol === "https:" ? "wss" : "ws"}://${host}/ws/v1`);
}
