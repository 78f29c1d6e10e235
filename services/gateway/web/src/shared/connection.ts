import { ConversationLog, type ConversationView, type Outgoing } from "./conversation-log";
import { type ClientFrame, type ConversationFrame, type Message, type ReadyFrame, type RejectedFrame, type ServerFrame, type Status, isOver } from "./frames";
import { newId } from "./ids";
import { type Line, type LineOptions, type LineState, OwnLine, isUp } from "./line";
import type { Observable } from "./observable";
import { Outbox } from "./outbox";
import { SharedLine, type Tabs, ownTabs } from "./shared-line";
import { Unsent } from "./unsent";

export interface ConnectionOptions extends LineOptions {
  /** Whose connection it is: tabs under the same name share one line, and what is unsent is kept under it. */
  name: string;
  tabs?: Tabs;
  storage?: () => Storage;
}

const SYNC_PAUSE_MS = 1_500;
const SYNC_QUIET_MS = 250;
const SYNC_LONGEST_MS = 12_000;
const PASSING_PAUSE_MS = 1_000;
/** Refusals that pass by themselves: the message goes again under its client_id. */
const PASSING = new Set(["overloaded", "unavailable", "too-fast", "not-confirmed"]);

type FrameListener = (frame: ServerFrame) => void;

/** The one way from a page to its conversations: keeps them complete, and what is written until it is stored. */
export class Connection {
  readonly state: Observable<LineState>;
  readonly #line: Line;
  readonly #random: () => number;
  readonly #logs = new Map<string, ConversationLog>();
  readonly #syncs = new Map<string, { timer: ReturnType<typeof setTimeout>; pause: number }>();
  readonly #listeners = new Set<FrameListener>();
  readonly #outbox: Outbox;
  readonly #unsent: Unsent;
  /** Counts the times the line came or went: what was planned before is off. */
  #era = 0;

  constructor({ name, tabs = ownTabs(), storage, random = Math.random, ...options }: ConnectionOptions) {
    const user = { hear: (frame: ServerFrame) => this.#take(frame), lost: () => this.#lost(), probe: () => this.#probe() };
    this.#line = new SharedLine(`velaro.${name}`, tabs, (leader) => new OwnLine({ ...options, random }, leader), user);
    this.state = this.#line.state;
    this.#random = random;
    this.#unsent = new Unsent(name, storage);
    this.#outbox = new Outbox(
      (conversationId, { client_id, text }) => this.#line.send({ type: "message", conversation_id: conversationId, client_id, text }),
      () => this.#line.doubt(),
    );
  }

