import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { AccountBanner } from "../src/console/account-banner";
import { AccountPage } from "../src/console/account-page";

type Answer = { status: number; body: unknown };

const DAY = "2026-05-01T00:00:00Z";
const MISSING = { state: "missing", revision: 0, confirmed_at: null, due_at: null };
const CONFIRMED = { state: "confirmed", revision: 1, confirmed_at: DAY, due_at: "2027-05-01T00:00:00Z" };
const ADDRESS = { street: "1 Road", city: "Town", area: "", postcode: "SW1A 2AA", country: "GB" };
const CONTACT = { revision: 1, confirmed_at: DAY, due_at: DAY, name: "Lamps", contact_person: "Lena", email: "l@x.example", telephone: "+442083661177", address: ADDRESS };
const BILLING = { revision: 1, confirmed_at: DAY, due_at: DAY, email: "pay@x.example", address: ADDRESS, tax_id: "", currency: "GBP" };
const VERIFICATION = { verification_id: "v1", action: "change-billing", state: "waiting", uploaded_at: DAY, decided_at: null, reason: "", granted_until: null, receipt: null };
const NEEDED: Answer = { status: 403, body: { code: "identity-required", detail: "An identity document is needed." } };
const NOT_FOUND: Answer = { status: 404, body: { code: "not-found", detail: "Nothing here." } };

let root: HTMLElement;
let answers: Record<string, () => Answer>;
let calls: { method: string; path: string; body: unknown; type: string | undefined }[];

const find = (testId: string) => root.querySelector<HTMLElement>(`[data-testid="${testId}"]`);
const settle = () => act(async () => void (await new Promise((resolve) => setTimeout(resolve, 5))));

async function click(testId: string): Promise<void> {
  await act(async () => find(testId)?.click());
  await settle();
}

async function show(page: preact.ComponentChild, awaited: string): Promise<void> {
  await act(async () => render(page, root));
  for (let tries = 0; !find(awaited) && tries < 100; tries += 1) await settle();
}

beforeEach(() => {
  document.body.innerHTML = '<div id="app"></div>';
  root = document.getElementById("app") as HTMLElement;
  calls = [];
  answers = {
    "GET /api/v1/account": () => ({ status: 200, body: { is_complete: true, contact: CONFIRMED, billing: CONFIRMED } }),
    "GET /api/v1/account/contact": () => ({ status: 200, body: CONTACT }),
    "GET /api/v1/account/billing": () => ({ status: 200, body: BILLING }),
    "GET /api/v1/account/history?limit=20": () => ({ status: 200, body: { entries: [], next: null } }),
    "GET /api/v1/identity": () => ({ status: 200, body: { strictness: "by-risk", verifications: [] } }),
  };
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    calls.push({ method: init.method ?? "GET", path, body: init.body, type: (init.headers as Record<string, string>)["Content-Type"] });
    const { status, body } = (answers[`${init.method} ${path}`] ?? (() => NOT_FOUND))();
    return new Response(JSON.stringify(body), { status });
  });
});

afterEach(async () => {
  await act(async () => render(null, root));
  vi.unstubAllGlobals();
});

describe("the banner", () => {
  it("says what is missing, and nothing where nothing is", async () => {
    answers["GET /api/v1/account"] = () => ({ status: 200, body: { is_complete: false, contact: CONFIRMED, billing: MISSING } });
    await show(<AccountBanner place="inbox" />, "account-banner");
    expect(find("account-banner")?.textContent).toContain("please give us your billing details");

    answers["GET /api/v1/account"] = () => ({ status: 200, body: { is_complete: true, contact: CONFIRMED, billing: CONFIRMED } });
    await show(<AccountBanner place="transcripts" />, "none");
    expect(find("account-banner")).toBeNull();
  });
});

describe("the account", () => {
  it("shows what is wrong at the field it is wrong in", async () => {
    const errors = [{ field: "address.postcode", detail: "is not valid in this country" }];
    answers["PUT /api/v1/account/contact"] = () => ({ status: 422, body: { code: "invalid", detail: "Some fields do not fit.", errors } });
    await show(<AccountPage isOwner={false} />, "contact-form");
    await click("save-contact");

    expect(find("contact-address-postcode")?.getAttribute("aria-invalid")).toBe("true");
    expect(find("contact-form")?.textContent).toContain("is not valid in this country");
    expect(find("contact-problem")?.textContent).toContain("Some fields do not fit.");
    expect(find("billing-problem")).toBeNull();
  });

  it("starts empty where nothing has been given", async () => {
    answers["GET /api/v1/account"] = () => ({ status: 200, body: { is_complete: false, contact: MISSING, billing: MISSING } });
    answers["GET /api/v1/account/contact"] = answers["GET /api/v1/account/billing"] = () => NOT_FOUND;
    await show(<AccountPage isOwner={false} />, "billing-form");

    expect((find("contact-name") as HTMLInputElement).value).toBe("");
    expect(find("confirm-details")).toBeNull();
  });

  it("leads to the upload when it is asked who this is, and keeps what was typed", async () => {
    answers["PUT /api/v1/account/billing"] = () => NEEDED;
    answers["POST /api/v1/identity/verifications?action=change-billing"] = () => {
      answers["GET /api/v1/identity"] = () => ({ status: 200, body: { strictness: "by-risk", verifications: [VERIFICATION] } });
      return { status: 201, body: VERIFICATION };
    };
    await show(<AccountPage isOwner={false} />, "billing-form");
    await act(async () => {
      const input = find("billing-email") as HTMLInputElement;
      input.value = "new@x.example";
      input.dispatchEvent(new Event("input", { bubbles: true }));
    });
    await click("save-billing");
    await settle();
    const input = find("identity-file") as HTMLInputElement;
    const file = new File(["picture"], "id.jpg", { type: "image/jpeg" });
    Object.defineProperty(input, "files", { value: [file] });
    await click("identity-upload");
    await settle();

    const sent = calls.find(({ path }) => path.startsWith("/api/v1/identity/verifications"));
    expect([sent?.body, sent?.type]).toEqual([file, "application/octet-stream"]);
    expect(find("identity-needed")?.dataset.state).toBe("waiting");
    expect((find("billing-email") as HTMLInputElement).value).toBe("new@x.example");
  });

  it("does not show billing details to who has to show a document first", async () => {
    answers["GET /api/v1/account/billing"] = () => NEEDED;
    await show(<AccountPage isOwner={false} />, "identity-needed");

    expect(find("identity-needed")?.dataset.action).toBe("view-billing");
    expect(find("billing-form")).toBeNull();
    expect(calls.some(({ path }) => path.includes("history"))).toBe(false);
  });

  it("has what an owner alone does for owners alone", async () => {
    await show(<AccountPage isOwner={true} />, "strictness");
    expect(find("heir")).not.toBeNull();
    await show(<AccountPage isOwner={false} />, "contact-form");
    expect(find("heir")).toBeNull();
  });
});
