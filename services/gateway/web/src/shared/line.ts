import { pauseAfter } from "./backoff";
import { type ClientFrame, type ReadyFrame, type ServerFrame, parseFrame } from "./frames";
import { Observable } from "./observable";
import { Polling } from "./polling";
import { Problem } from "./problems";
import type { Transport } from "./transport";

export type LineState =
  | "idle"
  | "connecting"
  /** The socket is open and authenticated. */
  | "live"
  /** No socket can be opened; frames move by HTTP calls. */
  | "polling"
  /** Nothing moves; a next attempt is scheduled or under way. */
  | "waiting"
  /** The credential is no longer good: somebody has to sign in, or start, again. */
  | "refused";

export const isUp = (state: LineState) => state === "live" || state === "polling";

/** What carries frames between this page and the server. After every `ready`, whatever has no answer goes again. */
export interface Line {
  readonly state: Observable<LineState>;
  start(): void;
  stop(): void;
  /** Frames are lost while the line is not up. */
  send(frame: ClientFrame): void;
  /** An answer is overdue: try another way. */
  doubt(): void;
}

/** Who uses a line. */
export interface LineUser {
  hear(frame: ServerFrame): void;
  /** Nothing that was sent and has no answer yet will get one. */
  lost(): void;
  /** Something the server must answer, to find out whether it is there. */
  probe(): ClientFrame | null;
}

export interface SocketLike {
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

export interface LineOptions {
  transport: Transport;
  openSocket?: () => SocketLike;
  random?: () => number;
}

const NO_STATUS = 1006;
const RESTARTING = 1012;
const OVERLOADED = 1013;
const NOT_AUTHENTICATED = 4401;
const REVOKED = 4403;
const READY_WITHIN_MS = 10_000;
const ANSWER_WITHIN_MS = 10_000;
/** A socket that lived this long counts as a success: the next pause starts small again. */
const SETTLED_MS = 10_000;
/** A browser that says it is offline is mostly right, so this is only for when it is wrong. */
const OFFLINE_MS = 30_000;
const SOCKETS_BEFORE_POLLING = 2;
const TICKETS_BEFORE_REFUSED = 3;

/** A line of this page's own: a socket, or polling where none opens. */
export class OwnLine implements Line {
  readonly state = new Observable<LineState>("idle");
  readonly #transport: Transport;
  readonly #openSocket: () => SocketLike;
  readonly #random: () => number;
  #socket: SocketLike | null = null;
  #polling: Polling | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #silenceMs = 0;
  /** Identifies the current attempt; whatever an older one still brings is ignored. */
  #attempt = 0;
  #failures = 0;
  #readyAt = 0;
  #unopened = 0;
  #unauthenticated = 0;

  constructor({ transport, openSocket = openOwnSocket, random = Math.random }: LineOptions, private readonly user: LineUser) {
    this.#transport = transport;
    this.#openSocket = openSocket;
    this.#random = random;
  }

