import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { App } from "../src/widget/app";
import { Chat } from "../src/widget/chat";
import type { Host } from "../src/widget/host";
import { Memory } from "../src/widget/memory";
import { FakeServer, NO_TABS } from "./fakes";

const CONFIG = {
  site: { name: "Alder & Wren" },
  online: true,
  texts: {},
  theme: {},
  surveys: { pre_chat: null, post_chat: null, offline: null },
  notice: "Others can read it.",
  policy: { version: "3", effective_at: "2026-01-01T00:00:00Z", text: "", upcoming: null },
};
const COOKIES = { enabled: true, is_set: false, lasts_days: 180 };
const INVITATION = { text: "May we help?", after_seconds: 0.01, after_pages: 1 };
const VISITS = "POST /api/v1/widget/visits";

let root: HTMLElement;
let calls: { name: string; body: Record<string, unknown> | null; credentials: string | undefined }[];
let answers: Record<string, unknown>;
let page: { url: string; title: string; referrer: string };
let rooms: unknown[];
let tellPage: () => void;
let chat: Chat;

const host = () =>
  ({
    isAbsent: false,
    get currentPage() {
      return page;
    },
    set onPage(listener: () => void) {
      tellPage = listener;
    },
    resize: (...size: unknown[]) => rooms.push(size),
  }) as unknown as Host;
const find = (testId: string) => root.querySelector<HTMLElement>(`[data-testid="${testId}"]`);
const called = (name: string) => calls.filter((one) => one.name === name);
const settle = (ms = 60) => act(async () => void (await new Promise((resolve) => setTimeout(resolve, ms))));

async function click(testId: string): Promise<void> {
  await act(async () => find(testId)?.click());
  await settle();
}

async function show(config: object, storage = () => sessionStorage as Storage): Promise<void> {
  answers["GET /api/v1/widget/config?site=KEY"] = { ...CONFIG, ...config };
  const server = new FakeServer();
  chat = new Chat("KEY", host(), new Memory("KEY", storage), { openSocket: server.openSocket, tabs: NO_TABS });
  await act(async () => {
    render(<App chat={chat} />, root);
    await chat.begin();
  });
  await settle();
}

beforeEach(() => {
  sessionStorage.clear();
  document.body.innerHTML = '<div id="app"></div>';
  root = document.getElementById("app") as HTMLElement;
  calls = [];
  rooms = [];
  page = { url: "https://shop.example/", title: "Shop", referrer: "" };
  tellPage = () => undefined;
  answers = {
    [VISITS]: { visitor_token: "secret", visit_id: "v", page_count: 2, has_cookie: true },
    "GET /api/v1/widget/conversations?limit=20": { conversations: [] },
    "POST /api/v1/widget/invitations?site=KEY": { is_due: true },
    "DELETE /api/v1/widget/cookie?site=KEY": null,
  };
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    const name = `${init.method} ${path}`;
    calls.push({ name, body: init.body ? JSON.parse(init.body as string) : null, credentials: init.credentials });
    if (!(name in answers)) return new Response(JSON.stringify({ code: "not-found" }), { status: 404 });
    return new Response(JSON.stringify(answers[name]), { status: 200 });
  });
});

afterEach(async () => {
  await act(async () => render(null, root));
  vi.unstubAllGlobals();
});

describe("the question for a cookie", () => {
  it("is asked in the panel, and only a yes is told", async () => {
    await show({ cookies: COOKIES });
    expect(calls.map(({ name }) => name)).toEqual(["GET /api/v1/widget/config?site=KEY"]);
    await click("launcher");
    expect(find("cookie-question")?.textContent).toContain("180 days");
    await click("cookie-yes");
    expect(called(VISITS)).toHaveLength(1);
    expect(called(VISITS)[0]).toMatchObject({ body: { cookies_consent: true }, credentials: "same-origin" });
    expect(find("cookie-question")).toBeNull();
    expect(chat.token).toBe("secret");
    expect(sessionStorage).toHaveLength(0);
  });

  it("is not asked again in this tab after a no, and nothing is told", async () => {
    await show({ cookies: COOKIES });
    await click("launcher");
    await click("cookie-no");
    expect(called(VISITS)).toHaveLength(0);
    await act(async () => render(null, root));
    await show({ cookies: COOKIES });
    await click("launcher");
    expect(find("start")).not.toBeNull();
    expect(find("cookie-question")).toBeNull();
  });

  it("is not asked where the browser sends Global Privacy Control", async () => {
    vi.stubGlobal("navigator", Object.create(navigator, { globalPrivacyControl: { value: true } }));
    await show({ cookies: COOKIES });
    await click("launcher");
    expect(find("cookie-question")).toBeNull();
  });

  it("is asked again when a yes did not get through", async () => {
    delete answers[VISITS];
    await show({ cookies: COOKIES });
    await click("launcher");
    await click("cookie-yes");
    expect(find("cookie-question")).not.toBeNull();
  });

  it("works where storage is refused", async () => {
    vi.stubGlobal("sessionStorage", { getItem: () => { throw new Error(); }, setItem: () => { throw new Error(); } });
    await show({ cookies: COOKIES }, () => { throw new Error(); });
    await click("launcher");
    await click("cookie-no");
    expect(find("cookie-question")).toBeNull();
  });
});

