import type { ConversationLog, Outgoing } from "./conversation-log";

/** How long a message may be on its way before the socket is believed dead. */
const OVERDUE_MS = 10_000;
const MOST_OVERDUE = 3;
const WINDOW = 32;

type Transmit = (conversationId: string, outgoing: Outgoing) => void;

/**
 * What of our own is on its way over the socket. A message goes out again, under the same client_id,
 * until its echo comes back; the server keeps one of them.
 */
export class Outbox {
  private readonly inFlight = new Map<string, ConversationLog>();
  private readonly overdue = new Map<string, number>();
  private window = WINDOW;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly transmit: Transmit, private readonly onOverdue: () => void) {}

  /** Sends what waits, in the order it was written, as far as the window allows. */
  flush(log: ConversationLog): void {
    for (const outgoing of log.unsent) {
      if (this.inFlight.has(outgoing.client_id)) continue;
      if (this.inFlight.size >= this.window) return;
      this.inFlight.set(outgoing.client_id, log);
      this.transmit(log.conversationId, outgoing);
    }
    this.arm();
  }

  /** The server answered for this message, one way or the other. */
  settle(clientId: string): void {
    this.overdue.delete(clientId);
    if (!this.inFlight.delete(clientId)) return;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.arm();
  }

  /** The socket is gone: everything on its way has to go again. */
  interrupt(): void {
    this.inFlight.clear();
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** The server found us too fast: from now on one at a time. */
  slowDown(): void {
    this.window = 1;
  }

  private arm(): void {
    if (this.timer !== undefined || this.inFlight.size === 0) return;
    this.timer = setTimeout(() => this.expire(), OVERDUE_MS);
  }

  private expire(): void {
    this.timer = undefined;
    for (const [clientId, log] of this.inFlight) {
      const times = (this.overdue.get(clientId) ?? 0) + 1;
      this.overdue.set(clientId, times);
      if (times < MOST_OVERDUE) continue;
      this.overdue.delete(clientId);
      log.fail(clientId, "The server did not confirm this message.");
    }
    this.onOverdue();
  }
}
