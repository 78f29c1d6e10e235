import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { World } from "./world";

let world: World;

beforeEach(() => {
  vi.useFakeTimers();
  world = new World();
});

afterEach(() => {
  for (const tab of world.tabs) tab.connection.stop();
  vi.useRealTimers();
});

const settle = (milliseconds = 100) => vi.advanceTimersByTimeAsync(milliseconds);
const states = () => world.tabs.map(({ connection }) => connection.state.value);

describe("several tabs", () => {
  it("share one socket, and both see everything", async () => {
    const [one, two] = [world.open(), world.open()];
    await settle();
    one.write("from the first");
    two.write("from the second");
    await settle();
    world.answer("to both");
    await settle();
    expect(world.opened).toBe(1);
    expect(states()).toEqual(["live", "live"]);
    for (const tab of [one, two]) expect([...tab.texts].sort()).toEqual(["from the first", "from the second", "to both"]);
  });

  it("show a latecomer what was said before", async () => {
    const one = world.open();
    await settle();
    one.write("early");
    await settle();
    const two = world.open();
    await settle();
    expect(two.texts).toEqual(["early"]);
    expect(world.opened).toBe(1);
  });

  it("hand over when the tab that leads is closed, and lose nothing of what was on its way", async () => {
    const [one, two] = [world.open(), world.open()];
    await settle();
    two.write("on its way");
    one.close();
    await settle(1_000);
    expect(two.isLeader).toBe(true);
    expect(two.connection.state.value).toBe("live");
    expect(two.texts).toEqual(["on its way"]);
    expect(two.outgoing).toEqual([]);
  });

  it("send again at once what was on its way through a tab that is gone, whichever leads next", async () => {
    const [one, , three] = [world.open(), world.open(), world.open()];
    await settle();
    three.write("on its way");
    one.close();
    await settle(1_000);
    expect(three.isLeader).toBe(false);
    expect(three.texts).toEqual(["on its way"]);
  });

  it("do not send late what waited in a frozen tab", async () => {
    const [one, two] = [world.open(), world.open()];
    await settle();
    one.freeze();
    two.write("never mind");
    two.close();
    await settle(60_000);
    one.thaw();
    await settle(1_000);
    expect(world.stored).toEqual([]);
  });

  it("take the lock from a tab that is frozen, which steps down when it thaws", async () => {
    const [one, two] = [world.open(), world.open()];
    await settle();
    one.freeze();
    two.write("is anybody there?");
    await settle(2_000);
    expect(two.texts).toEqual(["is anybody there?"]);
    one.thaw();
    await settle(1_000);
    expect([one.isLeader, two.isLeader]).toEqual([false, true]);
    expect(states()).toEqual(["live", "live"]);
    expect(one.texts).toEqual(["is anybody there?"]);
    expect(world.sockets.size).toBe(1);
  });

  it("poll through one tab where no socket opens", async () => {
    world.sockets_ = "refused";
    const [one, two] = [world.open(), world.open()];
    await settle(5_000);
    expect(states()).toEqual(["polling", "polling"]);
    two.write("by post");
    world.answer("by poll");
    await settle(3_000);
    for (const tab of [one, two]) expect([...tab.texts].sort()).toEqual(["by poll", "by post"]);
  });

  it("poll for what each of them lacks", async () => {
    world.sockets_ = "refused";
    for (let count = 1; count <= 6; count += 1) world.answer(`line ${count}`);
    world.open();
    await settle(10_000);
    const late = world.open();
    await settle(3_000);
    expect(late.texts).toHaveLength(6);
  });

  it("wait together, and come back together", async () => {
    const [one, two] = [world.open(), world.open()];
    await settle();
    world.isCut = true;
    world.drop(1006);
    await settle(1_000);
    expect(states()).toEqual(["waiting", "waiting"]);
    one.write("kept here");
    two.write("kept there");
    world.isCut = false;
    await settle(20_000);
    expect(states()).toEqual(["live", "live"]);
    expect(world.stored.map(({ text }) => text).sort()).toEqual(["kept here", "kept there"]);
  });

  it("are all refused when the credential is revoked", async () => {
    world.open();
    world.open();
    await settle();
    world.drop(4403);
    await settle(60_000);
    expect(states()).toEqual(["refused", "refused"]);
    expect(world.opened).toBe(1);
  });

  it("have a socket each where the browser knows no locks", async () => {
    const [one, two] = [world.open({ hasTabs: false }), world.open({ hasTabs: false })];
    await settle();
    one.write("hello");
    await settle();
    expect(world.sockets.size).toBe(2);
    expect(two.texts).toEqual(["hello"]);
  });

  it("have a socket each where the browser denies them", async () => {
    const denied = () => Promise.reject(new DOMException("denied", "SecurityError"));
    vi.spyOn(world.browser, "tabsOf").mockImplementation((life) => ({
      locks: { request: denied } as unknown as LockManager,
      openChannel: (name) => world.browser.channel(life, name),
    }));
    world.open();
    world.open();
    await settle();
    expect(states()).toEqual(["live", "live"]);
    expect(world.sockets.size).toBe(2);
  });

  it("let the visible one lead while nothing moves: a hidden page's clock runs slowly", async () => {
    const [one, two] = [world.open(), world.open()];
    await settle();
    const isHidden = vi.spyOn(document, "hidden", "get").mockReturnValue(true);
    world.isCut = true;
    world.drop(1006);
    expect(one.connection.state.value).toBe("waiting");
    isHidden.mockReturnValue(false);
    await settle(100);
    expect(two.isLeader).toBe(true);
  });
});
