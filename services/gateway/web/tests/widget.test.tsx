import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { ChannelLike, Tabs } from "../src/shared/shared-line";
import { App } from "../src/widget/app";
import { Chat } from "../src/widget/chat";
import type { Host } from "../src/widget/host";
import { Memory } from "../src/widget/memory";
import { FakeServer, NO_TABS, OPERATOR } from "./fakes";

const CONFIG = {
  site: { site_key: "KEY", name: "Alder & Wren" },
  online: true,
  departments: [],
  texts: { greeting: "Hello!" },
  theme: { color: "#9a4a2b" },
  surveys: {
    pre_chat: {
      survey_id: "s-1",
      version: 1,
      questions: [
        { question_id: "name", kind: "text", label: "Your name", is_required: true, max_length: 80 },
        { question_id: "age", kind: "number", label: "Your age", is_required: false, minimum: 18 },
        { question_id: "topic", kind: "choice", label: "About", is_required: false, choices: ["An order", "Else"] },
        { question_id: "which", kind: "text", label: "What else?", is_required: true, shown_if: { question_id: "topic", values: ["Else"] } },
      ],
      rules: {
        properties: {
          name: { type: "string", maxLength: 80, "x-refusals": { "": "Odd." } },
          age: { type: "number", minimum: 18, "x-refusals": { "": "This must be a number.", minimum: "At least 18." } },
          topic: { enum: ["An order", "Else"], "x-refusals": { "": "Odd." } },
          which: { type: "string", "x-refusals": { "": "Odd." } },
        },
        required: ["name"],
        allOf: [{ if: { properties: { topic: { enum: ["Else"] } }, required: ["topic"] }, then: { required: ["which"] }, else: { properties: { which: { not: {} } } } }],
      },
    },
    post_chat: null,
    offline: null,
  },
  notice: "What you write here can be read by others.",
  policy: { version: "2004-12", effective_at: "2004-12-04T00:00:00Z", text: "We believe in your privacy.", upcoming: null },
  cookies: {},
};

type Answer = { status: number; body: unknown };

let root: HTMLElement;
let server: FakeServer;
let calls: { method: string; path: string; body: Record<string, unknown> | null }[];
let answers: Record<string, () => Answer>;
let chat: Chat;
let widthAsked: boolean[];

const host = () => ({ isAbsent: false, currentPage: { url: "https://shop.example.org/", title: "", referrer: "" }, resize: (isOpen: boolean) => widthAsked.push(isOpen) }) as unknown as Host;
const find = (testId: string) => root.querySelector<HTMLElement>(`[data-testid="${testId}"]`);
const called = (path: string) => calls.filter((one) => one.path === path);
const settle = () => act(async () => void (await new Promise((resolve) => setTimeout(resolve, 5))));

async function click(testId: string): Promise<void> {
  await act(async () => find(testId)?.click());
  await settle();
}

async function type(testId: string, text: string): Promise<void> {
  const input = find(testId) as HTMLInputElement;
  await act(async () => {
    input.value = text;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });
}

async function press(testId: string, key: KeyboardEventInit): Promise<void> {
  await act(async () => void find(testId)?.dispatchEvent(new KeyboardEvent("keydown", { bubbles: true, ...key })));
  await settle();
}

async function show(storage = () => sessionStorage as Storage, tabs: Tabs = NO_TABS): Promise<void> {
  chat = new Chat("KEY", host(), new Memory("KEY", storage), { openSocket: server.openSocket, tabs });
  vi.spyOn(document, "hasFocus").mockReturnValue(true);
  await act(async () => {
    render(<App chat={chat} />, root);
    await chat.begin();
  });
  await settle();
}

async function start(): Promise<void> {
  await click("launcher");
  await type("answer-name", "Ines");
  await click("acknowledge");
  await click("start");
}