  /** Follows at once what has unsent messages from before a reload. */
  start(): void {
    for (const conversationId of Object.keys(this.#unsent.read())) this.follow(conversationId);
    this.#line.start();
  }

  stop(): void {
    this.#line.stop();
    this.#lost();
  }

  /** Keeps a conversation complete from now on; the same log for as long as it is followed. */
  follow(conversationId: string, status: Status = "queued"): ConversationLog {
    const known = this.#logs.get(conversationId);
    if (known) return known;
    const log = new ConversationLog(conversationId, status);
    this.#logs.set(conversationId, log);
    for (const item of this.#unsent.read()[conversationId] ?? []) log.enqueue(item);
    log.view.subscribe(this.#keeper(conversationId));
    this.#goOn(log);
    return log;
  }

  /** What is unsent there is not waited for any more. */
  unfollow(conversationId: string): void {
    const log = this.#logs.get(conversationId);
    if (log) this.#outbox.drop(log);
    this.#logs.delete(conversationId);
    this.#endSync(conversationId);
  }

  /** Puts a message in the outbox; it is shown as *sending* until its echo carries a seq. */
  send(conversationId: string, text: string): Outgoing {
    const outgoing: Outgoing = { client_id: newId(), text, written_at: new Date().toISOString(), state: "sending", reason: "" };
    const log = this.follow(conversationId);
    log.enqueue(outgoing);
    this.#flush(log);
    return outgoing;
  }

  retry(conversationId: string, clientId: string): void {
    const log = this.#logs.get(conversationId);
    if (log?.retry(clientId)) this.#flush(log);
  }

  /** Every frame, after the logs have taken it. */
  listen(listener: FrameListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get #isUp(): boolean {
    return isUp(this.state.value);
  }

  #keeper(conversationId: string): (view: ConversationView) => void {
    let kept: readonly Outgoing[] | null = null;
    return ({ outgoing, status }) => {
      // In a closed conversation nothing can be sent any more: what is on the screen stays there, and nowhere else.
      const keep = isOver(status) ? [] : outgoing;
      if (keep !== kept) this.#unsent.write(conversationId, keep);
      kept = keep;
    };
  }

  #goOn(log: ConversationLog): void {
    if (!this.#isUp) return;
    this.#catchUp(log);
    this.#flush(log);
  }

  #flush(log: ConversationLog): void {
    if (this.#isUp) this.#outbox.flush(log);
  }

  #lost(): void {
    this.#era += 1;
    this.#outbox.interrupt();
    for (const conversationId of [...this.#syncs.keys()]) this.#endSync(conversationId);
  }

  #probe(): ClientFrame | null {
    const log = [...this.#logs.values()].find(({ view }) => !isOver(view.value.status));
    return log ? syncOf(log) : null;
  }

  #take(frame: ServerFrame): void {
    if (frame.type === "ready") this.#ready(frame);
    if (frame.type === "message") this.#receive(frame.conversation_id, [frame]);
    if (frame.type === "rejected") this.#rejected(frame);
    if (frame.type === "conversation") this.#changed(frame);
    if (frame.type !== "message") this.#tell(frame);
  }

  #ready({ conversations }: ReadyFrame): void {
    this.#lost();
    for (const { conversation_id, status, last_seq } of conversations) {
      const log = this.#logs.get(conversation_id);
      log?.announce(last_seq);
      log?.moveTo(status);
    }
    for (const log of this.#logs.values()) this.#goOn(log);
  }

  #receive(conversationId: string, messages: readonly Message[]): void {
    const log = this.#logs.get(conversationId);
    for (const { client_id } of messages) if (log) this.#outbox.settle(log, client_id);
    const visible = log ? log.receive(messages) : messages;
    if (log) this.#closeGap(log, visible.length > 0);
    if (log) this.#flush(log);
    for (const message of visible) this.#tell({ ...message, type: "message", conversation_id: conversationId });
  }

  #rejected({ client_id, conversation_id, code, detail }: RejectedFrame): void {
    const log = client_id === null ? this.#logs.get(conversation_id ?? "") : this.#logOf(client_id);
    if (!log) return;
    if (PASSING.has(code)) return this.#tryLater(log, client_id);
    // Erased while nobody could tell us, so it leaves the screen now.
    if (client_id === null) return void (code === "not-found" && log.moveTo("erased"));
    this.#outbox.settle(log, client_id);
    log.fail(client_id, detail);
    this.#flush(log);
  }

  #logOf(clientId: string): ConversationLog | undefined {
    return [...this.#logs.values()].find(({ view }) => view.value.outgoing.some(({ client_id }) => client_id === clientId));
  }

  #tryLater(log: ConversationLog, clientId: string | null): void {
    const era = this.#era;
    setTimeout(() => {
      if (era !== this.#era) return;
      if (clientId === null) return this.#catchUp(log);
      this.#outbox.settle(log, clientId);
      this.#flush(log);
    }, PASSING_PAUSE_MS * (1 + this.#random()));
  }

  #changed({ conversation_id, status, operator, position, last_seq }: ConversationFrame): void {
    const log = this.#logs.get(conversation_id);
    if (!log) return;
    if (log.moveTo(status)) log.change({ ...(operator !== undefined && { operator }), ...(position != null && status === "queued" && { position }) });
    if (last_seq === undefined) return;
    log.announce(last_seq);
    this.#closeGap(log, false);
  }

  #tell(frame: ServerFrame): void {
    for (const listener of [...this.#listeners]) listener(frame);
  }

  #catchUp(log: ConversationLog): void {
    this.#endSync(log.conversationId);
    this.#sync(log, SYNC_PAUSE_MS);
  }

  #sync(log: ConversationLog, pause: number): void {
    this.#line.send(syncOf(log));
    this.#awaitSync(log, pause, pause);
  }

  #awaitSync(log: ConversationLog, wait: number, pause: number): void {
    const timer = setTimeout(() => {
      this.#syncs.delete(log.conversationId);
      if (log.hasGap) this.#sync(log, Math.min(pause * 2, SYNC_LONGEST_MS));
    }, wait);
    this.#syncs.set(log.conversationId, { timer, pause });
  }

  /** Asks for what is missing; while an answer is coming in, waits for it to pause before asking for the rest. */
  #closeGap(log: ConversationLog, isProgress: boolean): void {
    if (!this.#isUp) return;
    const running = this.#syncs.get(log.conversationId);
    if (!log.hasGap) return;
    if (!running) return this.#sync(log, SYNC_PAUSE_MS);
    if (!isProgress) return;
    clearTimeout(running.timer);
    this.#awaitSync(log, SYNC_QUIET_MS, SYNC_PAUSE_MS);
  }

  #endSync(conversationId: string): void {
    clearTimeout(this.#syncs.get(conversationId)?.timer);
    this.#syncs.delete(conversationId);
  }
}

function syncOf({ conversationId, lastSeq }: ConversationLog): ClientFrame {
  return { type: "sync", conversation_id: conversationId, after: lastSeq };
}
