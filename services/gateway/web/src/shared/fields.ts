export type Fields = Record<string, unknown>;

/** What a JSON text says by name; null if it is something else. */
export function fieldsOf(text: unknown): Fields | null {
  try {
    const value: unknown = JSON.parse(text as string);
    return typeof value === "object" && value !== null ? (value as Fields) : null;
  } catch {
    return null;
  }
}