  start(): void {
    if (this.state.value !== "idle" && this.state.value !== "refused") return;
    addEventListener("online", this.#hurry);
    addEventListener("offline", this.doubt);
    document.addEventListener("visibilitychange", this.#hurry);
    this.#failures = this.#unopened = this.#unauthenticated = 0;
    this.state.set("connecting");
    void this.#connect();
  }

  stop(): void {
    this.#halt("idle");
  }

  send(frame: ClientFrame): void {
    if (this.#polling) this.#polling.send(frame);
    else if (this.#socket) transmit(this.#socket, frame);
  }

  readonly doubt = (): void => {
    if (!isUp(this.state.value)) return;
    if (this.#polling) this.#pollingFailed(null);
    else this.#lost();
  };

  async #connect(): Promise<void> {
    this.#discard();
    this.#attempt += 1;
    const attempt = this.#attempt;
    try {
      const { ticket } = await this.#transport.ticket();
      if (attempt !== this.#attempt) return;
      // The ticket came over HTTP, so that works at least.
      if (this.#unopened >= SOCKETS_BEFORE_POLLING) this.#poll();
      this.#open(ticket);
    } catch (error) {
      if (attempt === this.#attempt) this.#tryLater(error);
    }
  }

  #open(ticket: string): void {
    let socket: SocketLike;
    try {
      socket = this.#openSocket();
    } catch {
      return this.#lost();
    }
    this.#socket = socket;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#hung(), READY_WITHIN_MS);
    socket.onopen = () => transmit(socket, { type: "auth", ticket });
    socket.onmessage = ({ data }) => socket === this.#socket && this.#take(parseFrame(data));
    socket.onclose = ({ code }) => socket === this.#socket && this.#lost(code);
  }

  #take(frame: ServerFrame | null): void {
    if (frame === null) return;
    if (frame.type === "ready") this.#ready(frame);
    else if (this.state.value === "live") this.#watch();
    this.user.hear(frame);
  }

  #ready({ heartbeat_s }: ReadyFrame): void {
    clearTimeout(this.#timer);
    this.#readyAt = Date.now();
    this.#unopened = this.#unauthenticated = 0;
    this.#stopPolling();
    this.state.set("live");
    this.#silenceMs = 4_000 * (heartbeat_s || 25);
    this.#watch();
  }

  /** The socket is gone; without a code, because we gave it up ourselves. */
  #lost(code = NO_STATUS): void {
    const wasLive = this.state.value === "live";
    this.#discard();
    if (!this.#polling) this.user.lost();
    if (code === REVOKED) return this.#halt("refused");
    if (code === NOT_AUTHENTICATED && ++this.#unauthenticated >= TICKETS_BEFORE_REFUSED) return this.#halt("refused");
    if (wasLive && Date.now() - this.#readyAt >= SETTLED_MS) this.#failures = 0;
    this.#failures += 1;
    // A server that asks us to wait can be reached; to poll it instead would only add to its load.
    if (!wasLive && code !== RESTARTING && code !== OVERLOADED) this.#unopened += 1;
    if (this.#unopened >= SOCKETS_BEFORE_POLLING) this.#poll();
    this.#reconnectIn(pauseAfter(code, this.#failures, this.#random));
  }

  /** Neither opened nor refused: something on the way swallows sockets, and will again. */
  #hung(): void {
    this.#unopened += SOCKETS_BEFORE_POLLING;
    this.#lost();
  }

  #pollingFailed(error: unknown): void {
    this.#stopPolling();
    this.user.lost();
    this.#tryLater(error);
  }

  /** An HTTP call failed. */
  #tryLater(error: unknown): void {
    if (error instanceof Problem && (error.status === 401 || error.status === 403)) return this.#halt("refused");
    this.#failures += 1;
    const least = error instanceof Problem ? (error.retryAfter ?? 0) * 1_000 : 0;
    this.#reconnectIn(Math.max(least, pauseAfter(NO_STATUS, this.#failures, this.#random)));
  }

  #reconnectIn(pause: number): void {
    if (!this.#polling) this.state.set("waiting");
    clearTimeout(this.#timer);
    const isOffline = navigator.onLine === false;
    this.#timer = setTimeout(() => void this.#connect(), isOffline ? Math.max(pause, OFFLINE_MS) : pause);
  }

  /** The network or the person came back: no reason to sit out a pause, and one to doubt an old socket. */
  readonly #hurry = (): void => {
    if (document.hidden) return;
    if (this.state.value === "waiting" && this.#socket === null) this.#reconnectIn(Math.round(this.#random() * 1_000));
    if (this.state.value === "live") this.#probe();
  };

  #halt(state: "idle" | "refused"): void {
    removeEventListener("online", this.#hurry);
    removeEventListener("offline", this.doubt);
    document.removeEventListener("visibilitychange", this.#hurry);
    this.#attempt += 1;
    this.#discard();
    this.#stopPolling();
    this.user.lost();
    this.state.set(state);
  }

  #discard(): void {
    const socket = this.#socket;
    this.#socket = null;
    clearTimeout(this.#timer);
    clearTimeout(this.#silence);
    socket?.close();
  }

  /**
   * The server's pings are out of a page's sight, so after a silence we ask something it must answer:
   * a socket that died with a sleeping laptop or a lost network never says so itself.
   */
  #watch(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#probe(), this.#silenceMs);
  }

  #probe(): void {
    const frame = this.user.probe();
    if (!frame) return this.#watch();
    this.send(frame);
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#lost(), ANSWER_WITHIN_MS);
  }

  #poll(): void {
    if (this.#polling) return;
    this.#polling = new Polling(this.#transport, (frame) => this.user.hear(frame), (error) => this.#pollingFailed(error));
    this.state.set("polling");
    this.user.hear({ type: "ready", conversations: [], heartbeat_s: 0 });
  }

  #stopPolling(): void {
    this.#polling?.stop();
    this.#polling = null;
  }
}

function transmit(socket: SocketLike, frame: ClientFrame): void {
  try {
    socket.send(JSON.stringify(frame));
  } catch {
    // A socket that is closing refuses; its close event brings the next attempt, which sends again.
  }
}

function openOwnSocket(): SocketLike {
  const { protocol, host } = location;
  return new WebSocket(`${protocol === "https:" ? "wss" : "ws"}://${host}/ws/v1`);
}
