import { describe, expect, it } from "vitest";

import { ConversationLog } from "../src/shared/conversation-log";
import { message } from "./fakes";

const seqs = (log: ConversationLog) => log.view.value.messages.map(({ seq }) => seq);
const outgoing = (client_id: string) => ({ client_id, text: "hello", written_at: "2026-01-02T03:04:05Z", state: "sending" as const, reason: "" });

describe("a conversation log", () => {
  it("shows messages once and in order, however they arrive", () => {
    const log = new ConversationLog("k");
    log.receive([message(2), message(1)]);
    log.receive([message(1), message(2), message(3)]);
    expect(seqs(log)).toEqual([1, 2, 3]);
  });

  it("shows nothing across a gap, and everything once the gap is filled", () => {
    const log = new ConversationLog("k");
    expect(log.receive([message(1), message(3), message(4)]).map(({ seq }) => seq)).toEqual([1]);
    expect(log.hasGap).toBe(true);
    expect(log.receive([message(2)]).map(({ seq }) => seq)).toEqual([2, 3, 4]);
    expect(log.hasGap).toBe(false);
  });

  it("has a gap as soon as the server is known to hold more", () => {
    const log = new ConversationLog("k");
    log.announce(2);
    expect(log.hasGap).toBe(true);
  });

  it("keeps its own message among the unsent until the echo is visible", () => {
    const log = new ConversationLog("k");
    log.enqueue(outgoing("mine"));
    log.receive([message(2, { client_id: "mine" })]);
    expect(log.view.value.outgoing).toHaveLength(1);
    log.receive([message(1)]);
    expect(log.view.value.outgoing).toHaveLength(0);
    expect(seqs(log)).toEqual([1, 2]);
  });

  it("does not send again what is stored and only held behind a gap", () => {
    const log = new ConversationLog("k");
    log.enqueue(outgoing("mine"));
    log.receive([message(2, { client_id: "mine" })]);
    expect(log.unsent).toEqual([]);
  });

  it("tells a failed message from one under way, and sends it again on retry", () => {
    const log = new ConversationLog("k");
    log.enqueue(outgoing("mine"));
    log.fail("mine", "The conversation is closed.");
    expect(log.unsent).toEqual([]);
    expect(log.view.value.outgoing[0]).toMatchObject({ state: "failed", reason: "The conversation is closed." });
    log.retry("mine");
    expect(log.unsent).toHaveLength(1);
  });
});
