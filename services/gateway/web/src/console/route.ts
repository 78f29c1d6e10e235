import { Observable } from "../shared/observable";

export type Route =
  | { name: "inbox"; conversation_id: string | null }
  | { name: "survey" }
  | { name: "transcripts" }
  | { name: "transcript"; transcript_id: string };

export function parseRoute(hash: string): Route {
  const [place, id] = hash.replace(/^#\/?/, "").split("/").map(decoded);
  if (place === "transcripts") return id ? { name: "transcript", transcript_id: id } : { name: "transcripts" };
  if (place === "survey") return { name: "survey" };
  return { name: "inbox", conversation_id: (place === "conversations" && id) || null };
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
  survey: "#/survey",
  conversation: (conversationId: string) => `#/conversations/${encodeURIComponent(conversationId)}`,
  transcript: (transcriptId: string) => `#/transcripts/${encodeURIComponent(transcriptId)}`,
};

/** Where the address bar says we are. */
export function watchRoute(): Observable<Route> {
  const route = new Observable(parseRoute(location.hash));
  addEventListener("hashchange", () => route.set(parseRoute(location.hash)));
  return route;
}
