import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { Operator } from "../src/console/api";
import { Desk } from "../src/console/desk";
import { InboxPage } from "../src/console/inbox-page";
import { FakeServer, NO_TABS, VISITOR, conversation } from "./fakes";

const MAYA: Operator = { operator_id: "o-1", name: "Maya", email: "maya@example.org", role: "operator", customer_id: "c-1" };
const INES = conversation("k", { status: "active", operator: { id: "o-1", name: "Maya" } });
const TOM = { ...INES, conversation_id: "k2", visitor_name: "Tom" };

let root: HTMLElement;
let server: FakeServer;
let desk: Desk;
let stop: () => void;
let answers: Record<string, () => Response>;

const json = (body: object) => new Response(JSON.stringify(body));
const find = (testId: string) => root.querySelector<HTMLElement>(`[data-testid="${testId}"]`);
const settle = () => act(async () => void (await new Promise((resolve) => setTimeout(resolve, 5))));

const composer = () => find("composer") as HTMLTextAreaElement;

async function type(text: string): Promise<void> {
  await act(async () => {
    composer().value = text;
    composer().dispatchEvent(new Event("input", { bubbles: true }));
  });
}

async function show(conversationId: string | null): Promise<void> {
  await act(async () => render(<InboxPage desk={desk} conversationId={conversationId} />, root));
  await settle();
}

beforeEach(async () => {
  sessionStorage.clear();
  document.body.innerHTML = '<div id="app"></div>';
  root = document.getElementById("app") as HTMLElement;
  server = new FakeServer();
  server.status = "active";
  answers = {
    "/api/v1/sessions/current": () => json({ operator: MAYA }),
    "/api/v1/tickets": () => json({ ticket: "t" }),
  };
  vi.stubGlobal("fetch", async (path: string) => {
    const listed = path.includes("status=active") ? [INES, TOM] : [];
    return answers[path]?.() ?? json(path.includes("/visit") ? { captured: {}, trail: [] } : { conversations: listed, next: null });
  });
  desk = new Desk(MAYA, () => undefined, { openSocket: server.openSocket, tabs: NO_TABS });
  stop = desk.start();
  await settle();
});

afterEach(async () => {
  await act(async () => render(null, root));
  stop();
  vi.unstubAllGlobals();
});

describe("the opened conversation", () => {
  it("is unread while the page is out of sight, and read when it is looked at again", async () => {
    await show("k");
    const isHidden = vi.spyOn(document, "hidden", "get").mockReturnValue(true);
    server.socket.echo(server.store("x", "are you there?", VISITOR));
    await settle();
    expect(find("unread")?.textContent).toContain("1");
    isHidden.mockReturnValue(false);
    await act(async () => void document.dispatchEvent(new Event("visibilitychange")));
    expect(find("unread")).toBeNull();
  });

  it("has what was being typed in it, and no other has", async () => {
    await show("k");
    await type("a long ans");
    await show("k2");
    expect(composer().value).toBe("");
    await type("another");
    await show("k");
    expect(composer().value).toBe("a long ans");
    expect(sessionStorage).toHaveLength(0);
  });

  it("forgets what was being typed when it is erased", async () => {
    await show("k");
    await type("a long ans");
    const log = desk.connection.follow("k");
    await act(async () => server.socket.say({ type: "conversation", conversation_id: "k", status: "erased" }));
    expect(root.textContent).toContain("was erased");
    expect(log.draft).toBe("");
  });

  it("can be read again when it could not be read", async () => {
    answers["/api/v1/conversations/z"] = () => new Response("<html>", { status: 502 });
    await show("z");
    expect(root.querySelector(".pane")?.textContent).toContain("cannot reach the server");
    answers["/api/v1/conversations/z"] = () => json({ ...INES, conversation_id: "z", visitor_name: "Zoe", status: "closed" });
    await act(async () => root.querySelector<HTMLElement>(".pane button")?.click());
    await settle();
    expect(root.querySelector("#pane-title")?.textContent).toBe("Zoe");
  });
});
