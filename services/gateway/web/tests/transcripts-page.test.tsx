import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { TranscriptsPage } from "../src/console/transcripts-page";

const ROW = { transcript_id: "t", site_id: "s-1", visitor_name: "Ines", opened_at: "", closed_at: "", sealed_at: "", message_count: 1, operators: [], storage: "live" };

let root: HTMLElement;

beforeEach(() => {
  vi.useFakeTimers();
  document.body.innerHTML = '<div id="app"></div>';
  root = document.getElementById("app") as HTMLElement;
});

afterEach(async () => {
  await act(async () => render(null, root));
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

it("says no more that the server is away once there are transcripts", async () => {
  let isUp = false;
  vi.stubGlobal("fetch", async () => (isUp ? new Response(JSON.stringify({ transcripts: [ROW], next: null })) : new Response("<html>", { status: 502 })));
  const wait = (milliseconds: number) => act(async () => void (await vi.advanceTimersByTimeAsync(milliseconds)));
  await act(async () => render(<TranscriptsPage />, root));
  await wait(100);
  expect(root.querySelector("[role=alert]")?.textContent).toContain("cannot reach the server");
  isUp = true;
  await wait(5_000);
  expect(root.querySelectorAll("tbody tr")).toHaveLength(1);
  expect(root.querySelector("[role=alert]")).toBeNull();
});
