import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { type Tab, World } from "./world";

const RUNS = 150;
const STEPS = 50;
const CODES = [1006, 1012, 1013, 4408, 4429];

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A reproducible source of chance: the seed is in the name of what failed. */
function chance(seed: number): () => number {
  let state = seed * 2_654_435_761;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

class Story {
  readonly world = new World();
  readonly random: () => number;
  private written = 0;
  private said = 0;

  constructor(seed: number) {
    this.random = chance(seed);
    vi.spyOn(Math, "random").mockImplementation(this.random);
    this.world.arrivals = () => this.pick([1, 1, 1, 1, 1, 1, 2, 2, 3, 0]);
    this.world.isAnswerLost = () => this.random() < 0.2;
    this.world.isBusy = () => this.random() < 0.1;
    const hasTabs = this.random() < 0.8;
    for (let count = this.pick([1, 2, 3]); count > 0; count -= 1) this.world.open({ hasStorage: this.random() < 0.75, hasTabs });
  }

  get open(): Tab[] {
    return this.world.tabs.filter(({ isClosed }) => !isClosed);
  }

  async step(): Promise<void> {
    const tab = this.pick(this.open);
    const acts = [
      () => tab.write(`w${(this.written += 1)}`),
      () => tab.write(`w${(this.written += 1)}`),
      () => tab.write(`w${(this.written += 1)}`),
      () => this.world.answer(`a${(this.said += 1)}`),
      () => this.world.answer(`a${(this.said += 1)}`),
      () => this.world.drop(this.pick(CODES)),
      () => (this.world.isCut = this.random() < 0.5),
      () => (this.world.sockets_ = this.pick(["open", "open", "refused", "swallowed"])),
      () => tab.reload(),
      () => tab.freeze(),
      () => tab.thaw(),
      () => this.open.length > 1 && this.random() < 0.3 && tab.close(),
    ];
    this.pick(acts)();
    await vi.advanceTimersByTimeAsync(this.random() ** 3 * 8_000);
  }

  async heal(): Promise<void> {
    this.world.isCut = false;
    this.world.sockets_ = "open";
    this.world.arrivals = () => 1;
    this.world.isBusy = () => false;
    for (const tab of this.open) tab.thaw();
    await vi.advanceTimersByTimeAsync(240_000);
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.random() * from.length)] as T;
  }
}

const isSorted = (numbers: readonly number[]) => numbers.every((number, index) => index === 0 || number > (numbers[index - 1] as number));

function check({ world, open }: Story): void {
  const stored = world.stored.map(({ text }) => text);
  expect(new Set(stored).size).toBe(stored.length);
  for (const tab of world.tabs) {
    const places = tab.written.map((text) => stored.indexOf(text));
    const isKept = !tab.isClosed && tab["options"].hasStorage !== false;
    if (isKept) expect(places, "everything written is stored").not.toContain(-1);
    expect(isSorted(places.filter((place) => place >= 0)), "in the order it was written").toBe(true);
  }
  for (const tab of open) {
    expect(tab.connection.state.value).toBe("live");
    expect(tab.texts, "shown once and in order").toEqual(stored);
    expect(isSorted(tab.told), "told once and in order").toBe(true);
    expect(tab.outgoing).toEqual([]);
  }
  const isSharing = world.tabs.some((tab) => tab["options"].hasTabs);
  expect(world.sockets.size).toBe(isSharing ? 1 : open.length);
}

describe("whatever happens", () => {
  it.each(Array.from({ length: RUNS }, (_, seed) => seed + 1))("each message is stored once, shown once and in order (seed %i)", async (seed) => {
    const story = new Story(seed);
    for (let step = 0; step < STEPS; step += 1) await story.step();
    await story.heal();
    check(story);
    for (const { connection } of story.world.tabs) connection.stop();
  });
});