describe("whoever comes back with a cookie", () => {
  const known = { cookies: { ...COOKIES, is_set: true }, has_trail: true };

  it("is who they were, and in the conversation that they were in", async () => {
    answers["GET /api/v1/widget/conversations?limit=20"] = { conversations: [{ conversation_id: "old", status: "closed" }, { conversation_id: "k", status: "active" }] };
    answers["GET /api/v1/widget/conversations/k/messages?after=0"] = { messages: [], last_seq: 0, status: "active" };
    answers["GET /api/v1/widget/conversations/k"] = { conversation_id: "k", status: "active", operator: null, position: null };
    await show(known);
    expect(called(VISITS)).toHaveLength(1);
    expect(chat.stage.value).toMatchObject({ name: "talking", log: { conversationId: "k" } });
    expect(find("cookie-question")).toBeNull();
  });

  it("can withdraw under My data, which deletes the cookie", async () => {
    await show(known);
    await click("launcher");
    await click("own-data");
    await settle();
    await click("withdraw");
    expect(called("DELETE /api/v1/widget/cookie?site=KEY")[0]?.credentials).toBe("same-origin");
    expect(find("withdraw")).toBeNull();
  });

  it("has every further page told, each once", async () => {
    await show(known);
    for (const url of ["https://shop.example/", "https://shop.example/a", "https://shop.example/a"]) {
      page = { ...page, url };
      tellPage();
    }
    await settle();
    expect(called(VISITS).map(({ body }) => (body?.page as typeof page).url)).toEqual(["https://shop.example/", "https://shop.example/a"]);
  });
});

describe("the pages of a visit", () => {
  it("are told of nobody who is not known", async () => {
    await show({ cookies: COOKIES, has_trail: true });
    page = { ...page, url: "https://shop.example/a" };
    tellPage();
    await settle();
    expect(called(VISITS)).toEqual([]);
  });

  it("load nothing where nobody is known and nothing else is wanted", async () => {
    await show({ has_trail: true });
    expect(chat.greeter.value).toBeNull();
  });
});

describe("an invitation", () => {
  it("comes once, in room of its own, without anything stored, and opens the chat", async () => {
    await show({ invitation: INVITATION });
    expect(find("invitation")?.textContent).toContain("May we help?");
    expect(rooms.at(-1)).toEqual([false, { width: 330, height: 250 }]);
    expect(sessionStorage).toHaveLength(0);
    expect(called("POST /api/v1/widget/invitations?site=KEY")).toEqual([]);
    await click("invitation-accept");
    expect(find("panel")).not.toBeNull();
    await click("minimise");
    expect(find("invitation")).toBeNull();
    expect(rooms.at(-1)).toEqual([false]);
  });

  it("goes with a no, for good in this tab", async () => {
    await show({ invitation: INVITATION });
    await click("invitation-dismiss");
    expect(find("invitation")).toBeNull();
    await act(async () => render(null, root));
    await show({ invitation: INVITATION });
    expect(find("invitation")).toBeNull();
  });

  it.each([
    ["nobody is there to answer", { online: false }, ""],
    ["another page of the site led here", {}, "https://shop.example/before"],
    ["more pages are to come first", { invitation: { ...INVITATION, after_pages: 2 } }, ""],
  ])("does not come where %s", async (_, config, referrer) => {
    page = { ...page, referrer };
    await show({ invitation: INVITATION, ...config });
    expect(find("launcher")).not.toBeNull();
    expect(find("invitation")).toBeNull();
  });

  it("does not come to somebody who has opened the chat before", async () => {
    await show({ invitation: { ...INVITATION, after_seconds: 0.2 } });
    await click("launcher");
    await click("minimise");
    await settle(300);
    expect(find("invitation")).toBeNull();
  });

  it("comes to somebody who is known when the server says so", async () => {
    const known = { cookies: { ...COOKIES, is_set: true }, invitation: { ...INVITATION, after_pages: 2 } };
    await show(known);
    expect(find("invitation")).not.toBeNull();
    await act(async () => render(null, root));
    answers["POST /api/v1/widget/invitations?site=KEY"] = { is_due: false };
    await show(known);
    expect(find("invitation")).toBeNull();
  });
});
