import { type Message, type Person, type Status, isOvertaken } from "./frames";
import { Observable } from "./observable";

/** A message of our own that the server has not confirmed yet. */
export interface Outgoing {
  client_id: string;
  text: string;
  written_at: string;
  state: "sending" | "failed";
  /** It was sent before, and not confirmed in time. */
  is_late?: boolean;
  reason: string;
}

export interface ConversationView {
  /** Gapless from seq 1, in order. */
  messages: readonly Message[];
  outgoing: readonly Outgoing[];
  status: Status;
  operator: Person | null;
  position: number | null;
}

/** One conversation as this browser knows it: each message once, in order, nothing shown across a gap. */
export class ConversationLog {
  readonly view: Observable<ConversationView>;
  /** What is being typed: it is stored nowhere. */
  draft = "";
  readonly #held = new Map<number, Message>();
  #announced = 0;

  constructor(readonly conversationId: string, status: Status = "queued") {
    this.view = new Observable<ConversationView>({ messages: [], outgoing: [], status, operator: null, position: null });
  }

  get lastSeq(): number {
    return this.view.value.messages.length;
  }

  /** Something after `lastSeq` exists on the server and has not arrived. */
  get hasGap(): boolean {
    return this.#announced > this.lastSeq;
  }

  /** What the server has not answered for. A message held behind a gap is stored already, only not shown. */
  get unsent(): readonly Outgoing[] {
    const held = new Set([...this.#held.values()].map(({ client_id }) => client_id));
    return this.view.value.outgoing.filter(({ state, client_id }) => state === "sending" && !held.has(client_id));
  }

  /** The server is known to hold messages up to `seq`. */
  announce(seq: number): void {
    this.#announced = Math.max(this.#announced, seq);
  }

  /** Takes messages in any order and any number of times; gives those that became visible. */
  receive(messages: readonly Message[]): Message[] {
    for (const message of messages) {
      if (message.seq > this.lastSeq) this.#held.set(message.seq, message);
      this.announce(message.seq);
    }
    return this.#release();
  }

  enqueue(outgoing: Outgoing): void {
    this.change({ outgoing: [...this.view.value.outgoing, outgoing] });
  }

  fail(clientId: string, reason: string): void {
    this.#alter(clientId, { state: "failed", reason });
  }

  delay(clientId: string): void {
    this.#alter(clientId, { is_late: true });
  }

  /** Whether the message was one of ours. */
  retry(clientId: string): boolean {
    return this.#alter(clientId, { state: "sending", reason: "" });
  }

  /** False when the conversation is further than that already. */
  moveTo(status: Status): boolean {
    if (isOvertaken(status, this.view.value.status)) return false;
    if (status !== this.view.value.status) this.change({ status, position: null });
    if (status === "erased") this.#clear();
    return true;
  }

  /** Nothing of it may stay on a screen, nor be asked for again. */
  #clear(): void {
    this.#held.clear();
    this.draft = "";
    this.#announced = 0;
    this.change({ messages: [], outgoing: [] });
  }

  change(part: Partial<ConversationView>): void {
    this.view.set({ ...this.view.value, ...part });
  }

  #alter(clientId: string, part: Partial<Outgoing>): boolean {
    const { outgoing } = this.view.value;
    if (!outgoing.some(({ client_id }) => client_id === clientId)) return false;
    this.change({ outgoing: outgoing.map((item) => (item.client_id === clientId ? { ...item, ...part } : item)) });
    return true;
  }

  #release(): Message[] {
    const visible: Message[] = [];
    for (let seq = this.lastSeq + 1; this.#held.has(seq); seq += 1) {
      visible.push(this.#held.get(seq) as Message);
      this.#held.delete(seq);
    }
    if (visible.length > 0) this.#show(visible);
    return visible;
  }

  #show(visible: readonly Message[]): void {
    const { messages, outgoing } = this.view.value;
    const echoed = new Set(visible.map(({ client_id }) => client_id));
    this.change({
      messages: [...messages, ...visible],
      outgoing: outgoing.some(({ client_id }) => echoed.has(client_id))
        ? outgoing.filter(({ client_id }) => !echoed.has(client_id))
        : outgoing,
    });
  }
}
