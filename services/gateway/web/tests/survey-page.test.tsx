import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { tableOf } from "../src/console/api";
import { type SurveyView, watchRoute } from "../src/console/route";
import { SurveyPage } from "../src/console/survey-page";

const PATH = "/api/v1/sites/s-1/surveys/pre-chat";
const TOPIC = { question_id: "topic", kind: "choice", label: "About", is_required: true, choices: ["Sales", "Help"] };
const WHICH = { question_id: "which", kind: "text", label: "Which order?", is_required: false, shown_if: { question_id: "topic", values: ["Help"] } };

let root: HTMLElement;
let calls: { method: string; path: string; body: { questions: Record<string, unknown>[] } | null }[];
let answers: Record<string, () => { status: number; body?: unknown }>;

const find = (testId: string, within: ParentNode = root) => within.querySelector<HTMLElement>(`[data-testid="${testId}"]`);
const all = (testId: string) => [...root.querySelectorAll<HTMLElement>(`[data-testid="${testId}"]`)];
/** Until nothing is under way any more: an answer may lead to the next question. */
async function settle(): Promise<void> {
  let known = -1;
  while (known !== calls.length) {
    known = calls.length;
    await act(async () => void (await new Promise((resolve) => setTimeout(resolve, 5))));
  }
}
const sent = (method: string, path = PATH) => calls.filter((one) => one.method === method && one.path === path).map(({ body }) => body?.questions);

async function click(element: HTMLElement | null | undefined): Promise<void> {
  await act(async () => element?.click());
  await settle();
}

async function set(element: Element | null | undefined, value: string, type: string): Promise<void> {
  await act(async () => {
    (element as HTMLInputElement).value = value;
    element?.dispatchEvent(new Event(type, { bubbles: true }));
  });
}

const field = (label: string, at: number) =>
  [...(all("question")[at]?.querySelectorAll("label") ?? [])].filter((one) => one.textContent?.trim().startsWith(label)).map((one) => root.querySelector(`#${one.htmlFor}`))[0];
const button = (name: string, at: number) => all("question")[at]?.querySelector<HTMLElement>(`button[aria-label="${name}"]`);

async function show(view: SurveyView = "questions", isAdmin = true): Promise<void> {
  await act(async () => render(<SurveyPage place={{ site_id: null, placement: "pre-chat", view }} isAdmin={isAdmin} />, root));
  await settle();
}

beforeEach(() => {
  document.body.innerHTML = '<div id="app"></div>';
  root = document.getElementById("app") as HTMLElement;
  calls = [];
  const published = { survey_id: "v", version: 2, published_at: "2026-01-01T00:00:00Z", questions: [TOPIC, WHICH], rules: {} };
  answers = {
    "GET /api/v1/sites": () => ({ status: 200, body: { sites: [{ site_id: "s-1", name: "Shop" }] } }),
    [`GET ${PATH}`]: () => ({ status: 200, body: published }),
    [`GET ${PATH}/versions`]: () => ({ status: 200, body: { versions: [2, 1].map((version) => ({ version, published_at: "2026-01-01T00:00:00Z", question_count: 2 })), has_earlier: false } }),
    [`GET ${PATH}/versions/1`]: () => ({ status: 200, body: { ...published, version: 1, questions: [{ ...TOPIC, label: "What about?" }] } }),
    [`PUT ${PATH}`]: () => ({ status: 200, body: { ...published, version: 3 } }),
    [`PUT ${PATH}/draft`]: () => ({ status: 200, body: { saved_at: "2026-01-02T00:00:00Z", questions: [TOPIC] } }),
    [`DELETE ${PATH}/draft`]: () => ({ status: 204 }),
  };
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    calls.push({ method: init.method ?? "GET", path, body: init.body ? JSON.parse(init.body as string) : null });
    const { status, body } = answers[`${init.method} ${path}`]?.() ?? { status: 404, body: { code: "not-found", detail: "Nothing here." } };
    return new Response(body === undefined ? null : JSON.stringify(body), { status });
  });
});

afterEach(async () => {
  await act(async () => render(null, root));
  vi.unstubAllGlobals();
});