beforeEach(() => {
  sessionStorage.clear();
  document.body.innerHTML = '<div id="app"></div>';
  root = document.getElementById("app") as HTMLElement;
  server = new FakeServer();
  calls = [];
  widthAsked = [];
  answers = {
    "GET /api/v1/widget/config?site=KEY": () => ({ status: 200, body: CONFIG }),
    "POST /api/v1/widget/visits": () => ({ status: 201, body: { visitor_token: "secret", visit_id: "visit" } }),
    "POST /api/v1/widget/conversations": () => ({ status: 201, body: { conversation_id: "k", status: "queued", position: 2 } }),
    "POST /api/v1/widget/tickets": () => ({ status: 201, body: { ticket: "t", expires_in: 60 } }),
    "GET /api/v1/widget/conversations/k/messages?after=0": () => ({ status: 200, body: { messages: server.stored, last_seq: server.stored.length, status: "active" } }),
    "GET /api/v1/widget/conversations/k": () => ({ status: 200, body: { conversation_id: "k", status: "active", operator: { id: "o-1", name: "Maya" }, position: null } }),
    "POST /api/v1/widget/conversations/k/close": () => ({ status: 200, body: {} }),
  };
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    calls.push({ method: init.method ?? "GET", path, body: init.body ? JSON.parse(init.body as string) : null });
    const { status, body } = answers[`${init.method} ${path}`]?.() ?? { status: 404, body: { code: "not-found", detail: "Nothing here." } };
    return new Response(typeof body === "string" ? body : JSON.stringify(body), { status });
  });
});

afterEach(async () => {
  await act(async () => render(null, root));
  vi.unstubAllGlobals();
});

describe("before the visitor starts", () => {
  it("shows a launcher, reads the settings, and does nothing else", async () => {
    await show();
    expect(find("launcher")).not.toBeNull();
    expect(calls.map(({ path }) => path)).toEqual(["/api/v1/widget/config?site=KEY"]);
    expect([sessionStorage.length, localStorage.length, document.cookie]).toEqual([0, 0, ""]);
  });

  it("begins at the top when the panel is opened", async () => {
    await show();
    await click("launcher");
    expect(document.activeElement).toBe(root.querySelector("#title"));
  });

  it("stores nothing when the panel is opened and closed", async () => {
    await show();
    await click("launcher");
    await click("minimise");
    expect(sessionStorage).toHaveLength(0);
    expect(widthAsked).toEqual([false, true, false]);
  });

  it("shows the notice with the policy in force", async () => {
    await show();
    await click("launcher");
    expect(find("notice")?.textContent).toContain(CONFIG.notice);
    expect(find("notice")?.textContent).toContain("version 2004-12");
    expect(find("notice")?.textContent).toContain(CONFIG.policy.text);
    expect(find("composer")).toBeNull();
  });

  it("does not start before the notice is acknowledged", async () => {
    await show();
    await click("launcher");
    await type("answer-name", "Ines");
    await click("start");
    expect(called("/api/v1/widget/visits")).toEqual([]);
    expect(find("acknowledge")?.getAttribute("aria-invalid")).toBe("true");
    expect(document.activeElement).toBe(find("acknowledge"));
  });

  it("asks for the answers it needs", async () => {
    await show();
    await click("launcher");
    await click("acknowledge");
    await click("start");
    expect(called("/api/v1/widget/visits")).toEqual([]);
    expect(document.activeElement).toBe(find("answer-name"));
    expect(find("answer-name")?.getAttribute("aria-describedby")).toBe("answer-name-error");
  });

  it("says so when the settings cannot be had, and tries again", async () => {
    const good = answers["GET /api/v1/widget/config?site=KEY"] as () => Answer;
    answers["GET /api/v1/widget/config?site=KEY"] = () => ({ status: 503, body: { code: "unavailable", detail: "Try later." } });
    await show();
    await click("launcher");
    expect(root.textContent).toContain("Try later.");
    answers["GET /api/v1/widget/config?site=KEY"] = good;
    await act(async () => root.querySelector<HTMLElement>("[role=alert] button")?.click());
    await settle();
    expect(find("start")).not.toBeNull();
  });
});

