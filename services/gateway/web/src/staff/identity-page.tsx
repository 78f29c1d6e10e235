import { useEffect, useState } from "preact/hooks";

import { explain } from "../shared/problems";
import { Button } from "../shared/ui/button";
import { Field, valueOf } from "../shared/ui/field";
import { Moment } from "../shared/ui/times";
import * as api from "./identity-api";

const LOOK_AGAIN_MS = 5_000;
const ACTIONS: Record<string, string> = {
  "view-billing": "see the billing details",
  "change-contact": "change the contact details",
  "change-billing": "change the billing details",
  "transfer-ownership": "hand the ownership on",
  "relax-identity": "have documents demanded less often",
};

/** Identity documents: what waits, one at a time, and what became of the rest. */
export function IdentityPage() {
  const { all, problem, load } = useReviews();
  const waiting = all?.filter(({ state }) => state === "waiting") ?? [];
  const others = all?.filter(({ state }) => state !== "waiting") ?? [];
  return (
    <main class="page narrow">
      <div class="page-head">
        <h1>Identity</h1>
      </div>
      {problem && (
        <p class="note problem" role="alert">
          {problem}
        </p>
      )}
      {all === null && !problem && <p class="loading">Loading…</p>}
      {all !== null && waiting.length === 0 && <p class="page-empty">No document waits.</p>}
      {waiting.map((review) => (
        <Waiting key={review.verification_id} review={review} onDecided={load} />
      ))}
      {others.length > 0 && <Decided reviews={others} />}
    </main>
  );
}

function Waiting({ review, onDecided }: { review: api.Review; onDecided: () => Promise<void> }) {
  const [isShown, setShown] = useState(false);
  const { verification_id, customer_name, operator_name, operator_email, action, uploaded_at, media_type } = review;
  const path = api.documentPath(verification_id);
  return (
    <section class="staff-section" aria-labelledby={verification_id} data-testid="review" data-verification-id={verification_id}>
      <h2 id={verification_id}>
        {operator_name} of {customer_name}
      </h2>
      <p>
        {operator_email} wants to {ACTIONS[action] ?? action}. Uploaded <Moment at={uploaded_at} />.
      </p>
      {media_type === "application/pdf" ? (
        <p>
          <a href={path} download="document.pdf" data-testid="document">
            Download the PDF
          </a>{" "}
          and delete it when you have decided.
        </p>
      ) : isShown ? (
        <img class="staff-document" src={path} alt={`Identity document of ${operator_name}`} data-testid="document" />
      ) : (
        <Button look="quiet" data-testid="show-document" onClick={() => setShown(true)}>
          Show the document
        </Button>
      )}
      <Deciding verificationId={verification_id} onDecided={onDecided} />
    </section>
  );
}

function Deciding({ verificationId, onDecided }: { verificationId: string; onDecided: () => Promise<void> }) {
  const [reason, setReason] = useState("");
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const decide = async (decision: api.Decision) => {
    if (!reason.trim()) return setProblem("Please say why; it is mailed to the operator.");
    setBusy(true);
    setProblem("");
    try {
      await api.decide(verificationId, decision, reason);
      await onDecided();
    } catch (error) {
      setProblem(explain(error));
    }
    setBusy(false);
  };
  return (
    <div class="staff-form">
      <Field id={`reason-${verificationId}`} label="Reason, for the operator" error={problem}>
        {(attributes) => <input {...attributes} class="input" maxLength={500} data-testid="reason" value={reason} onInput={(event) => setReason(valueOf(event))} />}
      </Field>
      <div class="staff-actions">
        <Button isBusy={isBusy} data-testid="approve" onClick={() => decide("approved")}>
          Approve for an hour
        </Button>
        <Button look="danger" isBusy={isBusy} data-testid="refuse" onClick={() => decide("refused")}>
          Refuse
        </Button>
      </div>
    </div>
  );
}

function Decided({ reviews }: { reviews: readonly api.Review[] }) {
  return (
    <section class="staff-section" aria-labelledby="decided">
      <h2 id="decided">Decided and expired</h2>
      <div class="table-scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Who</th>
              <th scope="col">Wanted to</th>
              <th scope="col">Outcome</th>
              <th scope="col">Document</th>
            </tr>
          </thead>
          <tbody>
            {reviews.map(({ verification_id, operator_name, customer_name, action, state, reason, receipt }) => (
              <tr key={verification_id} data-testid="decided-review" data-verification-id={verification_id} data-state={state}>
                <td>
                  {operator_name} of {customer_name}
                </td>
                <td>{ACTIONS[action] ?? action}</td>
                <td>
                  {state}
                  {reason && `: ${reason}`}
                </td>
                <td>
                  {receipt ? (
                    <>
                      destroyed; nothing found <Moment at={receipt.looked_at} />
                    </>
                  ) : (
                    "being destroyed"
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function useReviews() {
  const [all, setAll] = useState<api.Review[] | null>(null);
  const [problem, setProblem] = useState("");
  const load = async () => {
    try {
      setAll((await api.listReviews()).verifications);
      setProblem("");
    } catch (error) {
      setProblem(explain(error));
    }
  };
  useEffect(() => {
    void load();
    const timer = setInterval(() => void load(), LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  return { all, problem, load };
}
