import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

import { GROUNDS, scopeOf } from "../shared/disclosures";
import { explain } from "../shared/problems";
import { Button } from "../shared/ui/button";
import { Refused } from "../shared/ui/refused";
import { Moment, dayOf } from "../shared/ui/times";
import * as api from "./privacy-api";

/** What was disclosed of the customer's conversations, and what its own people did, with the means to check it. */
export function PrivacyPage() {
  return (
    <main class="page">
      <div class="page-head">
        <h1>Privacy record</h1>
      </div>
      <Disclosures />
      <SignedHead />
      <Entries />
    </main>
  );
}

function Disclosures() {
  const { rows, next, isBusy, problem, load } = usePages(async (after) => {
    const { disclosures, next } = await api.listDisclosures(after);
    return { rows: disclosures, next };
  });
  return (
    <section class="privacy-section" aria-labelledby="disclosures">
      <h2 id="disclosures">Disclosures</h2>
      <p>What we handed over to others of your conversations. What a court forbids us to tell appears when that ends.</p>
      {problem && <Refused problem={problem} onRetry={() => load(null)} />}
      {rows?.length === 0 && <p class="page-empty">Nothing was disclosed.</p>}
      <ol class="responses">
        {rows?.map((each) => (
          <Disclosure key={each.disclosure_id} disclosure={each} />
        ))}
      </ol>
      <More next={next} isBusy={isBusy} load={load} />
    </section>
  );
}

function Disclosure({ disclosure }: { disclosure: api.Disclosure }) {
  const { ground, explanation, scope, recipient, executed_at, conversations, gag_until, gag_reference, reviewed, is_review_due, sha256 } = disclosure;
  return (
    <li class="question" data-testid="disclosure" data-disclosure-id={disclosure.disclosure_id}>
      <p class="survey-intro">
        <Moment at={executed_at} />: {conversations} {conversations === 1 ? "conversation" : "conversations"} to {recipient}
      </p>
      <dl class="given">
        <Detail term="Ground">{GROUNDS[ground]}</Detail>
        <Detail term="Why">{explanation}</Detail>
        <Detail term="What">{scopeOf(scope)}</Detail>
        {gag_until && (
          <Detail term="Not told before">
            {dayOf(gag_until)}, by {gag_reference}
          </Detail>
        )}
        {(reviewed || is_review_due) && <Detail term="Review by a second person">{REVIEWS[reviewed ?? "due"]}</Detail>}
        <Detail term="SHA-256 of the sealed bundle">
          <code>{sha256}</code>
        </Detail>
      </dl>
    </li>
  );
}

const REVIEWS = { upheld: "It was right", refused: "It should not have happened", due: "Not yet" };

function SignedHead() {
  const [head, setHead] = useState<api.Head | null>(null);
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const ask = async (question: () => Promise<{ head: api.Head | null }>) => {
    setBusy(true);
    setProblem("");
    try {
      setHead((await question()).head);
    } catch (error) {
      setProblem(explain(error));
    }
    setBusy(false);
  };
  useEffect(() => void ask(api.getHead), []);
  return (
    <section class="privacy-section" aria-labelledby="head">
      <h2 id="head">Signed head</h2>
      <p>
        Every entry below holds the hash of the one before it. Keep this signature of the last one: with it anybody can show that nothing up to there was changed, removed or added since.
      </p>
      {problem && <Refused problem={problem} onRetry={() => ask(api.getHead)} />}
      {head && (
        <dl class="given" data-testid="head" data-number={head.number}>
          <Detail term="Entries">{head.number}</Detail>
          <Detail term="Signed">
            <Moment at={head.signed_at} />
          </Detail>
          <Detail term="Hash">
            <code>{head.hash}</code>
          </Detail>
        </dl>
      )}
      <div class="privacy-actions">
        <Button look="quiet small" data-testid="sign-head" isBusy={isBusy} onClick={() => ask(api.signHead)}>
          Sign the present one
        </Button>
        {head && (
          <a class="button quiet small" data-testid="keep-head" download={`audit-head-${head.number}.jws`} href={`data:text/plain,${head.certificate}`}>
            Keep a copy
          </a>
        )}
      </div>
    </section>
  );
}

function Entries() {
  const { rows, next, isBusy, problem, load } = usePages(async (after) => {
    const { entries, next } = await api.listEntries(after);
    return { rows: entries, next };
  });
  return (
    <section class="privacy-section" aria-labelledby="audit">
      <h2 id="audit">What was done</h2>
      {problem && <Refused problem={problem} onRetry={() => load(null)} />}
      {rows === null && isBusy && <p class="loading">Loading…</p>}
      {rows !== null && rows.length > 0 && (
        <div class="table-scroll">
          <table>
            <caption class="visually-hidden">Acts of operators, newest first</caption>
            <thead>
              <tr>
                <th scope="col" class="number">
                  Number
                </th>
                <th scope="col">When</th>
                <th scope="col">Act</th>
                <th scope="col">By</th>
                <th scope="col">About</th>
                <th scope="col">Hash</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((entry) => (
                <tr key={entry.number} data-testid="entry" data-act={entry.act}>
                  <td class="number">{entry.number}</td>
                  <td>
                    <Moment at={entry.at} />
                  </td>
                  <td>
                    {entry.act}
                    {entry.details.outcome && ` (refused: ${entry.details.outcome})`}
                  </td>
                  <td>
                    {entry.actor.role} {entry.actor.id}
                  </td>
                  <td>{Object.values(entry.subject).join(" · ")}</td>
                  <td>
                    <code title={entry.hash}>{entry.hash.slice(0, 12)}</code>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <More next={next} isBusy={isBusy} load={load} />
    </section>
  );
}

function Detail({ term, children }: { term: string; children: ComponentChildren }) {
  return (
    <div class="detail">
      <dt>{term}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function More({ next, isBusy, load }: { next: string | null; isBusy: boolean; load: (after: string | null) => void }) {
  if (!next) return null;
  return (
    <Button look="quiet" isBusy={isBusy} onClick={() => load(next)}>
      Show more
    </Button>
  );
}

function usePages<T>(ask: (after: string | null) => Promise<{ rows: T[]; next: string | null }>) {
  const [rows, setRows] = useState<T[] | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(true);
  const [problem, setProblem] = useState("");
  const load = async (after: string | null) => {
    setBusy(true);
    setProblem("");
    try {
      const page = await ask(after);
      setRows((before) => (after && before ? [...before, ...page.rows] : page.rows));
      setNext(page.next);
    } catch (error) {
      setProblem(explain(error));
    }
    setBusy(false);
  };
  useEffect(() => void load(null), []);
  return { rows, next, isBusy, problem, load };
}
