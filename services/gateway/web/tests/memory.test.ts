import { beforeEach, describe, expect, it } from "vitest";

import { Memory } from "../src/widget/memory";

const kept = { token: "secret", conversation_id: "k", is_open: true };
const refused = () => {
  throw new DOMException("denied", "SecurityError");
};

beforeEach(() => sessionStorage.clear());

describe("the widget's memory", () => {
  it("survives a reload of the page", () => {
    new Memory("KEY", () => sessionStorage).write(kept);
    expect(new Memory("KEY", () => sessionStorage).read()).toEqual(kept);
  });

  it("is one site's own", () => {
    new Memory("KEY", () => sessionStorage).write(kept);
    expect(new Memory("OTHER", () => sessionStorage).read()).toBeNull();
  });

  it("writes nothing by being read", () => {
    new Memory("KEY", () => sessionStorage).read();
    expect(sessionStorage).toHaveLength(0);
  });

  it("works for the life of the page when storage is refused", () => {
    const memory = new Memory("KEY", refused);
    expect(memory.read()).toBeNull();
    memory.write(kept);
    expect(memory.read()).toEqual(kept);
    memory.forget();
    expect(memory.read()).toBeNull();
  });

  it("forgets completely", () => {
    const memory = new Memory("KEY", () => sessionStorage);
    memory.write(kept);
    memory.forget();
    expect(sessionStorage).toHaveLength(0);
  });

  it("does not trip over what somebody else wrote there", () => {
    for (const text of ["{", "null", "[]", '{"token":7}']) {
      sessionStorage.setItem("velaro.visitor.KEY", text);
      expect(new Memory("KEY", () => sessionStorage).read()).toBeNull();
    }
  });
});
