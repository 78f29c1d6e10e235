import { Connection } from "../src/shared/connection";
import type { Message, Sender } from "../src/shared/frames";
import type { SocketLike } from "../src/shared/line";
import { Unreachable } from "../src/shared/problems";
import type { ChannelLike, LocksLike, Tabs } from "../src/shared/shared-line";
import type { Transport } from "../src/shared/transport";
import { OPERATOR, VISITOR, message } from "./fakes";

const LATENCY_MS = 5;
const PAGE = 4;

const after = (milliseconds: number, act: () => void) => setTimeout(act, milliseconds);
const passed = (milliseconds: number) => new Promise<void>((resolve) => after(milliseconds, resolve));

/** The server and the network between: one conversation, any number of sockets, and every kind of trouble. */
export class World {
  readonly stored: Message[] = [];
  readonly sockets = new Set<WorldSocket>();
  readonly browser = new Browser();
  readonly tabs: Tab[] = [];
  opened = 0;
  /** Nothing at all gets through. */
  isCut = false;
  sockets_: "open" | "refused" | "swallowed" = "open";
  /** Called for every frame to a client: how often it arrives. */
  arrivals: () => number = () => 1;
  /** Called for every post: whether its answer is lost although it was stored. */
  isAnswerLost: () => boolean = () => false;
  /** Called for every message on a socket: whether it is refused for now. */
  isBusy: () => boolean = () => false;

  open(options: { hasStorage?: boolean; hasTabs?: boolean } = {}): Tab {
    const tab = new Tab(this, options);
    this.tabs.push(tab);
    return tab;
  }

  store(clientId: string, text: string, sender: Sender = VISITOR): Message {
    const known = this.stored.find(({ client_id }) => client_id === clientId);
    if (known) return known;
    const stored = message(this.stored.length + 1, { client_id: clientId, text, sender });
    this.stored.push(stored);
    return stored;
  }

  post(clientId: string, text: string, sender: Sender = VISITOR): void {
    const stored = this.store(clientId, text, sender);
    for (const socket of this.sockets) socket.message(stored);
  }

  /** The other party says something. */
  answer(text: string): void {
    this.post(`o-${this.stored.length}`, text, OPERATOR);
  }

  drop(code: number): void {
    for (const socket of [...this.sockets]) socket.drop(code);
  }

  transport(tab: Life): Transport {
    const through = async () => {
      await passed(LATENCY_MS);
      if (!tab.isAlive) await new Promise(() => undefined);
      if (this.isCut) throw new Unreachable();
    };
    return {
      self: VISITOR,
      ticket: async () => {
        await through();
        return { ticket: "t" };
      },
      history: async (_conversationId, seq, waitS, signal) => {
        await through();
        for (let waited = 0; this.stored.length <= seq && waited < waitS && !signal.aborted; waited += 0.1) {
          await passed(100);
          if (this.isCut) throw new Unreachable();
        }
        if (signal.aborted) throw new Unreachable();
        return { messages: this.stored.slice(seq, seq + PAGE), last_seq: this.stored.length, status: "active" };
      },
      post: async (_conversationId, clientId, text) => {
        await through();
        this.post(clientId, text);
        if (this.isAnswerLost()) throw new Unreachable();
        const { seq, message_id, sent_at } = this.store(clientId, text);
        return { seq, message_id, sent_at };
      },
    };
  }

  openSocket(tab: Life): SocketLike {
    this.opened += 1;
    return new WorldSocket(this, tab);
  }
}

class WorldSocket implements SocketLike {
  onopen: SocketLike["onopen"] = null;
  onmessage: SocketLike["onmessage"] = null;
  onclose: SocketLike["onclose"] = null;
  private isClosed = false;

  constructor(private readonly world: World, private readonly tab: Life) {
    after(LATENCY_MS, () => {
      if (world.sockets_ === "swallowed") return;
      if (world.isCut || world.sockets_ === "refused") return this.drop(1006);
      this.tab.run(() => this.onopen?.(new Event("open")));
    });
  }

