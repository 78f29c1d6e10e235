import { useEffect, useState } from "preact/hooks";

import { Button } from "../shared/ui/button";
import { Checking, Unreachable, useSession, useSignOut } from "../shared/ui/session";
import { SignIn } from "../shared/ui/sign-in";
import * as api from "./api";
import { PAGES, type StaffPage } from "./pages";

/** The staff desk: what people who work for us do. It knows nothing of what customers and visitors say. */
export function App() {
  const { session, check, signedIn, signedOut } = useSession(async () => (await api.currentSession()).staff);

  switch (session.name) {
    case "checking":
      return <Checking />;
    case "unreachable":
      return <Unreachable detail={session.detail} onRetry={check} />;
    case "signed-out":
      return <SignIn title="Staff desk" why={session.why} signIn={api.signIn} onSignedIn={({ staff }) => signedIn(staff)} />;
    case "signed-in":
      return <SignedIn staff={session.who} onSignedOut={() => signedOut("")} />;
  }
}

function SignedIn({ staff, onSignedOut }: { staff: api.Staff; onSignedOut: () => void }) {
  const pages = PAGES.filter(({ roles }) => roles.includes(staff.role));
  const path = useHash();
  const page = pages.find((each) => each.path === path) ?? pages[0];
  useEffect(() => {
    document.title = `${page?.title ?? "Staff desk"} · Velaro staff`;
  }, [page]);
  const { problem, leave } = useSignOut(api.signOut, onSignedOut);
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
          {problem && (
            <span class="error" role="alert">
              {problem}
            </span>
          )}
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
