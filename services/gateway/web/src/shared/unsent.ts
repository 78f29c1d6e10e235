import type { Outgoing } from "./conversation-log";

const PREFIX = "velaro.unsent.";

/** Unsent messages of each conversation. */
type Kept = Record<string, readonly Outgoing[]>;

/**
 * What was written and not confirmed yet, kept for a reload in this tab's session storage. Where the browser
 * refuses that, it lives as long as the page. Nothing is stored before there is something unsent.
 */
export class Unsent {
  readonly #key: string;

  /** Each owner (an operator, a visitor's conversation) has their own; nobody reads another's. */
  constructor(owner: string, private readonly storage: () => Storage = () => sessionStorage) {
    this.#key = PREFIX + owner;
  }

  read(): Kept {
    try {
      return kept(JSON.parse(this.storage().getItem(this.#key) ?? "{}"));
    } catch {
      return {};
    }
  }

  write(conversationId: string, outgoing: readonly Outgoing[]): void {
    const { [conversationId]: before, ...others } = this.read();
    if (!before && outgoing.length === 0) return;
    const all: Kept = outgoing.length > 0 ? { ...others, [conversationId]: outgoing } : others;
    try {
      if (Object.keys(all).length > 0) this.storage().setItem(this.#key, JSON.stringify(all));
      else this.storage().removeItem(this.#key);
    } catch {
      // Refused or full: what the page holds has to do.
    }
  }
}

/** Drops what was left unsent in this tab by every owner of that beginning, but for one. */
export function forgetUnsent(owners: string, but?: string, storage: () => Storage = () => sessionStorage): void {
  try {
    const held = storage();
    for (const key of Object.keys(held)) {
      if (key.startsWith(PREFIX + owners) && key !== PREFIX + but) held.removeItem(key);
    }
  } catch {
    // Nothing was stored, then.
  }
}

function kept(value: unknown): Kept {
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(Object.entries(value).map(([conversationId, outgoing]) => [conversationId, Array.isArray(outgoing) ? outgoing.filter(isOutgoing) : []]));
}

function isOutgoing(value: Partial<Outgoing> | null): boolean {
  return typeof value?.client_id === "string" && typeof value.text === "string";
}
