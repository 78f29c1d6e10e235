import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { App } from "../src/staff/app";

type Answer = { status: number; body: unknown };

const LEA = { staff_id: "s-1", name: "Lea", email: "lea@velaro.example", role: "legal" };
const IN_FORCE = { version: "1", state: "in-force", posted_at: "2026-01-01T00:00:00Z", effective_at: "2026-01-01T00:00:00Z", summary: "" };
const NOTICES = { kind: "notice", customers: 10, is_planned: true, sent: 7, waiting: 2, failed: 1, repeated: 0, away_since: null };
const NOT_FOUND: Answer = { status: 404, body: { code: "not-found", detail: "Nothing here." } };

let root: HTMLElement;
let answers: Record<string, () => Answer>;
let calls: { method: string; path: string; body: Record<string, unknown> | null }[];

const find = (testId: string) => root.querySelector<HTMLElement>(`[data-testid="${testId}"]`);
const settle = () => act(async () => void (await new Promise((resolve) => setTimeout(resolve, 5))));

async function click(testId: string): Promise<void> {
  await act(async () => find(testId)?.click());
  await settle();
}

async function type(testId: string, text: string): Promise<void> {
  const input = find(testId) as HTMLTextAreaElement;
  await act(async () => {
    input.value = text;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });
}

async function show(awaited: string): Promise<void> {
  await act(async () => render(<App />, root));
  for (let tries = 0; !find(awaited) && tries < 100; tries += 1) await settle();
}

beforeEach(() => {
  document.body.innerHTML = '<div id="app"></div>';
  root = document.getElementById("app") as HTMLElement;
  calls = [];
  answers = {
    "GET /api/v1/staff/sessions/current": () => ({ status: 200, body: { staff: LEA } }),
    "GET /api/v1/policy/versions": () => ({ status: 200, body: { versions: [IN_FORCE] } }),
    "GET /api/v1/policy/versions/1": () => ({ status: 200, body: { ...IN_FORCE, text: "# As it is" } }),
    "DELETE /api/v1/staff/sessions/current": () => ({ status: 204, body: null }),
  };
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    calls.push({ method: init.method ?? "GET", path, body: init.body ? JSON.parse(init.body as string) : null });
    const { status, body } = (answers[`${init.method} ${path}`] ?? (() => NOT_FOUND))();
    return new Response(status === 204 ? null : JSON.stringify(body), { status });
  });
});

afterEach(async () => {
  await act(async () => render(null, root));
  vi.unstubAllGlobals();
});

describe("the staff desk", () => {
  it("asks to sign in, and goes back there", async () => {
    answers["GET /api/v1/staff/sessions/current"] = () => ({ status: 401, body: { code: "not-authenticated", detail: "" } });
    answers["POST /api/v1/staff/sessions"] = () => ({ status: 201, body: { staff: LEA } });
    await show("sign-in");
    await type("email", "lea@velaro.example");
    await type("password", "secret");
    await click("sign-in");
    expect(find("staff")?.textContent).toContain("Lea");
    await click("sign-out");
    expect(find("sign-in")).not.toBeNull();
  });

  it("says so when signing out did not reach the server, and is left when the session is over already", async () => {
    await show("staff");
    answers["DELETE /api/v1/staff/sessions/current"] = () => ({ status: 502, body: "<html>" });
    await click("sign-out");
    expect(find("staff")).not.toBeNull();
    expect(root.querySelector("[role=alert]")?.textContent).toContain("cannot reach the server");
    answers["DELETE /api/v1/staff/sessions/current"] = () => ({ status: 401, body: { code: "not-authenticated", detail: "" } });
    await click("sign-out");
    expect(find("sign-in")).not.toBeNull();
  });

  it("begins a draft as the present text, shows what it will look like, and posts what is on the screen", async () => {
    answers["PUT /api/v1/staff/policy/draft"] = () => ({ status: 200, body: { draft_id: "d", revision: 1, summary: "Less.", text: "We keep *less*.", saved_at: "" } });
    answers["POST /api/v1/staff/policy/versions"] = () => ({ status: 201, body: IN_FORCE });
    await show("text");
    expect((find("text") as HTMLTextAreaElement).value).toBe("# As it is");
    await type("summary", "Less.");
    await type("text", "We keep *less*.");
    expect(find("preview")?.innerHTML).toContain("<em>less</em>");
    await click("save-draft");
    expect(find("draft-revision")?.textContent).toContain("revision 1");
    await click("post");
    expect(calls.filter(({ method }) => method === "POST").map(({ body }) => body)).toEqual([{ draft_id: "d", revision: 1 }]);
  });

  it("says what the server refuses", async () => {
    answers["PUT /api/v1/staff/policy/draft"] = () => ({ status: 409, body: { code: "draft-changed", detail: "Somebody else has changed the draft meanwhile." } });
    await show("text");
    await type("summary", "x");
    await click("save-draft");
    expect(find("draft-problem")?.textContent).toContain("Somebody else");
  });

  it("shows how many customers have been told, and whom nobody could reach", async () => {
    answers["GET /api/v1/policy/versions"] = () => ({ status: 200, body: { versions: [{ ...IN_FORCE, version: "2", state: "upcoming" }, IN_FORCE] } });
    const unsent = [{ customer_id: "c", attempts: 5, addresses: ["gone@shop.example"], reason: "550 no such mailbox" }];
    answers["GET /api/v1/staff/policy/versions/2/notices"] = () => ({ status: 200, body: { notices: [{ ...NOTICES, unsent }] } });
    await show("notices-of-kind");
    expect(find("notices")?.textContent).toContain("7 of 10 customers, 1 could not be reached");
    expect(find("notices")?.textContent).toContain("gone@shop.example: 550 no such mailbox");
  });

  it("lets nobody write who may not", async () => {
    answers["GET /api/v1/staff/sessions/current"] = () => ({ status: 200, body: { staff: { ...LEA, role: "support" } } });
    await show("version");
    expect(find("version")).not.toBeNull();
    expect(find("summary")).toBeNull();
  });
});
