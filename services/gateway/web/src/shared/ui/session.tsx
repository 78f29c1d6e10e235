import { useEffect, useState } from "preact/hooks";

import { Problem, explain } from "../problems";
import { Button } from "./button";

/** Whether somebody is signed in here, and who. */
export type Session<Who> =
  | { name: "checking" }
  | { name: "unreachable"; detail: string }
  | { name: "signed-out"; why: string }
  | { name: "signed-in"; who: Who };

/** The session that this browser has; `read` asks the server who is signed in. */
export function useSession<Who>(read: () => Promise<Who>) {
  const [session, setSession] = useState<Session<Who>>({ name: "checking" });
  const check = async () => {
    setSession({ name: "checking" });
    setSession(await current(read));
  };
  useEffect(() => void check(), []);
  const signedIn = (who: Who) => setSession({ name: "signed-in", who });
  const signedOut = (why: string) => setSession({ name: "signed-out", why });
  return { session, check, signedIn, signedOut };
}

/** Signing out: what could not be ended lives on, and whoever comes after would be in it. */
export function useSignOut(signOut: () => Promise<unknown>, onSignedOut: () => void) {
  const [problem, setProblem] = useState("");
  const leave = async () => {
    try {
      await signOut();
    } catch (error) {
      if (!(error instanceof Problem && error.status === 401)) return setProblem(explain(error));
    }
    onSignedOut();
  };
  return { problem, leave };
}

async function current<Who>(read: () => Promise<Who>): Promise<Session<Who>> {
  try {
    return { name: "signed-in", who: await read() };
  } catch (error) {
    if (error instanceof Problem && error.status === 401) return { name: "signed-out", why: "" };
    return { name: "unreachable", detail: explain(error) };
  }
}

export function Checking() {
  return (
    <div class="whole-page" role="status">
      <p class="loading">One moment…</p>
    </div>
  );
}

export function Unreachable({ detail, onRetry }: { detail: string; onRetry: () => void }) {
  return (
    <div class="whole-page" role="alert">
      <p>{detail}</p>
      <Button look="quiet" onClick={onRetry}>
        Try again
      </Button>
    </div>
  );
}
