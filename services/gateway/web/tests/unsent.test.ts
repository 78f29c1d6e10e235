import { beforeEach, describe, expect, it } from "vitest";

import { Connection } from "../src/shared/connection";
import type { Outgoing } from "../src/shared/conversation-log";
import { Unsent, forgetUnsent } from "../src/shared/unsent";
import { FakeServer, NO_TABS } from "./fakes";

const outgoing = (text: string): Outgoing => ({ client_id: `c-${text}`, text, written_at: "2026-01-02T03:04:05Z", state: "sending", reason: "" });
const connectionOf = (name: string) => {
  const server = new FakeServer();
  return new Connection({ name, tabs: NO_TABS, transport: server.transport, openSocket: server.openSocket });
};

beforeEach(() => sessionStorage.clear());

describe("unsent messages", () => {
  it("survive a reload, each conversation's by itself", () => {
    connectionOf("operator.a").send("k", "one");
    connectionOf("operator.a").send("other", "two");
    expect(connectionOf("operator.a").follow("k").view.value.outgoing.map(({ text }) => text)).toEqual(["one"]);
  });

  it("are nobody else's", () => {
    connectionOf("operator.a").send("k", "mine");
    expect(connectionOf("operator.b").follow("k").view.value.outgoing).toEqual([]);
  });

  it("leave nothing behind once they are sent", () => {
    const unsent = new Unsent("a");
    unsent.write("k", [outgoing("one")]);
    expect(sessionStorage).toHaveLength(1);
    unsent.write("k", []);
    expect(sessionStorage).toHaveLength(0);
  });

  it("are wiped when their conversation closes, though they stay on the screen", () => {
    const connection = connectionOf("operator.a");
    connection.send("k", "too late");
    connection.follow("k").moveTo("closed");
    expect(sessionStorage).toHaveLength(0);
    expect(connection.follow("k").view.value.outgoing).toHaveLength(1);
  });

  it("cause nothing to be stored before there are any", () => {
    connectionOf("operator.a").follow("k").moveTo("active");
    expect(sessionStorage).toHaveLength(0);
  });

  it("are dropped when their operator has signed out, and only theirs", () => {
    new Unsent("operator.a").write("k", [outgoing("one")]);
    new Unsent("operator.b").write("k", [outgoing("two")]);
    new Unsent("conversation.k").write("k", [outgoing("three")]);
    forgetUnsent("operator.", "operator.b");
    expect(Object.keys(sessionStorage).sort()).toEqual(["velaro.unsent.conversation.k", "velaro.unsent.operator.b"]);
    forgetUnsent("operator.");
    expect(Object.keys(sessionStorage)).toEqual(["velaro.unsent.conversation.k"]);
  });

  it("do not trip over what somebody else wrote there", () => {
    for (const text of ["{", "null", "7", '{"k":7}', '{"k":[null,{"text":1}]}']) {
      sessionStorage.setItem("velaro.unsent.a", text);
      expect(new Unsent("a").read().k ?? []).toEqual([]);
    }
  });

  it("need no storage to be sent", () => {
    const refused = () => {
      throw new DOMException("denied", "SecurityError");
    };
    const unsent = new Unsent("a", refused);
    unsent.write("k", [outgoing("one")]);
    expect(unsent.read()).toEqual({});
    forgetUnsent("operator.", undefined, refused);
  });
});
