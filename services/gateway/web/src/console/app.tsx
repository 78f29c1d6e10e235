import { useEffect, useLayoutEffect, useMemo } from "preact/hooks";

import { type Observable, useObservable } from "../shared/observable";
import { Button } from "../shared/ui/button";
import { ConnectionLine } from "../shared/ui/connection-line";
import { Checking, Unreachable, useSession, useSignOut } from "../shared/ui/session";
import { SignIn } from "../shared/ui/sign-in";
import { forgetUnsent } from "../shared/unsent";
import { AccountBanner } from "./account-banner";
import { AccountPage } from "./account-page";
import * as api from "./api";
import { Desk } from "./desk";
import { InboxPage } from "./inbox-page";
import { PrivacyPage } from "./privacy-page";
import { type Route, hrefOf } from "./route";
import { SitesPage } from "./sites-page";
import { SurveyPage } from "./survey-page";
import { TranscriptPage } from "./transcript-page";
import { TranscriptsPage } from "./transcripts-page";

export function App({ route }: { route: Observable<Route> }) {
  const { session, check, signedIn, signedOut } = useSession(async () => (await api.currentSession()).operator);
  // What an operator left unsent ends with their session, and is nobody else's.
  const operatorId = session.name === "signed-in" ? session.who.operator_id : undefined;
  useLayoutEffect(() => {
    if (session.name !== "checking" && session.name !== "unreachable") forgetUnsent("operator.", operatorId && `operator.${operatorId}`);
  }, [session.name, operatorId]);

  switch (session.name) {
    case "checking":
      return <Checking />;
    case "unreachable":
      return <Unreachable detail={session.detail} onRetry={check} />;
    case "signed-out":
      return <SignIn why={session.why} signIn={api.signIn} rememberedDays={30} onSignedIn={({ operator }) => signedIn(operator)} />;
    case "signed-in":
      return <SignedIn key={session.who.operator_id} operator={session.who} route={route} onSignedOut={signedOut} />;
  }
}

interface SignedInProps {
  operator: api.Operator;
  route: Observable<Route>;
  onSignedOut: (why: string) => void;
}

function SignedIn({ operator, route, onSignedOut }: SignedInProps) {
  const desk = useMemo(() => new Desk(operator, () => onSignedOut("Your session has ended. Please sign in again.")), []);
  useEffect(() => desk.start(), []);
  const place = useObservable(route);
  const isAdmin = api.isAdmin(operator);
  const { conversations, unread } = useObservable(desk.inbox.view);
  const waiting = [...conversations.values()].filter(({ status }) => status === "queued").length;
  const news = waiting + [...unread.values()].reduce((sum, count) => sum + count, 0);
  useEffect(() => {
    document.title = `${news > 0 ? `(${news}) ` : ""}${TITLES[place.name]} · Velaro`;
  }, [news, place.name]);

  return (
    <div class="console">
      <TopBar desk={desk} place={place} news={news} onSignedOut={onSignedOut} />
      <ConnectionLine connection={desk.connection} />
      {isAdmin && <AccountBanner place={place.name} />}
      {place.name === "inbox" && <InboxPage desk={desk} conversationId={place.conversation_id} />}
      {place.name === "survey" && <SurveyPage place={place} isAdmin={isAdmin} />}
      {place.name === "account" && isAdmin && <AccountPage isOwner={operator.role === "owner"} />}
      {place.name === "sites" && <SitesPage isAdmin={isAdmin} />}
      {place.name === "transcripts" && <TranscriptsPage />}
      {place.name === "privacy" && <PrivacyPage />}
      {place.name === "transcript" && <TranscriptPage key={place.transcript_id} transcriptId={place.transcript_id} />}
    </div>
  );
}

const TITLES: Record<Route["name"], string> = {
  account: "Account details",
  inbox: "Inbox",
  survey: "Surveys",
  sites: "Sites",
  transcripts: "Transcripts",
  transcript: "Transcript",
  privacy: "Privacy record",
};

interface TopBarProps {
  desk: Desk;
  place: Route;
  news: number;
  onSignedOut: (why: string) => void;
}

function TopBar({ desk, place, news, onSignedOut }: TopBarProps) {
  const { problem, leave } = useSignOut(api.signOut, () => onSignedOut(""));
  return (
    <header class="top">
      <a class="brand" href={hrefOf.inbox}>
        Velaro
      </a>
      <nav aria-label="Main">
        <a href={hrefOf.inbox} data-testid="inbox" {...(place.name === "inbox" && { "aria-current": "page" as const })}>
          Inbox
          {news > 0 && (
            <span class="count" data-testid="unread-total">
              {news}
              <span class="visually-hidden"> waiting or unread</span>
            </span>
          )}
        </a>
        <a href={hrefOf.transcripts} data-testid="transcripts" {...(place.name.startsWith("transcript") && { "aria-current": "page" as const })}>
          Transcripts
        </a>
        <a href={hrefOf.survey} data-testid="survey" {...(place.name === "survey" && { "aria-current": "page" as const })}>
          Surveys
        </a>
        <a href={hrefOf.sites} data-testid="sites" {...(place.name === "sites" && { "aria-current": "page" as const })}>
          Sites
        </a>
        {api.isAdmin(desk.operator) && (
          <a href={hrefOf.account} data-testid="account" {...(place.name === "account" && { "aria-current": "page" as const })}>
            Account
          </a>
        )}
        {api.isAdmin(desk.operator) && (
          <a href={hrefOf.privacy} data-testid="privacy" {...(place.name === "privacy" && { "aria-current": "page" as const })}>
            Privacy
          </a>
        )}
      </nav>
      <div class="me">
        {problem && (
          <span class="error" role="alert">
            {problem}
          </span>
        )}
        <span class="me-name" data-testid="operator">
          {desk.operator.name}
        </span>
        <Button look="quiet small" data-testid="sign-out" onClick={leave}>
          Sign out
        </Button>
      </div>
    </header>
  );
}