describe("the questions", () => {
  it("are shown as they are published, with a preview that can be tried out", async () => {
    await show();
    expect(find("survey-version")?.textContent).toBe("Version 2 is published");
    expect(all("question")).toHaveLength(2);
    const preview = find("preview") as HTMLElement;
    expect(find("answer-which", preview)).toBeNull();
    await click(preview.querySelector<HTMLElement>('input[value="Help"]'));
    expect(find("answer-which", preview)).not.toBeNull();
    expect(calls.filter(({ method }) => method !== "GET")).toEqual([]);
  });

  it("can be added, changed and published", async () => {
    await show();
    await click(find("add-question"));
    await set(field("Question 3", 2), "How did we do?", "input");
    await set(field("Answered with", 2), "rating", "change");
    expect(find("survey-version")?.textContent).toContain("there are changes");
    expect(find("preview")?.textContent).toContain("How did we do?");
    await set(field("About", 2), "speed", "change");
    await click(find("publish-survey"));
    const [questions] = sent("PUT");
    expect(questions?.slice(0, 2)).toEqual([TOPIC, WHICH]);
    expect(questions?.[2]).toEqual({ question_id: questions?.[2]?.question_id, kind: "rating", label: "How did we do?", is_required: false, scale: 5, about_service: "speed" });
  });

  it("take what is typed as soon as they are there", async () => {
    await show();
    await act(async () => find("add-question")?.click());
    expect(document.activeElement).toBe(field("Question 3", 2));
  });

  it("can be ordered and removed, and a condition that cannot be met any more goes", async () => {
    await show();
    await click(button("Move question 1 down", 0));
    expect(all("question").map((one) => one.querySelector("input")?.value)).toEqual(["Which order?", "About"]);
    await click(find("publish-survey"));
    const { shown_if: _, ...always } = WHICH;
    expect(sent("PUT")[0]).toEqual([always, TOPIC]);
    await click(button("Remove question 1", 0));
    expect(all("question")).toHaveLength(1);
  });

  it("depend on earlier answers as chosen", async () => {
    await show();
    await click(all("question")[1]?.querySelectorAll<HTMLElement>("fieldset input")[0]);
    await click(find("publish-survey"));
    expect(sent("PUT")[0]?.[1]?.shown_if).toEqual({ question_id: "topic", values: ["Sales", "Help"] });
  });

  it("depend on a choice also under its new name, and on none that is gone", async () => {
    await show();
    const publish = async () => {
      await click(find("publish-survey"));
      return sent("PUT").at(-1)?.[1]?.shown_if;
    };
    for (const typed of ["Sales\nHel", "Sales\n", "Sales\nA", "Sales\nA hand"]) await set(field("Choices", 0), typed, "input");
    expect(await publish()).toEqual({ question_id: "topic", values: ["A hand"] });
    await set(field("Choices", 0), "Help\nSales", "input");
    expect(await publish()).toEqual({ question_id: "topic", values: ["Help"] });
    await set(field("Choices", 0), "Sales", "input");
    expect(await publish()).toBeUndefined();
  });

  it("depend on none that is answered otherwise now", async () => {
    await show();
    await set(field("Answered with", 0), "text", "change");
    await click(find("publish-survey"));
    expect(sent("PUT")[0]?.[1]).not.toHaveProperty("shown_if");
  });

  it("are told what is wrong with all of them together", async () => {
    const errors = [{ field: "", detail: "Question ids must differ." }, { field: "questions.0.label", detail: "Too long." }];
    answers[`PUT ${PATH}`] = () => ({ status: 422, body: { code: "invalid", detail: "Some fields are not acceptable.", errors } });
    await show();
    await click(find("publish-survey"));
    expect(root.querySelector(".note[role=alert]")?.textContent).toBe("Some fields are not acceptable. Question ids must differ.");
  });

  it("are told what is wrong with them beside the question", async () => {
    answers[`PUT ${PATH}`] = () => ({ status: 422, body: { code: "invalid", detail: "Some fields are not acceptable.", errors: [{ field: "questions.1.text", detail: "This pattern could take too long." }] } });
    await show();
    await click(find("publish-survey"));
    expect(all("question")[1]?.textContent).toContain("This pattern could take too long.");
    expect(all("question")[0]?.textContent).not.toContain("too long");
  });

  it("can wait as a draft", async () => {
    await show();
    await click(find("save-draft"));
    expect(sent("PUT", `${PATH}/draft`)).toEqual([[TOPIC, WHICH]]);
    expect(all("question")).toHaveLength(1);
    expect(find("survey-version")?.textContent).toContain("draft of");
    await click(find("drop-draft"));
    expect(all("question")).toHaveLength(2);
    expect(find("drop-draft")).toBeNull();
  });

  it("are not left with changes before that is asked, nor closed with the page", async () => {
    const isClosing = () => dispatchEvent(new Event("beforeunload", { cancelable: true }));
    const go = async () => {
      location.hash = "#/transcripts";
      await settle();
    };
    location.hash = "#/survey";
    const route = watchRoute();
    await show();
    expect(isClosing()).toBe(true);
    await click(find("add-question"));
    expect(isClosing()).toBe(false);
    await go();
    await click([...root.querySelectorAll<HTMLElement>("dialog button")].find((one) => one.textContent === "Stay"));
    expect([location.hash, route.value.name, all("question").length]).toEqual(["#/survey", "survey", 3]);
    await go();
    await click(find("leave-confirm"));
    expect([location.hash, route.value.name]).toEqual(["#/transcripts", "transcripts"]);
  });

  it("of an earlier version can be seen and begun with again", async () => {
    await show();
    const earlier = () => all("version")[1] as HTMLElement;
    await click(earlier().querySelector("button"));
    expect(find("preview")?.textContent).toContain("What about?");
    expect(find("preview")?.textContent).toContain("Version 1");
    await click(earlier().querySelectorAll("button")[1]);
    expect(all("question").map((one) => one.querySelector("input")?.value)).toEqual(["What about?"]);
  });

  it("are only looked at by those who may not change them", async () => {
    await show("questions", false);
    expect(find("publish-survey")).toBeNull();
    expect(find("preview")?.textContent).toContain("About");
  });
});

