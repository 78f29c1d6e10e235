import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

import { GROUNDS, scopeOf } from "../shared/disclosures";
import { explain } from "../shared/problems";
import { Button } from "../shared/ui/button";
import { Field, valueOf } from "../shared/ui/field";
import { Moment, dayOf } from "../shared/ui/times";
import type { Staff } from "./api";
import { RequestDisclosure } from "./disclosure-request";
import * as api from "./disclosures-api";

const LOOK_AGAIN_MS = 5_000;
const STATES: Record<api.Disclosure["state"], string> = {
  requested: "Waits for a second person",
  approved: "Approved, being carried out",
  refused: "Refused",
  executed: "Carried out",
};

/** The register of disclosures: what was asked for, who decided, and who was told. There is no word of a customer in it. */
export function DisclosuresPage({ staff }: { staff: Staff }) {
  const { rows, next, problem, load } = useRegister();
  return (
    <main class="page narrow">
      <div class="page-head">
        <h1>Disclosures</h1>
        <Button look="quiet small" data-testid="refresh" onClick={() => load(null)}>
          Refresh
        </Button>
      </div>
      {staff.role === "legal" && <RequestDisclosure onRequested={() => load(null)} />}
      {problem && (
        <p class="note problem" role="alert">
          {problem}
        </p>
      )}
      {rows?.some(({ is_overdue }) => is_overdue) && (
        <p class="note problem" role="alert" data-testid="overdue">
          An emergency has not been reviewed within 72 hours.
        </p>
      )}
      <section class="staff-section" aria-labelledby="register">
        <h2 id="register">Register</h2>
        {rows === null && !problem && <p class="loading">Loading the register…</p>}
        {rows?.length === 0 && <p class="page-empty">Nobody has asked for a disclosure yet.</p>}
        <ol class="responses">
          {rows?.map((each) => (
            <Line key={each.disclosure_id} disclosure={each} staff={staff} onChanged={() => load(null)} />
          ))}
        </ol>
        {next && (
          <Button look="quiet" onClick={() => load(next)}>
            Show more
          </Button>
        )}
      </section>
    </main>
  );
}

interface LineProps {
  disclosure: api.Disclosure;
  staff: Staff;
  onChanged: () => Promise<void>;
}

function Line({ disclosure, staff, onChanged }: LineProps) {
  const { disclosure_id, state, ground, requested_by, requested_at, recipient, review, is_overdue } = disclosure;
  const isOther = requested_by.id !== staff.staff_id;
  return (
    <li class="question" data-testid="disclosure" data-disclosure-id={disclosure_id} data-state={state}>
      <h3>
        {GROUNDS[ground]}, to {recipient} <span class="tag">{STATES[state]}</span> {is_overdue && <span class="tag">Review overdue</span>}
      </h3>
      <p class="survey-intro">
        Asked for by {requested_by.name}, <Moment at={requested_at} />
      </p>
      <Details disclosure={disclosure} />
      {state === "requested" && isOther && (
        <Verdict
          id={`decide-${disclosure_id}`}
          yes={["approved", "Approve", "approve"]}
          no={["refused", "Refuse", "refuse"]}
          send={(outcome, reason) => api.decide(disclosure_id, outcome, reason)}
          onSent={onChanged}
        />
      )}
      {review && !review.outcome && isOther && (
        <Verdict
          id={`review-${disclosure_id}`}
          yes={["upheld", "It was right", "uphold"]}
          no={["refused", "It should not have happened", "refuse-review"]}
          send={(outcome, reason) => api.review(disclosure_id, outcome, reason)}
          onSent={onChanged}
        />
      )}
    </li>
  );
}

function Details({ disclosure }: { disclosure: api.Disclosure }) {
  const { customer_id, explanation, scope, recipient_fingerprint, gag_until, gag_reference, decision, review, bundle, telling } = disclosure;
  return (
    <dl class="given">
      <Detail term="Customer">{customer_id}</Detail>
      <Detail term="Why">{explanation}</Detail>
      <Detail term="What">{scopeOf(scope)}</Detail>
      <Detail term="Key of the recipient, SHA-256">
        <code>{recipient_fingerprint}</code>
      </Detail>
      {gag_until && (
        <Detail term="Not to be told before">
          {dayOf(gag_until)}, by {gag_reference}
        </Detail>
      )}
      {decision && (
        <Detail term={decision.outcome === "approved" ? "Approved" : "Refused"}>
          by {decision.by.name}, <Moment at={decision.at} />: {decision.reason}
        </Detail>
      )}
      {review && <Detail term="Review">{reviewOf(review)}</Detail>}
      {bundle && <Detail term="Bundle">{<BundleOf disclosure={disclosure} bundle={bundle} />}</Detail>}
      {telling && <Detail term="The customer">{tellingOf(telling)}</Detail>}
    </dl>
  );
}

