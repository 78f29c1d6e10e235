import { beforeEach, describe, expect, it, vi } from "vitest";

import type { Conversation } from "../src/console/api";
import { Inbox } from "../src/console/inbox";
import type { ServerFrame } from "../src/shared/frames";
import { OPERATOR, VISITOR, conversation, message, problem } from "./fakes";

const ME = { id: "o-1", name: "Maya" };

let held: Conversation[];
let inbox: Inbox;

const said = (conversation_id: string, seq: number, sender = VISITOR): ServerFrame => ({ ...message(seq, { sender }), type: "message", conversation_id });
const shown = () => [...inbox.view.value.conversations.values()];
const unread = (conversationId: string) => inbox.view.value.unread.get(conversationId) ?? 0;

beforeEach(() => {
  held = [];
  inbox = new Inbox(ME.id, {
    listConversations: async (status) => ({ conversations: held.filter((item) => item.status === status), next: null }),
    getConversation: async (conversationId) => {
      const found = held.find(({ conversation_id }) => conversation_id === conversationId);
      if (!found) throw problem(404, "not-found");
      return found;
    },
  });
});

describe("the inbox", () => {
  it("lists what is queued and what is active", async () => {
    held = [conversation("a"), conversation("b", { status: "active", operator: ME }), conversation("c", { status: "closed" })];
    await inbox.load();
    expect(shown().map(({ conversation_id }) => conversation_id)).toEqual(["a", "b"]);
    expect(inbox.view.value.isLoaded).toBe(true);
  });

  it("says what went wrong, and recovers", async () => {
    const failing = new Inbox(ME.id, { listConversations: () => Promise.reject(problem(403, "forbidden")), getConversation: vi.fn() });
    await failing.load();
    expect(failing.view.value).toMatchObject({ isLoaded: false, problem: "forbidden." });
  });

  it("shows a new conversation from the frame that announces it", () => {
    inbox.hear({
      type: "conversation",
      conversation_id: "new",
      status: "queued",
      visitor: { id: "v-1", name: "Tom" },
      opened_at: "2026-01-02T03:04:05Z",
      position: 1,
      last_seq: 0,
    });
    expect(shown()).toMatchObject([{ conversation_id: "new", visitor_name: "Tom", status: "queued" }]);
  });

  it("reads a conversation that a frame only hints at", async () => {
    held = [conversation("new", { visitor_name: "Tom" })];
    inbox.hear({ type: "conversation", conversation_id: "new", status: "queued" });
    await vi.waitFor(() => expect(shown()).toMatchObject([{ visitor_name: "Tom" }]));
  });

  it("moves a conversation from the queue to me when I accept it", async () => {
    held = [conversation("a")];
    await inbox.load();
    inbox.hear({ type: "conversation", conversation_id: "a", status: "active", operator: ME, accepted_at: "2026-01-02T03:05:00Z" });
    expect(shown()).toMatchObject([{ status: "active", operator: ME, position: null }]);
  });

  it("drops what is closed, and a late answer does not bring it back", async () => {
    held = [conversation("a")];
    await inbox.load();
    inbox.hear({ type: "conversation", conversation_id: "a", status: "closed" });
    expect(shown()).toEqual([]);
    await inbox.load();
    expect(shown()).toEqual([]);
  });

  it("does not go back to an older state that arrives late", async () => {
    held = [conversation("a", { status: "active", operator: ME })];
    await inbox.load();
    inbox.hear({ type: "conversation", conversation_id: "a", status: "queued", position: 2 });
    expect(shown()).toMatchObject([{ status: "active", operator: ME }]);
  });

  it("drops what has closed while nobody told us", async () => {
    held = [conversation("a")];
    await inbox.load();
    held = [];
    await inbox.load();
    await vi.waitFor(() => expect(shown()).toEqual([]));
  });

  it("has all of my conversations, though the list ends before them", async () => {
    const mine = conversation("mine", { status: "active", operator: ME });
    const listed = vi.fn(async () => ({ conversations: [], next: "more" }));
    const asked = vi.fn(async () => mine);
    inbox = new Inbox(ME.id, { listConversations: listed, getConversation: asked });
    inbox.hear({
      type: "ready",
      conversations: [
        { conversation_id: "mine", status: "active", last_seq: 0 },
        { conversation_id: "ended", status: "closed", last_seq: 0 },
      ],
      heartbeat_s: 25,
    });
    await inbox.load();
    await vi.waitFor(() => expect(shown()).toEqual([mine]));
    expect(asked.mock.calls).toEqual([["mine"]]);
  });

  it("keeps the last line when a frame that was overtaken brings an earlier one", async () => {
    held = [conversation("a", { status: "active", operator: ME })];
    await inbox.load();
    [1, 2].forEach((seq) => inbox.hear(said("a", seq)));
    const { sender, text, sent_at } = message(1, { sender: VISITOR });
    inbox.hear({ type: "conversation", conversation_id: "a", status: "active", last_seq: 1, last_message: { seq: 1, sender, text, sent_at } });
    expect(shown()[0]).toMatchObject({ last_seq: 2, last_message: { seq: 2, text: "words 2" } });
    expect(unread("a")).toBe(2);
  });

  it("counts what visitors said in my conversations and I have not looked at", async () => {
    held = [conversation("a", { status: "active", operator: ME })];
    await inbox.load();
    inbox.hear(said("a", 1));
    inbox.hear(said("a", 1));
    inbox.hear(said("a", 2, OPERATOR));
    inbox.hear(said("a", 3));
    expect(unread("a")).toBe(2);
    expect(shown()[0]).toMatchObject({ last_seq: 3, last_message: { text: "words 3" } });
    inbox.look("a");
    expect(unread("a")).toBe(0);
    inbox.hear(said("a", 4));
    expect(unread("a")).toBe(0);
  });

  it("counts once what visitors said while nobody told us, whether the list or the frames come first", async () => {
    const mine = conversation("a", { status: "active", operator: ME, last_seq: 1 });
    const inList = { ...mine, last_seq: 3, last_message: { seq: 3, sender: VISITOR, text: "hello?", sent_at: "2026-01-02T03:04:05Z" } };
    const frames = () => [2, 3].forEach((seq) => inbox.hear(said("a", seq)));
    held = [mine];
    await inbox.load();
    held = [inList];
    await inbox.load();
    frames();
    expect(unread("a")).toBe(2);
    inbox.look("a");
    inbox.look(null);
    [4, 5].forEach((seq) => inbox.hear(said("a", seq)));
    held = [{ ...inList, last_seq: 5 }];
    await inbox.load();
    expect(unread("a")).toBe(2);
  });

  it("counts what is said in the opened conversation while nobody looks at the page", async () => {
    const isHidden = vi.spyOn(document, "hidden", "get").mockReturnValue(true);
    held = [conversation("a", { status: "active", operator: ME })];
    await inbox.load();
    inbox.look("a");
    inbox.hear(said("a", 1));
    inbox.look("a");
    expect(unread("a")).toBe(1);
    isHidden.mockReturnValue(false);
    inbox.look("a");
    expect(unread("a")).toBe(0);
  });

  it("does not count what is said in others' conversations", async () => {
    held = [conversation("a", { status: "active", operator: { id: "o-2", name: "Jo" } })];
    await inbox.load();
    inbox.hear(said("a", 1));
    expect(unread("a")).toBe(0);
  });
});