describe("the choice of a site", () => {
  it("stays with the questions that are shown until the address says otherwise", async () => {
    answers["GET /api/v1/sites"] = () => ({ status: 200, body: { sites: [{ site_id: "s-1", name: "Shop" }, { site_id: "s-2", name: "Other" }] } });
    await show();
    const choice = root.querySelector<HTMLSelectElement>("#site");
    await set(choice, "s-2", "change");
    expect(choice?.value).toBe("s-1");
    expect(location.hash).toContain("s-2");
  });
});

describe("the report", () => {
  const report = {
    responses: 4,
    questions: [
      { question_id: "topic", kind: "choice", label: "About", is_current: true, answered: 4, bars: [{ label: "Sales", count: 3 }, { label: "Help", count: 1 }], smallest: null, largest: null, mean: null },
      { question_id: "old", kind: "text", label: "Asked once", is_current: false, answered: 1, bars: [], smallest: null, largest: null, mean: null },
    ],
  };

  it("shows each question as numbers and as bars", async () => {
    answers[`GET ${PATH}/report?`] = () => ({ status: 200, body: report });
    await show("report");
    expect(find("report-count")?.textContent).toBe("4 responses");
    const [topic, old] = all("report-question");
    expect([...(topic?.querySelectorAll("tbody tr") ?? [])].map((row) => row.textContent)).toEqual(["Sales375 %", "Help125 %"]);
    expect([...(topic?.querySelectorAll("rect") ?? [])].map((bar) => bar.getAttribute("width"))).toEqual(["240", "80"]);
    expect(old?.textContent).toContain("not asked any more");
    expect(old?.querySelector("svg")).toBeNull();
  });

  it("is about whole days, and so is the table", async () => {
    answers[`GET ${PATH}/report?`] = () => ({ status: 200, body: report });
    await show("report");
    await set(root.querySelector("#period-from"), "2026-01-01", "change");
    await set(root.querySelector("#period-to"), "2026-01-31", "change");
    await settle();
    const query = new URLSearchParams({ from: new Date("2026-01-01T00:00").toISOString(), to: new Date("2026-02-01T00:00").toISOString() });
    expect(calls.at(-1)?.path).toBe(`${PATH}/report?${query}`);
    expect(find("csv")?.getAttribute("href")).toBe(`${PATH}/responses.csv?${query}`);
  });
});

describe("the responses", () => {
  const response = (id: string, conversation_id: string | null) => ({
    response_id: id, survey_version: 2, conversation_id, answered_at: "2026-01-01T00:00:00Z", answers: [{ question_id: "topic", label: "About", kind: "choice", value: `<b>${id}</b>` }],
  });

  it("are listed as they were given, page by page, with the way to the conversation", async () => {
    answers[`GET ${PATH}/responses?limit=50&`] = () => ({ status: 200, body: { responses: [response("r-1", "c-1")], next: "more" } });
    answers[`GET ${PATH}/responses?limit=50&after=more&`] = () => ({ status: 200, body: { responses: [response("r-2", null)], next: null } });
    await show("responses");
    await click([...root.querySelectorAll("button")].find(({ textContent }) => textContent === "Show more"));
    expect(all("response").map((one) => one.querySelector("dd")?.textContent)).toEqual(["<b>r-1</b>", "<b>r-2</b>"]);
    expect(all("response").map((one) => one.querySelector("a")?.getAttribute("href") ?? null)).toEqual(["#/transcripts/c-1", null]);
  });

  it("are those of the days that are asked for, though an earlier answer comes later", async () => {
    const late: (() => void)[] = [];
    const answer = globalThis.fetch;
    vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
      if (path.endsWith("limit=50&")) await new Promise<void>((resolve) => late.push(resolve));
      return answer(path, init);
    });
    const narrow = new URLSearchParams({ from: new Date("2026-01-01T00:00").toISOString() });
    answers[`GET ${PATH}/responses?limit=50&`] = () => ({ status: 200, body: { responses: [response("r-all", null)], next: "more" } });
    answers[`GET ${PATH}/responses?limit=50&${narrow}`] = () => ({ status: 200, body: { responses: [response("r-1", null)], next: null } });
    await show("responses");
    await set(root.querySelector("#period-from"), "2026-01-01", "change");
    await settle();
    late.forEach((resolve) => resolve());
    await settle();
    expect(all("response").map((one) => one.querySelector("dd")?.textContent)).toEqual(["<b>r-1</b>"]);
    expect(root.textContent).not.toContain("Show more");
  });

  it("are those of all days while a day is none, which no field should give out", async () => {
    await show("responses");
    expect(root.querySelector<HTMLInputElement>("#period-from")?.max).toBe("9999-12-31");
    expect(tableOf("s-1", "pre-chat", { from: "20266-01-01", to: "2026-13-01" })).toBe(`${PATH}/responses.csv?`);
  });
});
