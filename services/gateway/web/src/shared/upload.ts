import { decoded } from "./http";
import { Problem, Unreachable } from "./problems";

const TIMEOUT_MS = 120_000;

/** Posts a file to our own origin, as it is; throws `Problem` or `Unreachable`. */
export async function upload<T>(path: string, file: Blob): Promise<T> {
  try {
    const response = await fetch(path, {
      method: "POST",
      headers: { Accept: "application/json", "Content-Type": "application/octet-stream" },
      body: file,
      credentials: "same-origin",
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return await decoded<T>(response);
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Unreachable();
  }
}
