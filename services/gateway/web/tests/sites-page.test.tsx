import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { SitesPage } from "../src/console/sites-page";

type Answer = { status: number; body: unknown };

const CHOICES = { ip_capture: "full", has_browser: true, has_language: true, page_capture: "full", has_trail: true, has_cookies: false, invitation: null };
const SHOP = { site_id: "s1", site_key: "key1", name: "Shop", choices: CHOICES };
const BLOG = { site_id: "s2", site_key: "key2", name: "Blog", choices: CHOICES };

let root: HTMLElement;
let answers: Record<string, Answer>;
let calls: { path: string; body: unknown }[];

const find = (testId: string) => root.querySelector<HTMLElement>(`[data-testid="${testId}"]`);
const all = (testId: string) => [...root.querySelectorAll<HTMLElement>(`[data-testid="${testId}"]`)];
const settle = () => act(async () => void (await new Promise((resolve) => setTimeout(resolve, 5))));

async function click(button: HTMLElement | null | undefined): Promise<void> {
  await act(async () => button?.click());
  await settle();
}

async function fill(testId: string, text: string): Promise<void> {
  const field = find(testId) as HTMLInputElement;
  field.value = text;
  await act(async () => void field.dispatchEvent(new Event("input", { bubbles: true })));
}

async function show(isAdmin: boolean): Promise<void> {
  await act(async () => render(<SitesPage isAdmin={isAdmin} />, root));
  for (let tries = 0; !find("site") && tries < 100; tries += 1) await settle();
}

beforeEach(() => {
  document.body.innerHTML = '<div id="app"></div>';
  root = document.getElementById("app") as HTMLElement;
  calls = [];
  answers = { "GET /api/v1/sites": { status: 200, body: { sites: [SHOP] } } };
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    calls.push({ path: `${init.method} ${path}`, body: init.body ? JSON.parse(init.body as string) : null });
    const { status, body } = answers[`${init.method} ${path}`] ?? { status: 404, body: { code: "not-found", detail: "Nothing here." } };
    return new Response(JSON.stringify(body), { status });
  });
});

afterEach(async () => {
  await act(async () => render(null, root));
  vi.unstubAllGlobals();
});

describe("a site", () => {
  it("shows its tag, and takes it to the clipboard", async () => {
    const writeText = vi.fn(async () => undefined);
    vi.stubGlobal("navigator", { clipboard: { writeText } });
    await show(false);
    const tag = `<script async src="${location.origin}/widget/v1/loader.js" data-site="key1"></script>`;
    expect(find("site-tag")?.textContent).toBe(tag);
    await click(find("copy-tag"));
    expect(writeText).toHaveBeenCalledWith(tag);
    expect(find("tag-copied")?.textContent).toBe("Copied");
  });

  it("selects its tag where the clipboard is closed to pages", async () => {
    vi.stubGlobal("navigator", {});
    await show(false);
    await click(find("copy-tag"));
    expect(getSelection()?.toString()).toContain("key1");
    expect(find("tag-copied")?.textContent).toContain("copy it");
  });

  it("has labels of its own beside another one", async () => {
    answers["GET /api/v1/sites"] = { status: 200, body: { sites: [SHOP, BLOG] } };
    await show(true);
    const ids = all("ip_capture").map(({ id }) => id);
    expect(new Set(ids).size).toBe(2);
    for (const id of ids) expect(root.querySelectorAll(`label[for="${id}"]`).length).toBe(1);
  });
});

describe("another site", () => {
  it("is added with what was typed, a line for each address, and is there at once", async () => {
    answers["POST /api/v1/sites"] = { status: 201, body: BLOG };
    await show(true);
    await fill("new-site-name", " Blog ");
    await fill("new-site-origins", "https://blog.example\n\n https://www.blog.example \n");
    await click(find("save-site"));
    expect(calls.at(-1)?.body).toEqual({ name: "Blog", origins: ["https://blog.example", "https://www.blog.example"], departments: [] });
    expect(all("site").map((site) => site.dataset.siteId)).toEqual(["s1", "s2"]);
    expect((find("new-site-name") as HTMLInputElement).value).toBe("");
  });

  it("that is there already is not shown twice", async () => {
    answers["POST /api/v1/sites"] = { status: 201, body: SHOP };
    await show(true);
    await click(find("save-site"));
    expect(all("site").length).toBe(1);
  });

  it("that is refused stays as it was typed, with what is wrong at its field", async () => {
    const errors = [{ field: "origins.1", detail: "must be an origin" }];
    answers["POST /api/v1/sites"] = { status: 422, body: { code: "invalid", detail: "Some fields do not fit.", errors } };
    await show(true);
    await fill("new-site-origins", "https://a.example\nb");
    await click(find("save-site"));
    expect(find("new-site-origins")?.getAttribute("aria-invalid")).toBe("true");
    expect((find("new-site-origins") as HTMLTextAreaElement).value).toContain("a.example");
    expect(find("add-site-problem")?.textContent).toContain("do not fit");
  });

  it("is added by owners and admins alone", async () => {
    await show(false);
    expect(find("add-site")).toBeNull();
  });
});
