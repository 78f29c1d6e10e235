export interface FieldError {
  field: string;
  detail: string;
}

/** The server answered and refused: an RFC 9457 problem document. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly errors: readonly FieldError[] = [],
    readonly retryAfter: number | null = null,
  ) {
    super(`${status} ${code}`);
    this.name = "Problem";
  }
}

/** No answer, or none that can be understood: the network, a proxy or the server is down. */
export class Unreachable extends Error {
  constructor() {
    super("no answer");
    this.name = "Unreachable";
  }
}

/** A sentence for people about anything an API call may throw. */
export function explain(error: unknown): string {
  if (error instanceof Problem) {
    if (error.status === 429) return "That was a little fast. Please wait a moment and try again.";
    return error.detail || "That did not work. Please try again.";
  }
  if (error instanceof Unreachable) return "We cannot reach the server. Check your connection and try again.";
  return "Something went wrong on this page. Please reload it.";
}