  send(data: string): void {
    if (!this.tab.isAlive) return;
    const frame = JSON.parse(data) as Record<string, unknown>;
    after(LATENCY_MS, () => this.isClosed || this.world.isCut || this.take(frame));
  }

  close(): void {
    this.isClosed = true;
    this.world.sockets.delete(this);
  }

  drop(code: number): void {
    if (this.isClosed) return;
    this.close();
    this.tab.run(() => this.onclose?.({ code } as CloseEvent));
  }

  message(stored: Message): void {
    for (let times = this.world.arrivals(); times > 0; times -= 1) this.say({ ...stored, type: "message", conversation_id: "k" });
  }

  private say(frame: Record<string, unknown>): void {
    after(LATENCY_MS, () => {
      if (this.isClosed || this.world.isCut) return;
      this.tab.run(() => this.onmessage?.({ data: JSON.stringify(frame) } as MessageEvent));
    });
  }

  private take(frame: Record<string, unknown>): void {
    const { stored } = this.world;
    if (frame.type === "auth") {
      this.world.sockets.add(this);
      this.say({ type: "ready", conversations: [{ conversation_id: "k", status: "active", last_seq: stored.length }], heartbeat_s: 25 });
    }
    if (frame.type === "sync") {
      for (const item of stored.slice(frame.after as number)) this.message(item);
      this.say({ type: "conversation", conversation_id: "k", status: "active", last_seq: stored.length });
    }
    if (frame.type === "message") {
      if (this.world.isBusy()) return this.say({ type: "rejected", client_id: frame.client_id, code: "unavailable", detail: "" });
      const isKnown = stored.some(({ client_id }) => client_id === frame.client_id);
      if (isKnown) this.message(this.world.store(frame.client_id as string, ""));
      else this.world.post(frame.client_id as string, frame.text as string);
    }
  }
}

/** The one life of a page: from its loading until it is reloaded, closed, or dies. */
class Life {
  isAlive = true;
  private isFrozen = false;
  private pending: (() => void)[] = [];

  /** Something happens to the page, now or when it thaws. */
  run(act: () => void): void {
    if (!this.isAlive) return;
    if (this.isFrozen) this.pending.push(act);
    else act();
  }

  freeze(): void {
    this.isFrozen = true;
  }

  thaw(): void {
    this.isFrozen = false;
    for (const act of this.pending.splice(0)) act();
  }
}

/** A tab: what it stores outlives its pages. */
export class Tab {
  readonly written: string[] = [];
  told: number[] = [];
  connection!: Connection;
  isClosed = false;
  private life!: Life;
  private readonly items = new Map<string, string>();

  constructor(private readonly world: World, private readonly options: { hasStorage?: boolean; hasTabs?: boolean }) {
    this.load();
  }

  get isLeader(): boolean {
    return this.world.browser.holder("velaro.k") === this.life;
  }

  get texts(): string[] {
    return this.connection.follow("k").view.value.messages.map(({ text }) => text);
  }

  get outgoing() {
    return this.connection.follow("k").view.value.outgoing;
  }

  write(text: string): void {
    this.written.push(text);
    this.connection.send("k", text);
  }

  /** The page goes without a word, and is loaded again. */
  reload(): void {
    this.die();
    this.load();
  }

  close(): void {
    this.isClosed = true;
    this.die();
  }

  freeze(): void {
    this.life.freeze();
  }

  thaw(): void {
    this.life.thaw();
  }

  private load(): void {
    const { world, options } = this;
    const life = new Life();
    this.life = life;
    this.told = [];
    this.connection = new Connection({
      name: "k",
      transport: world.transport(life),
      openSocket: () => world.openSocket(life),
      tabs: options.hasTabs === false ? { locks: undefined, openChannel: () => world.browser.channel(life, "x") } : world.browser.tabsOf(life),
      storage: () => this.storage(life),
    });
    this.connection.listen((frame) => frame.type === "message" && this.told.push(frame.seq));
    this.connection.follow("k");
    this.connection.start();
  }