function reviewOf(review: NonNullable<api.Disclosure["review"]>): ComponentChildren {
  if (review.outcome === null) {
    return (
      <>
        due <Moment at={review.due_at} />
      </>
    );
  }
  return `${review.outcome === "upheld" ? "It was right" : "It should not have happened"}, says ${review.by?.name}: ${review.reason}`;
}

function BundleOf({ disclosure, bundle }: { disclosure: api.Disclosure; bundle: NonNullable<api.Disclosure["bundle"]> }) {
  const isThere = !bundle.removed_at && new Date(bundle.kept_until) > new Date();
  return (
    <>
      {bundle.conversations} {bundle.conversations === 1 ? "conversation" : "conversations"}
      {bundle.missing.length > 0 && `, ${bundle.missing.length} not found`}.{" "}
      {isThere ? (
        <a data-testid="bundle" href={api.bundleOf(disclosure.disclosure_id)} download>
          Download it sealed
        </a>
      ) : (
        "It was removed."
      )}
    </>
  );
}

function tellingOf({ state, told_at, reason }: NonNullable<api.Disclosure["telling"]>): ComponentChildren {
  if (state === "sent" && told_at) {
    return (
      <>
        was told, <Moment at={told_at} />
      </>
    );
  }
  if (state === "failed") return `could not be reached: ${reason}`;
  return "is told as soon as that is allowed";
}

function Detail({ term, children }: { term: string; children: ComponentChildren }) {
  return (
    <div class="detail">
      <dt>{term}</dt>
      <dd>{children}</dd>
    </div>
  );
}

type Choice<T extends string> = readonly [outcome: T, label: string, testId: string];

interface VerdictProps<Y extends string, N extends string> {
  id: string;
  yes: Choice<Y>;
  no: Choice<N>;
  send: (outcome: Y | N, reason: string) => Promise<unknown>;
  onSent: () => Promise<void>;
}

function Verdict<Y extends string, N extends string>({ id, yes, no, send, onSent }: VerdictProps<Y, N>) {
  const [reason, setReason] = useState("");
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const give = async (outcome: Y | N) => {
    setBusy(true);
    setProblem("");
    try {
      await send(outcome, reason);
      await onSent();
    } catch (error) {
      setProblem(explain(error));
    }
    setBusy(false);
  };
  return (
    <div class="staff-form">
      <Field id={id} label="Reason" error={problem}>
        {(attributes) => (
          <textarea {...attributes} class="input" rows={2} data-testid="reason" value={reason} onInput={(event) => setReason(valueOf(event))} />
        )}
      </Field>
      <div class="staff-actions">
        <Button data-testid={yes[2]} isBusy={isBusy || !reason.trim()} onClick={() => give(yes[0])}>
          {yes[1]}
        </Button>
        <Button look="quiet" data-testid={no[2]} isBusy={isBusy || !reason.trim()} onClick={() => give(no[0])}>
          {no[1]}
        </Button>
      </div>
    </div>
  );
}

function useRegister() {
  const [rows, setRows] = useState<api.Disclosure[] | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [problem, setProblem] = useState("");
  const load = async (after: string | null) => {
    try {
      const page = await api.listRegister(after);
      setRows((before) => (after && before ? [...before, ...page.disclosures] : page.disclosures));
      setNext(page.next);
      setProblem("");
    } catch (error) {
      setProblem(explain(error));
    }
  };
  const isWorkedOn = rows?.some(({ state }) => state === "approved") ?? false;
  useEffect(() => void load(null), []);
  useEffect(() => {
    if (!isWorkedOn) return undefined;
    const timer = setInterval(() => void load(null), LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [isWorkedOn]);
  return { rows, next, problem, load };
}
