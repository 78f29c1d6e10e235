import { useEffect, useState } from "preact/hooks";

import { Problem, explain } from "../shared/problems";
import { Button } from "../shared/ui/button";
import { SignIn } from "../shared/ui/sign-in";
import * as api from "./api";
import { PAGES, type StaffPage } from "./pages";

type Session =
  | { name: "checking" }
  | { name: "unreachable"; detail: string }
  | { name: "signed-out" }
  | { name: "signed-in"; staff: api.Staff };

/** The staff desk: what people who work for us do. It knows nothing of what customers and visitors say. */
export function App() {
  const [session, setSession] = useState<Session>({ name: "checking" });
  const check = async () => {
    setSession({ name: "checking" });
    setSession(await currentSession());
  };
  useEffect(() => void check(), []);

  switch (session.name) {
    case "checking":
      return (
        <div class="whole-page" role="status">
          <p class="loading">One moment…</p>
        </div>
      );
    case "unreachable":
      return (
        <div class="whole-page" role="alert">
          <p>{session.detail}</p>
          <Button look="quiet" onClick={check}>
            Try again
          </Button>
        </div>
      );
    case "signed-out":
      return <SignIn title="Staff desk" why="" signIn={api.signIn} onSignedIn={({ staff }) => setSession({ name: "signed-in", staff })} />;
    case "signed-in":
      return <SignedIn staff={session.staff} onSignedOut={() => setSession({ name: "signed-out" })} />;
  }
}

async function currentSession(): Promise<Session> {
  try {
    return { name: "signed-in", staff: (await api.currentSession()).staff };
  } catch (error) {
    if (error instanceof Problem && error.status === 401) return { name: "signed-out" };
    return { name: "unreachable", detail: explain(error) };
  }
}

function SignedIn({ staff, onSignedOut }: { staff: api.Staff; onSignedOut: () => void }) {
  const pages = PAGES.filter(({ roles }) => roles.includes(staff.role));
  const path = useHash();
  const page = pages.find((each) => each.path === path) ?? pages[0];
  useEffect(() => {
    document.title = `${page?.title ?? "Staff desk"} · Velaro staff`;
  }, [page]);
  const leave = async () => {
    await api.signOut().catch(() => undefined);
    onSignedOut();
  };
  return (
    <div class="console">
      <header class="top">
        <span class="brand">Velaro staff</span>
        <nav aria-label="Main">
          {pages.map((each) => (
            <Link key={each.path} page={each} isCurrent={each === page} />
          ))}
        </nav>
        <div class="me">
          <span class="me-name" data-testid="staff">
            {staff.name} ({staff.role})
          </span>
          <Button look="quiet small" data-testid="sign-out" onClick={leave}>
            Sign out
          </Button>
        </div>
      </header>
      {page && <page.Page staff={staff} />}
    </div>
  );
}

function Link({ page: { path, title }, isCurrent }: { page: StaffPage; isCurrent: boolean }) {
  return (
    <a href={`#/${path}`} data-testid={`page-${path}`} {...(isCurrent && { "aria-current": "page" as const })}>
      {title}
    </a>
  );
}

function useHash(): string {
  const read = () => location.hash.replace(/^#\/?/, "");
  const [path, setPath] = useState(read);
  useEffect(() => {
    const changed = () => setPath(read());
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return path;
}