  private die(): void {
    const { life } = this;
    life.isAlive = false;
    for (const socket of [...this.world.sockets]) if (socket["tab"] === life) socket.close();
    this.world.browser.forget(life);
    this.connection.stop();
  }

  private storage(life: Life): Storage {
    if (this.options.hasStorage === false) throw new DOMException("denied", "SecurityError");
    const { items } = this;
    return {
      getItem: (key: string) => items.get(key) ?? null,
      setItem: (key: string, value: string) => void (life.isAlive && items.set(key, value)),
      removeItem: (key: string) => void (life.isAlive && items.delete(key)),
    } as unknown as Storage;
  }
}

interface Claim {
  life: Life;
  granted: () => unknown;
  resolve: () => void;
  reject: (error: Error) => void;
}

/** Locks and channels as browsers have them, without the hurry. */
class Browser {
  private readonly held = new Map<string, Claim>();
  private readonly queues = new Map<string, Claim[]>();
  private readonly channels = new Set<{ life: Life; name: string; channel: ChannelLike }>();

  holder(name: string): Life | undefined {
    return this.held.get(name)?.life;
  }

  tabsOf(life: Life): Tabs {
    return { locks: { request: this.requester(life) } as unknown as LocksLike, openChannel: (name) => this.channel(life, name) };
  }

  channel(life: Life, name: string): ChannelLike {
    const channel: ChannelLike = {
      onmessage: null,
      postMessage: (note) => life.isAlive && this.spread(entry, structuredClone(note)),
      close: () => this.channels.delete(entry),
    };
    const entry = { life, name, channel };
    this.channels.add(entry);
    return channel;
  }

  forget(life: Life): void {
    for (const entry of [...this.channels]) if (entry.life === life) this.channels.delete(entry);
    for (const [name, queue] of this.queues) this.queues.set(name, queue.filter((claim) => claim.life !== life));
    for (const [name, claim] of [...this.held]) if (claim.life === life) this.pass(name);
  }

  private spread(from: { name: string }, note: unknown): void {
    const others = [...this.channels].filter((entry) => entry !== from && entry.name === from.name);
    after(1, () => {
      for (const { life, channel } of others) life.run(() => channel.onmessage?.({ data: note } as MessageEvent));
    });
  }

  private requester(life: Life) {
    return (name: string, { steal = false, signal }: LockOptions, granted: () => unknown) =>
      new Promise<void>((resolve, reject) => {
        const claim: Claim = { life, granted, resolve, reject };
        const queue = this.queues.get(name) ?? [];
        this.queues.set(name, queue);
        signal?.addEventListener("abort", () => this.withdraw(name, claim));
        if (steal) return this.steal(name, claim);
        queue.push(claim);
        if (!this.held.has(name)) this.pass(name);
      });
  }

  private steal(name: string, claim: Claim): void {
    const robbed = this.held.get(name);
    this.grant(name, claim);
    if (robbed) robbed.life.run(() => robbed.reject(new DOMException("stolen", "AbortError")));
  }

  private withdraw(name: string, claim: Claim): void {
    const queue = this.queues.get(name) ?? [];
    if (!queue.includes(claim)) return;
    this.queues.set(name, queue.filter((one) => one !== claim));
    claim.reject(new DOMException("withdrawn", "AbortError"));
  }

  private pass(name: string): void {
    this.held.delete(name);
    const next = this.queues.get(name)?.shift();
    if (next) this.grant(name, next);
  }

  private grant(name: string, claim: Claim): void {
    this.held.set(name, claim);
    after(1, () =>
      claim.life.run(() => {
        void Promise.resolve(claim.granted()).then(() => {
          claim.resolve();
          if (this.held.get(name) === claim) this.pass(name);
        });
      }),
    );
  }
}
