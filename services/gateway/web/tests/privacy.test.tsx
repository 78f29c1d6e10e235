import { type VNode, render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { PrivacyPage } from "../src/console/privacy-page";
import { DisclosuresPage } from "../src/staff/disclosures-page";

type Answer = { status: number; body: unknown };

const LEGAL = { staff_id: "lea", name: "Lea", email: "lea@velaro.example", role: "legal" as const };
const ADMIN = { ...LEGAL, staff_id: "ada", name: "Ada", role: "admin" as const };
const LINE = {
  disclosure_id: "d-1",
  customer_id: "c-1",
  ground: "legal-process",
  explanation: "Order 12.",
  scope: { kind: "conversations", conversation_ids: ["k-1"] },
  recipient: "The court",
  recipient_fingerprint: "ab",
  gag_until: null,
  gag_reference: "",
  state: "requested",
  requested_by: { id: "lea", name: "Lea" },
  requested_at: "2026-01-01T00:00:00Z",
  decision: null,
  review: null,
  is_overdue: false,
  bundle: null,
  telling: null,
};
const TOLD = { ...LINE, executed_at: "2026-01-02T00:00:00Z", conversations: 1, sha256: "cd", reviewed: "refused", is_review_due: false };
const ENTRY = {
  number: 2,
  at: "2026-01-02T00:00:00Z",
  act_id: "a",
  actor: { kind: "operator", id: "olga", role: "owner" },
  act: "sessions.issue_token",
  subject: { token_id: "t-1" },
  details: { outcome: "409" },
  hash: "f".repeat(64),
};
const HEAD = { chain: "c-1", number: 2, hash: "f".repeat(64), signed_at: "2026-01-02T00:00:00Z", certificate: "e30.e30.sig" };

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

async function show(page: VNode): Promise<void> {
  await act(async () => render(page, root));
  await settle();
}

beforeEach(() => {
  document.body.innerHTML = '<div id="app"></div>';
  root = document.getElementById("app") as HTMLElement;
  calls = [];
  answers = {};
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    calls.push({ method: init.method ?? "GET", path, body: init.body ? JSON.parse(init.body as string) : null });
    const known = Object.entries(answers).find(([name]) => `${init.method} ${path}`.startsWith(name));
    const { status, body } = known ? known[1]() : { status: 404, body: { code: "not-found", detail: "Nothing here." } };
    return new Response(JSON.stringify(body), { status });
  });
});

afterEach(async () => {
  await act(async () => render(null, root));
  vi.unstubAllGlobals();
});

describe("the privacy record", () => {
  beforeEach(() => {
    answers = {
      "GET /api/v1/disclosures": () => ({ status: 200, body: { disclosures: [TOLD], next: null } }),
      "GET /api/v1/audit/head": () => ({ status: 200, body: { head: null } }),
      "POST /api/v1/audit/heads": () => ({ status: 201, body: { head: HEAD } }),
      "GET /api/v1/audit?": () => ({ status: 200, body: { entries: [ENTRY], next: "2" } }),
    };
  });

  it("says what was disclosed, why, and what the review found", async () => {
    await show(<PrivacyPage />);
    const text = find("disclosure")?.textContent;
    for (const part of ["The court", "Legal process", "Order 12.", "k-1", "It should not have happened"]) expect(text).toContain(part);
  });

  it("lists what was done, and more of it when asked", async () => {
    await show(<PrivacyPage />);
    expect(find("entry")?.textContent).toContain("sessions.issue_token (refused: 409)");
    await act(async () => [...root.querySelectorAll("button")].find(({ textContent }) => textContent === "Show more")?.click());
    await settle();
    expect(calls.at(-1)?.path).toContain("after=2");
    expect(root.querySelectorAll('[data-testid="entry"]')).toHaveLength(2);
  });

  it("has the end signed, to be kept", async () => {
    await show(<PrivacyPage />);
    expect(find("head")).toBeNull();
    await click("sign-head");
    expect(find("head")?.textContent).toContain("f".repeat(64));
    expect(find("keep-head")?.getAttribute("href")).toContain(HEAD.certificate);
  });
});

describe("the desk's disclosures", () => {
  const list = (...disclosures: unknown[]) => {
    answers["GET /api/v1/staff/disclosures"] = () => ({ status: 200, body: { disclosures, next: null } });
  };

  it("lets nobody decide about what they asked for", async () => {
    list(LINE);
    await show(<DisclosuresPage staff={LEGAL} />);
    expect(find("disclosure")?.dataset.state).toBe("requested");
    expect(find("approve")).toBeNull();
  });

  it("lets another decide, with a reason", async () => {
    list(LINE);
    answers["POST /api/v1/staff/disclosures/d-1/decision"] = () => ({ status: 200, body: LINE });
    await show(<DisclosuresPage staff={ADMIN} />);
    await click("approve");
    expect(calls.some(({ method }) => method === "POST")).toBe(false);
    await type("reason", "I read it.");
    await click("approve");
    expect(calls.find(({ method }) => method === "POST")?.body).toEqual({ outcome: "approved", reason: "I read it." });
    expect(find("request")).toBeNull();
  });

  it("shows that a review is overdue, and takes it from another", async () => {
    list({ ...LINE, ground: "emergency", state: "executed", is_overdue: true, review: { due_at: "2026-01-04T00:00:00Z", outcome: null, by: null, at: null, reason: "" } });
    answers["POST /api/v1/staff/disclosures/d-1/review"] = () => ({ status: 200, body: LINE });
    await show(<DisclosuresPage staff={ADMIN} />);
    expect(find("overdue")).not.toBeNull();
    await type("reason", "No life was at stake.");
    await click("refuse-review");
    expect(calls.find(({ method }) => method === "POST")?.body).toEqual({ outcome: "refused", reason: "No life was at stake." });
  });

  it("asks for exactly what the form says, and tells what is refused", async () => {
    list();
    answers["POST /api/v1/staff/disclosures"] = () => ({ status: 422, body: { code: "invalid", detail: "The key is no key." } });
    await show(<DisclosuresPage staff={LEGAL} />);
    await type("customer", "c-1");
    await type("explanation", "Order 12.");
    await type("conversations", "k-1\nk-2");
    await type("recipient", "The court");
    await type("key", "PEM");
    await act(async () => root.querySelector("form")?.requestSubmit());
    await settle();
    expect(calls.find(({ method }) => method === "POST")?.body).toEqual({
      customer_id: "c-1",
      ground: "legal-process",
      explanation: "Order 12.",
      scope: { kind: "conversations", conversation_ids: ["k-1", "k-2"] },
      recipient: "The court",
      recipient_key: "PEM",
    });
    expect(find("request-problem")?.textContent).toContain("The key is no key.");
  });
});
