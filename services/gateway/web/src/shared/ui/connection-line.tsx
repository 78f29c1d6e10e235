import { useEffect, useState } from "preact/hooks";

import type { Connection } from "../connection";
import type { LineState } from "../line";
import { useObservable } from "../observable";

const LINES: Partial<Record<LineState, string>> = {
  connecting: "Connecting…",
  polling: "Connected. New messages may take a moment.",
  waiting: "Connection lost – reconnecting",
  refused: "The connection was refused. Trying again.",
};
/** Most interruptions are over before this. */
const SETTLE_MS = 700;

/** Says something only when there is something to say, and not before it lasts. */
export function ConnectionLine({ connection, isSilent = false }: { connection: Connection; isSilent?: boolean }) {
  const state = useObservable(connection.state);
  const line = useSettled(isSilent ? "" : (LINES[state] ?? ""));
  return (
    <p class={line ? `connection ${state}` : "visually-hidden"} role="status" aria-live="polite" data-testid="connection" data-state={state}>
      {line}
    </p>
  );
}

function useSettled(line: string): string {
  const [settled, setSettled] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setSettled(line), line ? SETTLE_MS : 0);
    return () => clearTimeout(timer);
  }, [line]);
  return line ? settled : "";
}
