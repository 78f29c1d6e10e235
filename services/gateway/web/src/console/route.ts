import { Observable } from "../shared/observable";
import type { Placement } from "../shared/survey";

export type SurveyView = "questions" | "report" | "responses";

export interface SurveyPlace {
  /** Null until it is known which sites there are. */
  site_id: string | null;
  placement: Placement;
  view: SurveyView;
}

export type Route =
  | { name: "inbox"; conversation_id: string | null }
  | ({ name: "survey" } & SurveyPlace)
  | { name: "account" }
  | { name: "sites" }
  | { name: "transcripts" }
  | { name: "transcript"; transcript_id: string }
  | { name: "privacy" };

const PLACEMENTS: readonly string[] = ["pre-chat", "post-chat", "offline"];
const VIEWS: readonly string[] = ["questions", "report", "responses"];

export function parseRoute(hash: string): Route {
  const [place, id, ...more] = hash.replace(/^#\/?/, "").split("/").map(decoded);
  if (place === "transcripts") return id ? { name: "transcript", transcript_id: id } : { name: "transcripts" };
  if (place === "account") return { name: "account" };
  if (place === "privacy") return { name: "privacy" };
  if (place === "sites") return { name: "sites" };
  if (place === "survey") return { name: "survey", site_id: id || null, ...surveyPlace(more) };
  return { name: "inbox", conversation_id: (place === "conversations" && id) || null };
}

function surveyPlace([placement = "", view = ""]: string[]): Omit<SurveyPlace, "site_id"> {
  return {
    placement: (PLACEMENTS.includes(placement) ? placement : "pre-chat") as Placement,
    view: (VIEWS.includes(view) ? view : "questions") as SurveyView,
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}

export const hrefOf = {
  inbox: "#/",
  transcripts: "#/transcripts",
  account: "#/account",
  survey: "#/survey",
  privacy: "#/privacy",
  sites: "#/sites",
  surveyOf: (siteId: string, placement: Placement, view: SurveyView) => `#/survey/${encodeURIComponent(siteId)}/${placement}/${view}`,
  conversation: (conversationId: string) => `#/conversations/${encodeURIComponent(conversationId)}`,
  transcript: (transcriptId: string) => `#/transcripts/${encodeURIComponent(transcriptId)}`,
};

export const LEAVING = "leaving";

/** Before another address is shown; whoever prevents it keeps the page. */
export type Leaving = CustomEvent<string>;

declare global {
  interface WindowEventMap {
    [LEAVING]: Leaving;
  }
}

/** Where the address bar says we are. */
export function watchRoute(): Observable<Route> {
  const route = new Observable(parseRoute(location.hash));
  let shown = location.href;
  addEventListener("hashchange", () => {
    const { href } = location;
    if (href === shown) return;
    if (!dispatchEvent(new CustomEvent(LEAVING, { detail: href, cancelable: true }))) return history.replaceState(null, "", shown);
    shown = href;
    route.set(parseRoute(location.hash));
  });
  return route;
}
