/** What the widget remembers of a visitor who has started a conversation, for as long as the tab lives. */
export interface Remembered {
  token: string;
  conversation_id: string | null;
  is_open: boolean;
  /** The site has asked what it wants to know after the conversation. */
  is_answered?: boolean;
}

/**
 * Session storage of the frame, if the browser lets us; otherwise this page's memory, and the chat
 * works the same until the page is left. Nothing is written before the visitor starts.
 */
export class Memory {
  #held: Remembered | null = null;
  readonly #key: string;

  constructor(siteKey: string, private readonly storage: () => Storage) {
    this.#key = `velaro.visitor.${siteKey}`;
  }

  read(): Remembered | null {
    if (this.#held) return this.#held;
    try {
      this.#held = remembered(JSON.parse(this.storage().getItem(this.#key) ?? "null"));
    } catch {
      this.#held = null;
    }
    return this.#held;
  }

  write(part: Partial<Remembered>): void {
    this.#held = { token: "", conversation_id: null, is_open: true, ...this.read(), ...part };
    try {
      this.storage().setItem(this.#key, JSON.stringify(this.#held));
    } catch {
      // Refused or full: what is held in memory has to do.
    }
  }

  forget(): void {
    this.#held = null;
    try {
      this.storage().removeItem(this.#key);
    } catch {
      // Nothing was stored, then.
    }
  }
}

function remembered(value: unknown): Remembered | null {
  if (typeof value !== "object" || value === null) return null;
  const { token, conversation_id, is_open, is_answered } = value as Partial<Remembered>;
  if (typeof token !== "string" || !token) return null;
  return {
    token,
    conversation_id: typeof conversation_id === "string" ? conversation_id : null,
    is_open: is_open === true,
    ...(is_answered === true && { is_answered }),
  };
}
