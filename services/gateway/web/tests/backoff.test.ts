import { describe, expect, it } from "vitest";

import { pauseAfter } from "../src/shared/backoff";

const least = () => 0;
const most = () => 1;

describe("the pause before coming back", () => {
  it.each([1006, 1012, 1013, 4408, 4429])("is spread over a range after %i", (code) => {
    expect(pauseAfter(code, 1, most)).toBeGreaterThan(pauseAfter(code, 1, least));
  });

  it("lets a restarted server's clients be back within seconds, not all at once", () => {
    expect(pauseAfter(1012, 1, least)).toBeLessThan(1_000);
    expect(pauseAfter(1012, 1, most)).toBeLessThanOrEqual(5_000);
  });

  it("is long when the server is overloaded or we were too fast", () => {
    expect(pauseAfter(1013, 1, least)).toBeGreaterThanOrEqual(5_000);
    expect(pauseAfter(4429, 1, least)).toBeGreaterThanOrEqual(5_000);
  });

  it("adds up to little while a server restarts: five attempts that fail take a quarter of a minute at most", () => {
    const pauses = [1, 2, 3, 4, 5].map((failures) => pauseAfter(1006, failures, most));
    expect(pauses.reduce((sum, pause) => sum + pause, 0)).toBeLessThan(15_000);
  });

  it("grows, and stops growing", () => {
    expect(pauseAfter(1006, 3, most)).toBeGreaterThan(pauseAfter(1006, 1, most));
    expect(pauseAfter(1006, 500, most)).toBe(30_000);
  });
});