describe("starting", () => {
  it("sends the acknowledged version and what was answered, and remembers the visitor only then", async () => {
    await show();
    await start();
    expect(called("/api/v1/widget/conversations")[0]?.body).toEqual({ acknowledged_policy_version: "2004-12", answers: { name: "Ines" }, survey_version: 1 });
    expect(called("/api/v1/widget/visits")[0]?.body).toEqual({ site_key: "KEY", page: { url: "https://shop.example.org/", title: "", referrer: "" }, cookies_consent: false });
    expect(find("composer")).not.toBeNull();
    expect(sessionStorage.getItem("velaro.visitor.KEY")).toContain("secret");
    expect(localStorage).toHaveLength(0);
  });

  it("sends a number as a number, and says at once what is none", async () => {
    await show();
    await click("launcher");
    await type("answer-name", "Ines");
    await type("answer-age", "old");
    await click("acknowledge");
    await click("start");
    expect(root.textContent).toContain("This must be a number.");
    expect(document.activeElement).toBe(find("answer-age"));
    await type("answer-age", "17");
    await click("start");
    expect(root.textContent).toContain("At least 18.");
    expect(calls.filter(({ method }) => method === "POST")).toEqual([]);
    await type("answer-age", "34");
    await click("start");
    expect(called("/api/v1/widget/conversations").map(({ body }) => (body?.answers as Record<string, unknown>).age)).toEqual([34]);
  });

  it("asks what depends on an earlier answer only then, and sends only what was asked", async () => {
    await show();
    await click("launcher");
    await type("answer-name", "Ines");
    expect(find("answer-which")).toBeNull();
    const choose = (value: string) => act(async () => root.querySelector<HTMLInputElement>(`input[value="${value}"]`)?.click());
    await choose("Else");
    await click("acknowledge");
    await click("start");
    expect(root.textContent).toContain("This question needs an answer.");
    await type("answer-which", "A rake");
    await choose("An order");
    expect(find("answer-which")).toBeNull();
    await click("start");
    expect(called("/api/v1/widget/conversations")[0]?.body?.answers).toEqual({ name: "Ines", topic: "An order" });
  });

  it("is kind to who is too young", async () => {
    answers["POST /api/v1/widget/conversations"] = () => ({ status: 409, body: { code: "minor", detail: "Thank you, but no." } });
    await show();
    await start();
    await vi.waitFor(() => expect(find("erased")?.dataset.reason).toBe("minor"));
    expect(find("composer")).toBeNull();
  });

  it("shows what is wrong beside the field, and keeps what was typed", async () => {
    answers["POST /api/v1/widget/conversations"] = () => ({ status: 422, body: { code: "invalid", detail: "x", errors: [{ field: "answers.age", detail: "At least 18." }] } });
    await show();
    await start();
    expect(root.textContent).toContain("At least 18.");
    expect(document.activeElement).toBe(find("answer-age"));
    expect((find("answer-name") as HTMLInputElement).value).toBe("Ines");
    expect(sessionStorage).toHaveLength(0);
  });

  it("asks for the acknowledgement again when the policy has changed meanwhile", async () => {
    answers["POST /api/v1/widget/conversations"] = () => ({ status: 409, body: { code: "policy-not-acknowledged", detail: "x" } });
    await show();
    answers["GET /api/v1/widget/config?site=KEY"] = () => ({ status: 200, body: { ...CONFIG, policy: { ...CONFIG.policy, version: "2026-01" } } });
    await start();
    expect(find("start-problem")?.textContent).toContain("changed");
    expect((find("acknowledge") as HTMLInputElement).checked).toBe(false);
    expect(find("notice")?.textContent).toContain("version 2026-01");
  });

  it("works with storage refused", async () => {
    await show(() => {
      throw new DOMException("denied", "SecurityError");
    });
    await start();
    await type("composer", "hello");
    await click("send");
    expect(find("message")?.dataset.state).toBe("sent");
  });
});

