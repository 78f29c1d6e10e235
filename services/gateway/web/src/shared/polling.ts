import type { ClientFrame, ServerFrame, Status } from "./frames";
import { Problem, explain } from "./problems";
import type { Transport } from "./transport";

/** How far one conversation was read, and how it stood when last told. */
interface Cursor {
  after: number;
  status?: Status;
}

const LONG_POLL_S = 25;
const REST_MS = 1_000;
const HIDDEN_REST_MS = 5_000;
/** Whoever opens more conversations than this has left the first of them. */
const MOST_CURSORS = 20;

/** HTTP calls that understand `message` and `sync` and answer with the same frames as a socket. */
export class Polling {
  readonly #cursors = new Map<string, Cursor>();
  #round = new AbortController();
  #isStopped = false;

  constructor(
    private readonly transport: Transport,
    private readonly hear: (frame: ServerFrame) => void,
    /** Whoever hears this stops it. */
    private readonly onFailed: (error: unknown) => void,
  ) {
    void this.#run();
  }

  send(frame: ClientFrame): void {
    if (frame.type === "sync") this.#seek(frame.conversation_id, frame.after);
    if (frame.type === "message") void this.#post(frame);
  }

  stop(): void {
    this.#isStopped = true;
    this.#round.abort();
  }

  #seek(conversationId: string, after: number): void {
    const known = this.#cursors.get(conversationId);
    // Several tabs may ask, from different places: what one has already does the other no harm.
    this.#cursors.set(conversationId, { after: Math.min(after, known?.after ?? after) });
    const [oldest] = this.#cursors.keys();
    if (this.#cursors.size > MOST_CURSORS) this.#cursors.delete(oldest as string);
    this.#round.abort();
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      this.#round = new AbortController();
      const { signal } = this.#round;
      try {
        if (!(await this.#readAll(signal))) await rest(signal);
      } catch (error) {
        if (!signal.aborted) return this.#fail(error);
      }
    }
  }

  async #readAll(signal: AbortSignal): Promise<boolean> {
    // Browsers open few connections to one host: only a single conversation may keep one waiting.
    const wait = this.#cursors.size === 1 ? LONG_POLL_S : 0;
    let isNews = false;
    for (const [conversationId, cursor] of [...this.#cursors]) {
      if (signal.aborted) return true;
      isNews = (await this.#read(conversationId, cursor, wait, signal)) || isNews;
    }
    return isNews;
  }

  async #read(conversationId: string, cursor: Cursor, wait: number, signal: AbortSignal): Promise<boolean> {
    try {
      const { messages, last_seq, status } = await this.transport.history(conversationId, cursor.after, wait, signal);
      if (signal.aborted) return true;
      cursor.after = Math.max(cursor.after, ...messages.map(({ seq }) => seq));
      for (const message of messages) this.hear({ ...message, type: "message", conversation_id: conversationId });
      const isNews = messages.length > 0 || status !== cursor.status;
      cursor.status = status;
      if (isNews) this.hear({ type: "conversation", conversation_id: conversationId, status, last_seq });
      if (status === "closed" && last_seq <= cursor.after) this.#forget(conversationId, cursor);
      return isNews;
    } catch (error) {
      if (!isGone(error)) throw error;
      this.#forget(conversationId, cursor);
      if (error.status === 404) this.hear({ type: "conversation", conversation_id: conversationId, status: "erased" });
      return false;
    }
  }

  #forget(conversationId: string, cursor: Cursor): void {
    if (this.#cursors.get(conversationId) === cursor) this.#cursors.delete(conversationId);
  }

  async #post({ conversation_id, client_id, text }: ClientFrame & { type: "message" }): Promise<void> {
    try {
      const posted = await this.transport.post(conversation_id, client_id, text);
      if (!posted || this.#isStopped) return;
      this.hear({ ...posted, type: "message", conversation_id, client_id, text, sender: this.transport.self });
    } catch (error) {
      if (this.#isStopped) return;
      if (!isFinal(error)) return this.#fail(error);
      this.hear({ type: "rejected", client_id, conversation_id, code: (error as Problem).code, detail: explain(error) });
    }
  }

  #fail(error: unknown): void {
    if (!this.#isStopped) this.onFailed(error);
  }
}

function isFinal(error: unknown): boolean {
  return error instanceof Problem && error.status < 500 && ![401, 408, 429].includes(error.status);
}

function isGone(error: unknown): error is Problem {
  return error instanceof Problem && (error.status === 403 || error.status === 404);
}

function rest(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, document.hidden ? HIDDEN_REST_MS : REST_MS);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
