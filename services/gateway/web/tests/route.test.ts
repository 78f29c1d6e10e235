import { describe, expect, it } from "vitest";

import { hrefOf, parseRoute } from "../src/console/route";

describe("a route", () => {
  it.each(["", "#", "#/", "#/elsewhere", "#/conversations", "#/%E0%A4%A"])("is the inbox for %o", (hash) => {
    expect(parseRoute(hash)).toEqual({ name: "inbox", conversation_id: null });
  });

  it("leads where its address was made for", () => {
    expect(parseRoute(hrefOf.conversation("a/b"))).toEqual({ name: "inbox", conversation_id: "a/b" });
    expect(parseRoute(hrefOf.transcript("t-1"))).toEqual({ name: "transcript", transcript_id: "t-1" });
    expect(parseRoute(hrefOf.transcripts)).toEqual({ name: "transcripts" });
    expect(parseRoute(hrefOf.privacy)).toEqual({ name: "privacy" });
    expect(parseRoute(hrefOf.survey)).toEqual({ name: "survey", site_id: null, placement: "pre-chat", view: "questions" });
    expect(parseRoute(hrefOf.surveyOf("a/b", "offline", "report"))).toEqual({ name: "survey", site_id: "a/b", placement: "offline", view: "report" });
    expect(parseRoute("#/survey/s/elsewhere/odd")).toEqual({ name: "survey", site_id: "s", placement: "pre-chat", view: "questions" });
  });
});
