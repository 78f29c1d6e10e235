import type { ClientFrame, ReadyFrame, ServerFrame } from "./frames";
import { type Line, type LineState, type LineUser, isUp } from "./line";
import { Observable } from "./observable";

/** What tabs tell each other; whoever leads is the only one to say `standing`, `heard` and `taken`. */
type Note =
  | { say: "hello" }
  | { say: "send"; frame: ClientFrame; at: number }
  | { say: "doubt" }
  | { say: "standing"; state: LineState; is_hidden: boolean; ready: ReadyFrame | null }
  | { say: "heard"; frame: ServerFrame }
  | { say: "taken" };

export interface ChannelLike {
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(note: unknown): void;
  close(): void;
}

export type LocksLike = Pick<LockManager, "request">;

/** What a browser has for tabs of one origin; each part may be missing, or refused when it is used. */
export interface Tabs {
  locks: LocksLike | undefined;
  openChannel: (name: string) => ChannelLike;
}

export const ownTabs = (): Tabs => ({ locks: navigator.locks, openChannel: (name) => new BroadcastChannel(name) });

/** How long a tab that leads may take to answer. One that is frozen keeps its lock, so it has to be taken from it. */
const LEADER_WITHIN_MS = 1_500;

/**
 * One line for all tabs under one name. The tab that holds the lock leads: it has a line of its own and passes on
 * what it hears; the others send through it. When it goes, the browser gives the lock to the next.
 * A browser without locks or channels has one line a tab.
 */
export class SharedLine implements Line {
  readonly state = new Observable<LineState>("idle");
  #own: Line | null = null;
  #lastReady: ReadyFrame | null = null;
  #channel: ChannelLike | null = null;
  #place: AbortController | null = null;
  #release: (() => void) | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly name: string,
    private readonly tabs: Tabs,
    private readonly openOwn: (user: LineUser) => Line,
    private readonly user: LineUser,
  ) {}

  start(): void {
    if (this.state.value !== "idle" && this.state.value !== "refused") return;
    if (this.#own) return this.#own.start();
    this.state.set("connecting");
    if (this.#channel) this.#hello();
    else this.#join();
  }

  stop(): void {
    const own = this.#own;
    const channel = this.#channel;
    this.#own = this.#channel = null;
    this.#leaveQueue();
    this.#answered();
    removeEventListener("online", this.#look);
    document.removeEventListener("visibilitychange", this.#look);
    own?.stop();
    channel?.close();
    this.#release?.();
    this.state.set("idle");
  }

  send(frame: ClientFrame): void {
    if (this.#own) this.#own.send(frame);
    else this.#ask({ say: "send", frame, at: Date.now() });
  }

  doubt(): void {
    if (this.#own) this.#own.doubt();
    else this.#ask({ say: "doubt" });
  }

  #join(): void {
    try {
      if (!this.tabs.locks) return void this.#lead();
      this.#channel = this.tabs.openChannel(this.name);
      this.#channel.onmessage = ({ data }) => this.#take(data as Note);
      addEventListener("online", this.#look);
      document.addEventListener("visibilitychange", this.#look);
      this.#queue();
      this.#hello();
    } catch {
      this.#alone();
    }
  }

  /** Waits for the lock, or takes it from a tab that does not answer. */
  #queue(isTaking = false): void {
    this.#leaveQueue();
    const place = new AbortController();
    this.#place = place;
    const { locks } = this.tabs;
    const options = isTaking ? { steal: true } : { signal: place.signal };
    const granted = () => (place === this.#place ? this.#lead() : undefined);
    locks?.request(this.name, options, granted).catch((error: Error) => place === this.#place && this.#unseated(error));
  }

  #leaveQueue(): void {
    this.#place?.abort();
    this.#place = null;
  }

  /** Another tab took the lock, because we did not answer; or the browser denies locks. */
  #unseated({ name }: Error): void {
    if (name !== "AbortError") return this.#alone();
    const own = this.#own;
    this.#own = null;
    own?.stop();
    this.user.lost();
    this.state.set("connecting");
    this.#queue();
    this.#hello();
  }

  #alone(): void {
    this.#channel?.close();
    this.#channel = null;
    this.#leaveQueue();
    void this.#lead();
  }

  /** Until the promise is kept, this tab holds the lock. */
  #lead(): Promise<void> {
    this.#answered();
    this.user.lost();
    const own: Line = this.openOwn({
      hear: (frame) => own === this.#own && this.#pass(frame),
      lost: () => own === this.#own && this.user.lost(),
      probe: () => this.user.probe(),
    });
    this.#own = own;
    own.state.subscribe((state) => {
      if (own !== this.#own) return;
      this.state.set(state);
      this.#announce(null);
    });
    own.start();
    return new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  #pass(frame: ServerFrame): void {
    if (frame.type === "ready") this.#lastReady = frame;
    this.#post({ say: "heard", frame });
    this.user.hear(frame);
  }

  #announce(ready: ReadyFrame | null): void {
    this.#post({ say: "standing", state: this.state.value, is_hidden: isHidden(), ready });
  }

  #take(note: Note): void {
    if (this.#own) this.#answer(note, this.#own);
    else this.#follow(note);
  }

  #answer(note: Note, own: Line): void {
    if (note.say === "hello") return this.#announce(this.#lastReady);
    // What waited while we were frozen has been sent by another way meanwhile, and others after it.
    if (note.say === "send" && Date.now() - note.at < LEADER_WITHIN_MS) own.send(note.frame);
    if (note.say === "doubt") own.doubt();
    if (note.say === "send" || note.say === "doubt") this.#post({ say: "taken" });
  }

  #follow(note: Note): void {
    if (note.say === "standing") this.#mirror(note.state, note.ready, note.is_hidden);
    if (note.say === "heard" && isUp(this.state.value)) this.user.hear(note.frame);
    if (note.say === "standing" || note.say === "heard" || note.say === "taken") this.#answered();
  }

  #mirror(state: LineState, ready: ReadyFrame | null, isLeaderHidden: boolean): void {
    const wasUp = isUp(this.state.value);
    if (wasUp && !isUp(state)) this.user.lost();
    this.state.set(state);
    if (!wasUp && isUp(state) && ready) this.user.hear(ready);
    // A hidden page's clock runs slowly: whoever is looked at gets a connection back sooner.
    if (state === "waiting" && isLeaderHidden && !isHidden()) this.#queue(true);
  }

  readonly #look = (): void => {
    if (!this.#own && !isHidden()) this.#hello();
  };

  #hello(): void {
    this.#ask({ say: "hello" });
  }

  #ask(note: Note): void {
    this.#post(note);
    this.#timer ??= setTimeout(() => this.#queue(true), LEADER_WITHIN_MS);
  }

  #answered(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #post(note: Note): void {
    this.#channel?.postMessage(note);
  }
}

function isHidden(): boolean {
  return document.hidden;
}
