import type { ConversationLog, Outgoing } from "./conversation-log";

/** How long a message may be on its way before the line is believed dead. */
const OVERDUE_MS = 10_000;

interface UnderWay {
  clientId: string;
  timer: ReturnType<typeof setTimeout>;
}

/**
 * What of our own is on its way: of each conversation one message at a time, so that none can overtake
 * another that is refused for now. It goes again, under the same client_id, until its echo comes back;
 * the server keeps one of them.
 */
export class Outbox {
  readonly #underWay = new Map<ConversationLog, UnderWay>();

  constructor(
    private readonly transmit: (conversationId: string, outgoing: Outgoing) => void,
    private readonly onOverdue: () => void,
  ) {}

  /** Sends the first that waits, unless one is on its way. */
  flush(log: ConversationLog): void {
    const [next] = log.unsent;
    if (!next || this.#underWay.has(log)) return;
    const timer = setTimeout(() => this.#expire(log, next.client_id), OVERDUE_MS);
    this.#underWay.set(log, { clientId: next.client_id, timer });
    this.transmit(log.conversationId, next);
  }

  /** The server answered for this message, one way or the other. */
  settle(log: ConversationLog, clientId: string): void {
    if (this.#underWay.get(log)?.clientId === clientId) this.drop(log);
  }

  /** Everything on its way has to go again. */
  interrupt(): void {
    for (const log of [...this.#underWay.keys()]) this.drop(log);
  }

  /** Waits for no answer. */
  drop(log: ConversationLog): void {
    clearTimeout(this.#underWay.get(log)?.timer);
    this.#underWay.delete(log);
  }

  #expire(log: ConversationLog, clientId: string): void {
    this.drop(log);
    log.delay(clientId);
    this.onOverdue();
  }
}
