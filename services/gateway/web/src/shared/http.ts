import { type Fields, fieldsOf } from "./fields";
import { type FieldError, Problem, Unreachable } from "./problems";

export interface Call {
  method?: "GET" | "POST" | "PUT" | "DELETE";
  body?: Fields;
  /** The visitor's secret; operators are known by their cookie instead. */
  token?: string;
  /** Along with the token, a visitor's cookie goes to us, and may come from us. */
  hasCookies?: boolean;
  /** How long to wait for an answer. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** Calls our own origin and gives the decoded answer; throws `Problem` or `Unreachable`. */
export async function call<T>(path: string, { method = "GET", body, token, hasCookies = token === undefined, timeoutMs = 15_000, signal }: Call = {}): Promise<T> {
  const controller = new AbortController();
  const abort = () => controller.abort();
  const timer = setTimeout(abort, timeoutMs);
  signal?.addEventListener("abort", abort);
  try {
    const response = await fetch(path, {
      method,
      headers: headersFor(body, token),
      ...(body ? { body: JSON.stringify(body) } : {}),
      // A visitor is known by the token: no cookie goes along, none is accepted, but where they are asked who they are.
      credentials: hasCookies ? "same-origin" : "omit",
      cache: "no-store",
      signal: controller.signal,
    });
    return await decoded<T>(response);
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Unreachable();
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

function headersFor(body: Fields | undefined, token: string | undefined): Record<string, string> {
  return {
    Accept: "application/json",
    ...(body ? { "Content-Type": "application/json" } : {}),
    ...(token ? { Authorization: `Bearer ${token}` } : {}),
  };
}

/** What was answered; throws ``Problem`` or ``Unreachable``. */
export async function decoded<T>(response: Response): Promise<T> {
  const text = await response.text();
  if (response.ok) return (text ? JSON.parse(text) : null) as T;
  throw problemOf(response, text);
}

function problemOf(response: Response, text: string): Error {
  const document = fieldsOf(text);
  // We refuse in JSON. A page is a proxy's in the way: that is no refusal, only no answer.
  if (!document) return new Unreachable();
  return new Problem(
    response.status,
    stringOf(document.code) || String(response.status),
    stringOf(document.detail) || stringOf(document.title),
    fieldErrorsOf(document.errors),
    // A date, which nobody sends, counts as nothing.
    Number(response.headers.get("Retry-After")) || null,
  );
}

function fieldErrorsOf(value: unknown): FieldError[] {
  return Array.isArray(value) ? value.map((item: Partial<FieldError> | null) => ({ field: stringOf(item?.field), detail: stringOf(item?.detail) })) : [];
}

function stringOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
