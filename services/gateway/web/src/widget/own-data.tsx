import { useEffect, useState } from "preact/hooks";

import { Observable, useObservable } from "../shared/observable";
import { explain } from "../shared/problems";
import { Button } from "../shared/ui/button";
import { Confirm } from "../shared/ui/confirm";
import { getErasure, type Erasure } from "./api";
import type { Chat, Stage } from "./chat";
import { takeFocus } from "./focus";

const CHECK_MS = 2_000;
const NO_COOKIE = new Observable(false);

/** Loaded when it is first wanted: most visitors never see it. */
export function OwnData({ chat, stage }: { chat: Chat; stage: Stage }) {
  return stage.name === "erased" ? <Erased chat={chat} token={stage.token} erasure={stage.erasure} /> : <Questions chat={chat} />;
}

/** What a visitor can ask of us about themselves. */
function Questions({ chat }: { chat: Chat }) {
  const greeter = useObservable(chat.greeter);
  const hasCookie = useObservable(greeter?.hasCookie ?? NO_COOKIE);
  const [isErasing, setErasing] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const ask = async (what: () => Promise<void>) => {
    setBusy(true);
    setProblem("");
    await what().catch((error) => setProblem(explain(error)));
    setBusy(false);
  };
  return (
    <div class="panel-middle" data-testid="own-data-view">
      <h2 tabIndex={-1} ref={takeFocus}>
        My data
      </h2>
      {problem && (
        <p class="note problem" role="alert">
          {problem}
        </p>
      )}
      <Button look="quiet" data-testid="copy" isBusy={isBusy} onClick={() => ask(async () => save("my-data.json", JSON.stringify(await chat.copy(), null, 2)))}>
        Download a copy
      </Button>
      <Button look="danger" data-testid="erase" isBusy={isBusy} onClick={() => setErasing(true)}>
        Erase everything
      </Button>
      <Button look="quiet" onClick={() => chat.showsOwnData.set(false)}>
        Back
      </Button>
      {hasCookie && (
        <Button look="quiet" data-testid="withdraw" isBusy={isBusy} onClick={() => ask(async () => greeter?.withdraw())}>
          Withdraw my consent to the cookie
        </Button>
      )}
      <a href={`/privacy/questions?site=${encodeURIComponent(chat.siteKey)}`} target="_blank" rel="noopener">
        Ask us a question
      </a>
      {isErasing && (
        <Confirm
          title="Erase everything about you?"
          detail="It ends your conversation, and nobody can bring it back."
          yes="Erase it"
          no="Keep it"
          testId="erase-confirm"
          onYes={() => {
            setErasing(false);
            void ask(() => chat.erase());
          }}
          onNo={() => setErasing(false)}
        />
      )}
    </div>
  );
}

/** What the visitor is told whose data is erased, or being. */
function Erased({ chat, token, erasure }: { chat: Chat; token: string; erasure: Erasure }) {
  const { status, certificate } = useErasure(token, erasure);
  if (erasure.reason === "minor") {
    return (
      <div class="panel-middle" role="status" data-testid="erased" data-reason="minor">
        <h2 tabIndex={-1} ref={takeFocus}>
          Thank you for coming by
        </h2>
        <p>This chat is for people who are 18 or older, so we have to stop here. Nothing you told us is kept.</p>
      </div>
    );
  }
  return (
    <div class="panel-middle" role="status" data-testid="erased" data-reason="asked" data-status={status}>
      <h2 tabIndex={-1} ref={takeFocus}>
        {status === "completed" ? "Everything is erased" : "Erasing…"}
      </h2>
      {certificate && (
        <Button look="quiet" data-testid="certificate" onClick={() => save("erasure-certificate.jws", certificate)}>
          Download the certificate
        </Button>
      )}
      <Button look="quiet" onClick={() => chat.startAgain()}>
        Start a new conversation
      </Button>
    </div>
  );
}

function useErasure(token: string, first: Erasure): Erasure {
  const [erasure, setErasure] = useState(first);
  useEffect(() => {
    if (!token || erasure.status === "completed" || erasure.reason === "minor") return;
    // What could not be asked now is asked again.
    const timer = setTimeout(() => getErasure(token).catch(() => ({ ...erasure })).then(setErasure), CHECK_MS);
    return () => clearTimeout(timer);
  }, [erasure]);
  return erasure;
}

function save(name: string, content: string): void {
  const url = URL.createObjectURL(new Blob([content]));
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
