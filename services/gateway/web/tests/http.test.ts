import { afterEach, describe, expect, it, vi } from "vitest";

import { call } from "../src/shared/http";
import { Problem, Unreachable, explain } from "../src/shared/problems";

function answer(status: number, body: string, headers: Record<string, string> = {}) {
  const fetch = vi.fn(async (_path: string, _init: RequestInit) => new Response(status === 204 ? null : body, { status, headers }));
  vi.stubGlobal("fetch", fetch);
  return fetch;
}

afterEach(() => vi.unstubAllGlobals());

describe("a call", () => {
  it("sends JSON and gives the decoded answer", async () => {
    const fetch = answer(201, '{"seq":1}');
    expect(await call("/x", { method: "POST", body: { text: "hello" } })).toEqual({ seq: 1 });
    expect(fetch.mock.calls[0]?.[1]).toMatchObject({ method: "POST", body: '{"text":"hello"}', credentials: "same-origin" });
  });

  it("goes without cookies for a visitor, whose token is in a header and nowhere else", async () => {
    const fetch = answer(200, "{}");
    await call("/x", { token: "secret" });
    const [path, init] = fetch.mock.calls[0] as [string, RequestInit];
    expect(path).not.toContain("secret");
    expect(init).toMatchObject({ credentials: "omit", headers: { Authorization: "Bearer secret" } });
  });

  it("understands an empty answer", async () => {
    answer(204, "");
    expect(await call("/x", { method: "DELETE" })).toBeNull();
  });

  it("turns a problem document into a typed error with its fields", async () => {
    answer(422, '{"code":"invalid","title":"Invalid","detail":"Look again.","errors":[{"field":"answers.age","detail":"A number."}]}', { "Retry-After": "3" });
    const problem = await call("/x").catch((error: unknown) => error);
    expect(problem).toBeInstanceOf(Problem);
    expect(problem).toMatchObject({ status: 422, code: "invalid", detail: "Look again.", errors: [{ field: "answers.age", detail: "A number." }], retryAfter: 3 });
  });

  it("takes a proxy's error page, broken JSON and a dead network for no answer", async () => {
    for (const status of [401, 403, 404, 502]) {
      answer(status, "<html>");
      await expect(call("/x")).rejects.toBeInstanceOf(Unreachable);
    }
    answer(200, "{");
    await expect(call("/x")).rejects.toBeInstanceOf(Unreachable);
    vi.stubGlobal("fetch", async () => Promise.reject(new TypeError("failed")));
    await expect(call("/x")).rejects.toBeInstanceOf(Unreachable);
  });

  it("does not wait for ever", async () => {
    vi.stubGlobal("fetch", (_path: string, { signal }: RequestInit) => new Promise((_, reject) => signal?.addEventListener("abort", () => reject(new Error("aborted")))));
    await expect(call("/x", { timeoutMs: 5 })).rejects.toBeInstanceOf(Unreachable);
  });
});

describe("explaining", () => {
  it("has a sentence for everything", () => {
    expect(explain(new Problem(409, "not-open", "The conversation is closed."))).toBe("The conversation is closed.");
    expect(explain(new Problem(429, "too-fast", ""))).toMatch(/wait/);
    expect(explain(new Unreachable())).toMatch(/reach/);
    expect(explain(new TypeError("x"))).toMatch(/reload/);
  });
});
