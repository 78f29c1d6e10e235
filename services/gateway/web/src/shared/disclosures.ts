export type Ground = "legal-process" | "rights-or-property" | "emergency";

export type Scope =
  | { kind: "conversations"; conversation_ids: string[] }
  | { kind: "visitor"; visitor_id: string }
  | { kind: "period"; since: string; until: string };

export const GROUNDS: Record<Ground, string> = {
  "legal-process": "Legal process",
  "rights-or-property": "Rights or property",
  emergency: "Emergency",
};

/** A scope as people say it. */
export function scopeOf(scope: Scope): string {
  switch (scope.kind) {
    case "conversations":
      return `These conversations: ${scope.conversation_ids.join(", ")}`;
    case "visitor":
      return `Every conversation of visitor ${scope.visitor_id}`;
    case "period":
      return `Every conversation opened from ${scope.since} until ${scope.until}`;
  }
}