describe("talking", () => {
  it("shows the place in the queue, then who answers", async () => {
    await show();
    await start();
    server.socket.say({ type: "conversation", conversation_id: "k", status: "queued", position: 2 });
    await settle();
    expect(find("standing")?.textContent).toContain("number 2");
    server.socket.say({ type: "conversation", conversation_id: "k", status: "active", operator: { id: "o-1", name: "Maya" } });
    await settle();
    expect(find("standing")?.textContent).toContain("Maya");
  });

  it("says sending until the echo, then sent, in the same element", async () => {
    server.isEchoing = false;
    await show();
    await start();
    await type("composer", "  hello  ");
    await click("send");
    const shown = find("message");
    expect(shown?.dataset).toMatchObject({ state: "sending" });
    expect(shown?.dataset.seq).toBeUndefined();
    const { client_id, text } = server.socket.sentOf("message")[0] as { client_id: string; text: string };
    expect(text).toBe("hello");
    server.socket.echo(server.store(client_id, text));
    await settle();
    expect(find("message")).toBe(shown);
    expect(shown?.dataset).toMatchObject({ state: "sent", seq: "1" });
  });

  it("shows markup as the words it was typed in", async () => {
    await show();
    await start();
    server.socket.echo(server.store("x", "<img src=x onerror=alert(1)>", { ...OPERATOR, name: "<b>Maya</b>" }));
    await settle();
    expect(root.querySelector("img, b")).toBeNull();
    expect(find("message-text")?.textContent).toBe("<img src=x onerror=alert(1)>");
  });

  it("is minimised with Escape, keeps count of what is new, and gives focus back", async () => {
    await show();
    await start();
    await act(async () => void document.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", keyCode: 27 })));
    await settle();
    expect(document.activeElement).toBe(find("launcher"));
    server.socket.echo(server.store("x", "there you are", OPERATOR));
    await settle();
    expect(find("launcher")?.getAttribute("aria-label")).toBe("Open chat, 1 new message");
    await click("launcher");
    expect(root.textContent).toContain("there you are");
  });

  it("leaves to an input method the keys that choose a word", async () => {
    await show();
    await start();
    await type("composer", "にほん");
    // Safari ends the composition before the key that ended it; others say that they compose.
    for (const isComposing of [false, true]) {
      for (const key of ["Enter", "Escape"]) await press("composer", { key, keyCode: 229, isComposing });
    }
    expect(server.socket.sentOf("message")).toEqual([]);
    expect((find("composer") as HTMLTextAreaElement).value).toBe("にほん");
    await press("composer", { key: "Enter", keyCode: 13 });
    expect(server.socket.sentOf("message").map(({ text }) => text)).toEqual(["にほん"]);
  });

  it("keeps what is being typed while the visitor looks elsewhere, and stores none of it", async () => {
    await show();
    await start();
    const stored = Object.keys(sessionStorage);
    await type("composer", "half a sent");
    await press("panel", { key: "Escape", keyCode: 27 });
    await click("launcher");
    await click("own-data");
    await act(async () => chat.showsOwnData.set(false));
    expect((find("composer") as HTMLTextAreaElement).value).toBe("half a sent");
    expect(Object.keys(sessionStorage)).toEqual(stored);
    await click("send");
    await press("panel", { key: "Escape", keyCode: 27 });
    await click("launcher");
    expect((find("composer") as HTMLTextAreaElement).value).toBe("");
  });

  it("ends only after asking again", async () => {
    await show();
    await start();
    await click("close");
    expect(called("/api/v1/widget/conversations/k/close")).toEqual([]);
    await click("close-confirm");
    expect(called("/api/v1/widget/conversations/k/close")).toHaveLength(1);
    expect(find("ended")).not.toBeNull();
    expect(find("composer")).toBeNull();
    await click("start-again");
    expect(find("acknowledge")).not.toBeNull();
    expect((find("acknowledge") as HTMLInputElement).checked).toBe(false);
  });

  it("goes on after a reload, with what had not been confirmed", async () => {
    await show();
    await start();
    server.isEchoing = false;
    await type("composer", "hello");
    await click("send");
    const { client_id } = server.socket.sentOf("message")[0] as { client_id: string };
    await act(async () => render(null, root));
    server.isEchoing = true;
    await show();
    await settle();
    expect(server.stored.map((stored) => stored.client_id)).toEqual([client_id]);
    expect(find("message")?.dataset.state).toBe("sent");
  });

  it("says that a message is not sent yet while there is no connection, and says so politely", async () => {
    await show();
    await start();
    answers["POST /api/v1/widget/tickets"] = () => ({ status: 503, body: {} });
    await act(async () => server.socket.drop(1006));
    await type("composer", "hello");
    await click("send");
    expect(find("message")?.dataset.state).toBe("sending");
    expect(find("message")?.textContent).toContain("Not sent yet, trying again");
    await act(async () => void (await new Promise((resolve) => setTimeout(resolve, 800))));
    expect(find("connection")?.textContent).toBe("Connection lost – reconnecting");
    expect(find("connection")?.getAttribute("aria-live")).toBe("polite");
  });

  it("is kept, with what is unsent, when a proxy refuses in the server's place", async () => {
    await show();
    await start();
    server.isEchoing = false;
    await type("composer", "precious");
    await click("send");
    await act(async () => render(null, root));
    const page = () => ({ status: 403, body: "<html>Blocked" });
    answers["GET /api/v1/widget/conversations/k/messages?after=0"] = answers["POST /api/v1/widget/tickets"] = page;
    await show();
    expect(find("message")?.textContent).toContain("precious");
    expect(Object.keys(sessionStorage)).toHaveLength(2);
    expect(chat.stage.value.name === "talking" && chat.stage.value.connection.state.value).toBe("waiting");
  });

  it("starts afresh when the server does not know the visitor any more", async () => {
    await show();
    await start();
    await act(async () => render(null, root));
    answers["GET /api/v1/widget/conversations/k/messages?after=0"] = () => ({ status: 401, body: { code: "not-authenticated", detail: "" } });
    await show();
    expect(find("acknowledge")).not.toBeNull();
    expect(sessionStorage).toHaveLength(0);
  });
});

const RATING = {
  survey_id: "s-2",
  version: 7,
  questions: [
    { question_id: "stars", kind: "rating", label: "How was it?", is_required: true, scale: 5 },
    { question_id: "agree", kind: "consent", label: "Write to me", is_required: false },
    { question_id: "about", kind: "choices", label: "About", is_required: false, choices: ["Speed", "Manners"] },
  ],
  rules: {
    properties: {
      stars: { type: "integer", minimum: 1, maximum: 5, "x-refusals": { "": "From 1 to 5." } },
      agree: { const: true, "x-refusals": { "": "Odd." } },
      about: { type: "array", items: { enum: ["Speed", "Manners"] }, "x-refusals": { "": "Odd." } },
    },
    required: ["stars"],
  },
};
const configured = (part: object) => {
  answers["GET /api/v1/widget/config?site=KEY"] = () => ({ status: 200, body: { ...CONFIG, ...part } });
};
const tick = (value: string) => act(async () => root.querySelector<HTMLInputElement>(`input[value="${value}"]`)?.click());

describe("after the conversation", () => {
  const RESPONSES = "/api/v1/widget/conversations/k/responses";

  async function end(): Promise<void> {
    await show();
    await start();
    await click("close");
    await click("close-confirm");
  }

  beforeEach(() => {
    configured({ surveys: { ...CONFIG.surveys, post_chat: RATING } });
    answers[`POST ${RESPONSES}`] = () => ({ status: 201, body: { response_id: "r", survey_version: 7 } });
  });

  it("asks what the site wants to know, and sends it as what it is", async () => {
    await end();
    await click("send-answers");
    expect(root.textContent).toContain("This question needs an answer.");
    await tick("4");
    await tick("I agree");
    await tick("Manners");
    await click("send-answers");
    expect(called(RESPONSES).map(({ body }) => body)).toEqual([{ answers: { stars: 4, agree: true, about: ["Manners"] }, survey_version: 7 }]);
    expect(find("ended")?.textContent).toContain("Thank you");
    expect(find("start-again")).not.toBeNull();
  });

  it("takes no for an answer, and does not ask again in this conversation", async () => {
    await end();
    await click("skip-answers");
    expect(find("start-again")).not.toBeNull();
    await act(async () => render(null, root));
    answers["GET /api/v1/widget/conversations/k"] = () => ({ status: 200, body: { status: "closed", operator: null, position: null } });
    await show();
    expect(find("send-answers")).toBeNull();
    expect(find("ended")).not.toBeNull();
    await click("start-again");
    expect(find("acknowledge")).not.toBeNull();
    expect(called(RESPONSES)).toEqual([]);
  });

  it("has the focus on what comes next, so that whoever uses keys or listens is not lost", async () => {
    const focused = () => document.activeElement?.textContent;
    await end();
    expect(focused()).toBe("This conversation has ended. May we ask you something?");
    await tick("4");
    await click("send-answers");
    expect(focused()).toBe("Thank you. This conversation has ended.");
    await click("own-data");
    await vi.waitFor(() => expect(focused()).toBe("My data"));
    await act(async () => chat.showsOwnData.set(false));
    expect(focused()).toBe("Thank you. This conversation has ended.");
    await click("start-again");
    expect(focused()).toBe(CONFIG.texts.greeting);
  });

  it("has the focus on how the erasure stands, and after it on the new beginning", async () => {
    answers["POST /api/v1/widget/erasure"] = () => ({ status: 202, body: { reason: "asked", status: "completed", certificate: "" } });
    await end();
    await act(() => chat.erase());
    await vi.waitFor(() => expect(document.activeElement?.textContent).toBe("Everything is erased"));
    await act(async () => root.querySelector<HTMLElement>('[data-testid="erased"] button')?.click());
    await settle();
    expect(document.activeElement?.textContent).toBe(CONFIG.texts.greeting);
  });

  it("takes no focus from the page around it", async () => {
    await show();
    await start();
    vi.mocked(document.hasFocus).mockReturnValue(false);
    const before = document.activeElement;
    await act(async () => server.socket.say({ type: "conversation", conversation_id: "k", status: "closed" }));
    expect(find("send-answers")).not.toBeNull();
    expect([before, document.body]).toContain(document.activeElement);
  });

  it("is content when another tab has answered already", async () => {
    answers[`POST ${RESPONSES}`] = () => ({ status: 409, body: { code: "already-answered", detail: "x" } });
    await end();
    await tick("2");
    await click("send-answers");
    expect(find("ended")).not.toBeNull();
  });

  it("keeps what was entered when it could not be sent", async () => {
    answers[`POST ${RESPONSES}`] = () => ({ status: 503, body: { code: "unavailable", detail: "Try later." } });
    await end();
    await tick("2");
    await click("send-answers");
    expect(find("send-answers-problem")?.textContent).toBe("Try later.");
    expect(root.querySelector<HTMLInputElement>('input[value="2"]')?.checked).toBe(true);
  });
});

describe("when nobody is there", () => {
  const OFFLINE = "/api/v1/widget/offline-responses";

  beforeEach(() => {
    configured({ online: false, surveys: { ...CONFIG.surveys, offline: { ...RATING, version: 3 } } });
    answers[`POST ${OFFLINE}`] = () => ({ status: 201, body: { response_id: "r", survey_version: 3 } });
  });

  it("asks for something else, under the same notice, and stores nothing here", async () => {
    await show();
    await click("launcher");
    expect(find("answer-name")).toBeNull();
    await tick("3");
    await click("send-offline");
    expect(find("acknowledge")?.getAttribute("aria-invalid")).toBe("true");
    await click("acknowledge");
    await click("send-offline");
    const [sent] = called(OFFLINE);
    expect(sent?.body).toEqual({ client_id: sent?.body?.client_id, acknowledged_policy_version: "2004-12", answers: { stars: 3 }, survey_version: 3 });
    expect(find("offline-sent")?.textContent).toContain("Thank you");
    expect([sessionStorage.length, called("/api/v1/widget/conversations").length]).toEqual([0, 0]);
  });

  it("sends the same form again under the same id", async () => {
    answers[`POST ${OFFLINE}`] = () => ({ status: 503, body: { code: "unavailable", detail: "Try later." } });
    await show();
    await click("launcher");
    await tick("3");
    await click("acknowledge");
    await click("send-offline");
    await click("send-offline");
    const ids = called(OFFLINE).map(({ body }) => body?.client_id);
    expect([ids.length, new Set(ids).size]).toEqual([2, 1]);
  });

  it("lets people write all the same where the site asks nothing for that time", async () => {
    configured({ online: false });
    await show();
    await start();
    expect(find("composer")).not.toBeNull();
  });

  it("finds out that somebody has come when the panel is opened later", async () => {
    await show();
    configured({});
    vi.spyOn(Date, "now").mockReturnValue(Date.now() + 31_000);
    await click("launcher");
    expect(find("start")).not.toBeNull();
    expect(find("send-offline")).toBeNull();
  });
});

describe("when the policy changes", () => {
  const NEWER = { ...CONFIG, policy: { ...CONFIG.policy, version: "2026-01" } };

  async function refused(): Promise<void> {
    await show();
    await start();
    server.refusal = "policy-not-acknowledged";
    answers["GET /api/v1/widget/config?site=KEY"] = () => ({ status: 200, body: NEWER });
    await type("composer", "hello");
    await click("send");
  }

  it("shows the notice again, takes nothing before it is acknowledged, and then sends what was refused", async () => {
    await refused();
    expect(find("notice")?.textContent).toContain("version 2026-01");
    expect(find("acknowledge-again")?.dataset.policyVersion).toBe("2026-01");
    expect(find("composer")).toBeNull();
    answers["POST /api/v1/widget/conversations/k/acknowledgements"] = () => {
      server.refusal = null;
      return { status: 201, body: {} };
    };
    await click("acknowledge-again");
    expect(called("/api/v1/widget/conversations/k/acknowledgements").map(({ body }) => body)).toEqual([{ policy_version: "2026-01" }]);
    expect(find("message")?.dataset.state).toBe("sent");
    expect(find("composer")).not.toBeNull();
  });

  it("asks once more when it has changed once more", async () => {
    await refused();
    answers["GET /api/v1/widget/config?site=KEY"] = () => ({ status: 200, body: { ...NEWER, policy: { ...NEWER.policy, version: "2026-02" } } });
    answers["POST /api/v1/widget/conversations/k/acknowledgements"] = () => ({ status: 409, body: { code: "policy-not-acknowledged", detail: "x" } });
    await click("acknowledge-again");
    expect(find("policy-changed")?.textContent).toContain("changed once more");
    expect(find("acknowledge-again")?.dataset.policyVersion).toBe("2026-02");
  });

  it("asks after a reload when the conversation was opened under another version", async () => {
    sessionStorage.setItem("velaro.visitor.KEY", JSON.stringify({ token: "secret", conversation_id: "k", is_open: true }));
    answers["GET /api/v1/widget/conversations/k"] = () => ({
      status: 200,
      body: { conversation_id: "k", status: "active", operator: null, position: null, acknowledged_policy_version: "2001-01" },
    });
    await show();
    expect(find("policy-changed")).not.toBeNull();
  });
});

describe("in another tab", () => {
  let channel: ChannelLike;
  let told: unknown[];
  const tabs: Tabs = {
    locks: undefined,
    openChannel: () => (channel = { onmessage: null, postMessage: (note) => void told.push(note), close: () => undefined }),
  };
  const hear = (data: unknown) => act(async () => channel.onmessage?.({ data } as MessageEvent)).then(settle);

  beforeEach(() => {
    told = [];
  });

  it("asks the visitor's other tabs, and stores nothing when there is no conversation", async () => {
    await show(undefined, tabs);
    await hear(null);
    expect(told).toEqual([null]);
    expect(sessionStorage).toHaveLength(0);
  });

  it("shows the conversation that the visitor is in", async () => {
    await show(undefined, tabs);
    server.store("x", "said before", OPERATOR);
    await hear({ token: "secret", conversation_id: "k" });
    expect(find("launcher")).not.toBeNull();
    await click("launcher");
    expect(root.textContent).toContain("said before");
    expect(find("standing")?.textContent).toContain("Maya");
  });

  it("asks afterwards about that conversation too, though it has asked about an earlier one", async () => {
    configured({ surveys: { ...CONFIG.surveys, post_chat: RATING } });
    await show(undefined, tabs);
    await start();
    await click("close");
    await click("close-confirm");
    await click("skip-answers");
    answers["GET /api/v1/widget/conversations/k2/messages?after=0"] = () => ({ status: 200, body: { messages: [], last_seq: 0, status: "closed" } });
    answers["GET /api/v1/widget/conversations/k2"] = () => ({ status: 200, body: { conversation_id: "k2", status: "closed", operator: null, position: null } });
    await hear({ token: "secret", conversation_id: "k2" });
    expect(find("send-answers")).not.toBeNull();
  });

  it("answers for its own conversation, also as soon as it starts, and keeps to it", async () => {
    await show(undefined, tabs);
    await start();
    const talk = { token: "secret", conversation_id: "k" };
    expect(told.at(-1)).toEqual(talk);
    told = [];
    await hear(null);
    expect(told).toEqual([talk]);
    await hear({ token: "other", conversation_id: "elsewhere" });
    expect(sessionStorage.getItem("velaro.visitor.KEY")).toContain("secret");
  });

  it("is on its own where channels are refused", async () => {
    await show(undefined, NO_TABS);
    await start();
    expect(find("composer")).not.toBeNull();
  });
});
