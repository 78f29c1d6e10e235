import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { ConversationLog } from "../src/shared/conversation-log";
import { parseFrame } from "../src/shared/frames";
import { Chat } from "../src/widget/chat";
import type { Host } from "../src/widget/host";
import { Memory } from "../src/widget/memory";
import { message, NO_TABS } from "./fakes";

const CONFIG = { site: {}, online: true, texts: {}, theme: {}, surveys: { pre_chat: null }, notice: "", policy: { version: "1", effective_at: "", text: "", upcoming: null } };

type Answer = { status: number; body: unknown };

/** Answers each path as told, and 401 where nothing is. */
function serve(answers: Record<string, Answer>): string[] {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (path: string, { method }: { method: string }) => {
    asked.push(`${method} ${path.split("?")[0]}`);
    const { status, body } = answers[path.split("?")[0] as string] ?? { status: 401, body: { code: "not-authenticated" } };
    return new Response(JSON.stringify(body), { status });
  });
  return asked;
}

function chatOf(memory: Memory): Chat {
  const host = { isAbsent: true, currentPage: { url: "https://shop.example/", title: "", referrer: "" }, resize: () => undefined } as unknown as Host;
  return new Chat("key", host, memory, { tabs: NO_TABS, storage: () => sessionStorage });
}

const erasure = (reason: string) => ({ status: 200, body: { reason, status: "running", certificate: "" } });

beforeEach(() => sessionStorage.clear());
afterEach(() => void vi.unstubAllGlobals());

describe("an erased conversation", () => {
  it("leaves the screen, and nothing brings it back", () => {
    const log = new ConversationLog("k");
    log.receive([message(1), message(3)]);
    expect(log.moveTo("erased")).toBe(true);
    expect(log.view.value).toMatchObject({ messages: [], outgoing: [], status: "erased" });
    expect(log.hasGap).toBe(false);
    expect(log.moveTo("active")).toBe(false);
  });

  it("is a status that clients understand", () => {
    expect(parseFrame(JSON.stringify({ type: "conversation", conversation_id: "k", status: "erased" }))).toMatchObject({ status: "erased" });
    expect(parseFrame(JSON.stringify({ type: "conversation", conversation_id: "k", status: "toString" }))).toBeNull();
  });
});

describe("a visitor whose token is dead", () => {
  it("is told kindly when they turned out to be under 18, and keeps the token, by which they are known", async () => {
    serve({ "/api/v1/widget/erasure": erasure("minor"), "/api/v1/widget/config": { status: 200, body: CONFIG } });
    const memory = new Memory("key", () => sessionStorage);
    memory.write({ token: "dead", conversation_id: "k" });
    const chat = chatOf(memory);
    await chat.begin();
    expect(chat.stage.value).toMatchObject({ name: "erased", erasure: { reason: "minor" } });
    expect(memory.read()).toMatchObject({ token: "dead", conversation_id: null });
  });

  it("begins anew when nothing is known of an erasure", async () => {
    serve({ "/api/v1/widget/config": { status: 200, body: CONFIG } });
    const memory = new Memory("key", () => sessionStorage);
    memory.write({ token: "unknown", conversation_id: "k" });
    const chat = chatOf(memory);
    await chat.begin();
    expect(chat.stage.value.name).toBe("start");
    expect(memory.read()).toBeNull();
  });

  it("is told at the start, when their answers or their token say so, and nothing is opened", async () => {
    const asked = serve({
      "/api/v1/widget/config": { status: 200, body: CONFIG },
      "/api/v1/widget/visits": { status: 409, body: { code: "minor", detail: "Too young." } },
    });
    const chat = chatOf(new Memory("key", () => sessionStorage));
    await chat.begin();
    await chat.start("1", null);
    expect(chat.stage.value).toMatchObject({ name: "erased", erasure: { reason: "minor" } });
    expect(asked).not.toContain("POST /api/v1/widget/conversations");
  });
});

describe("a visitor who asks for their erasure", () => {
  it("is forgotten by the tab, and sees how it goes on", async () => {
    serve({ "/api/v1/widget/erasure": { ...erasure("asked"), status: 202 } });
    const memory = new Memory("key", () => sessionStorage);
    memory.write({ token: "mine", conversation_id: null });
    const chat = chatOf(memory);
    expect(chat.token).toBe("mine");
    await chat.erase();
    expect(chat.stage.value).toMatchObject({ name: "erased", token: "mine", erasure: { reason: "asked" } });
    expect(chat.token).toBe("");
    expect(sessionStorage.length).toBe(0);
  });
});
